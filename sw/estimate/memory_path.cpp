#include "estimate/memory_path.hpp"

#include <algorithm>

namespace tessera::estimate {

MemoryPath::MemoryPath(const chip::Chip& chip, uint32_t ports)
    : period_ps_(chip.period_ps()),
      burst_bytes_(chip.dma.burst_bytes),
      width_bytes_(chip.noc.width_bytes),
      latency_cycles_(chip.noc.latency_cycles),
      dram_(chip.dram),
      ports_(ports) {
  for (Port& port : ports_) port.returns.resize(chip.dma.outstanding);
}

void MemoryPath::start(uint32_t number, const dma::Descriptor3d& transfer, bool is_write,
                       uint64_t cycle) {
  Port& port = ports_[number];
  port.cutter.emplace(transfer, burst_bytes_);
  port.is_write = is_write;
  port.issued = 0;
  port.retired = 0;
  port.released_cycle = cycle;
  port.last_retired_cycle = 0;
  port.done_cycle = kNever;
}

uint64_t MemoryPath::Port::issue_cycle() const {
  if (!cutter || cutter->done()) return kNever;
  const uint64_t window = returns.size();
  if (issued < window) return released_cycle;
  if (issued - window >= retired) return kNever;
  return std::max(released_cycle, returns[issued % window]);
}

uint64_t MemoryPath::grant_cycle() const {
  uint64_t first = kNever;
  for (const Port& port : ports_) first = std::min(first, port.issue_cycle());
  return first == kNever ? kNever : std::max(first, request_port_free_);
}

uint64_t MemoryPath::response_cycle() const {
  return responses_.empty() ? kNever
                            : std::max(responses_.front().served_cycle, response_port_free_);
}

uint64_t MemoryPath::next_event_cycle() const { return std::min(grant_cycle(), response_cycle()); }

void MemoryPath::perform_next_event() {
  const uint64_t response = response_cycle();
  const uint64_t request = grant_cycle();
  if (response <= request) {
    respond(response);
  } else {
    grant(request);
  }
}

void MemoryPath::grant(uint64_t cycle) {
  uint32_t number = last_granted_;
  do {
    number = (number + 1) % static_cast<uint32_t>(ports_.size());
  } while (ports_[number].issue_cycle() > cycle);
  last_granted_ = number;
  Port& port = ports_[number];
  dma::Burst burst;
  port.cutter->next(burst);
  const uint64_t number_of_burst = port.issued++;
  port.returns[number_of_burst % port.returns.size()] = kNever;

  const uint64_t data_beats = beats(burst.bytes);
  const uint64_t request_beats = port.is_write ? data_beats : 0;
  request_port_free_ = port.released_cycle = cycle + std::max<uint64_t>(1, request_beats);
  const uint64_t arrival = cycle + latency_cycles_ + request_beats;
  const uint64_t done_ps =
      dram_.schedule(arrival * period_ps_, burst.address, burst.bytes, port.is_write);
  const Response response{(done_ps + period_ps_ - 1) / period_ps_, number, number_of_burst,
                          port.is_write ? 0 : data_beats};
  auto place = responses_.end();
  while (place != responses_.begin() && std::prev(place)->served_cycle > response.served_cycle) {
    --place;
  }
  responses_.insert(place, response);
}

void MemoryPath::respond(uint64_t cycle) {
  const Response response = responses_.front();
  responses_.pop_front();
  response_port_free_ = cycle + std::max<uint64_t>(1, response.beats);
  Port& port = ports_[response.port];
  const uint64_t window = port.returns.size();
  port.returns[response.burst % window] = cycle + latency_cycles_ + response.beats;
  while (port.retired < port.issued && port.returns[port.retired % window] != kNever) {
    uint64_t& retired_at = port.returns[port.retired++ % window];
    port.last_retired_cycle = retired_at = std::max(retired_at, port.last_retired_cycle);
  }
  if (port.cutter->done() && port.retired == port.issued) {
    port.done_cycle = port.last_retired_cycle;
  }
}

}  // namespace tessera::estimate
