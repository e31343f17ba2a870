#include "estimate/memory_path.hpp"

#include <algorithm>

#include "memory/dram.hpp"

namespace tessera::estimate {

MemoryPath::MemoryPath(const chip::Chip& chip, uint32_t ports)
    : period_ps_(chip.period_ps()),
      burst_bytes_(chip.dma.burst_bytes),
      width_bytes_(chip.noc.width_bytes),
      latency_cycles_(chip.noc.latency_cycles),
      dram_(chip.dram),
      ports_(ports),
      may_block_(ports * chip.dma.outstanding >= memory::Dram::kQueueDepth) {
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
  if (unaccepted_ >= latency_cycles_ + 2) return kNever;
  uint64_t first = kNever;
  for (const Port& port : ports_) first = std::min(first, port.issue_cycle());
  return first == kNever ? kNever : std::max({first, request_port_free_, accepted_cycle_});
}

uint64_t MemoryPath::delivery_cycle() const {
  if (arriving_.empty() || blocked_) return kNever;
  return std::max(arriving_.front().arrival_cycle, accepted_cycle_);
}

uint64_t MemoryPath::response_cycle() const {
  return responses_.empty() ? kNever
                            : std::max(responses_.front().served_cycle, response_port_free_);
}

/// When the request that blocks is accepted: as the response under way leaves.
uint64_t MemoryPath::acceptance_cycle() const {
  return blocked_ && responding_ ? response_port_free_ : kNever;
}

uint64_t MemoryPath::next_event_cycle() const {
  const uint64_t direct = std::min(grant_cycle(), response_cycle());
  return may_block_ ? std::min({direct, delivery_cycle(), acceptance_cycle()}) : direct;
}

void MemoryPath::perform_next_event() {
  const uint64_t cycle = next_event_cycle();
  if (acceptance_cycle() == cycle) {
    end_response();
  } else if (response_cycle() == cycle) {
    respond(cycle);
  } else if (delivery_cycle() == cycle) {
    const Request request = arriving_.front();
    arriving_.pop_front();
    deliver(cycle, request);
  } else {
    grant(cycle);
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

  const uint64_t data_beats = port.is_write ? beats(burst.bytes) : 0;
  request_port_free_ = port.released_cycle = cycle + std::max<uint64_t>(1, data_beats);
  const Request request{cycle + latency_cycles_ + data_beats, burst.address, burst.bytes, number,
                        number_of_burst};
  if (may_block_) {
    ++unaccepted_;
    arriving_.push_back(request);
  } else {
    deliver(request.arrival_cycle, request);
  }
}

void MemoryPath::deliver(uint64_t cycle, const Request& request) {
  const bool is_write = ports_[request.port].is_write;
  const uint64_t done_ps =
      dram_.schedule(cycle * period_ps_, request.address, request.bytes, is_write);
  const Response response{(done_ps + period_ps_ - 1) / period_ps_, request.port, request.burst,
                          is_write ? 0 : beats(request.bytes)};
  auto place = responses_.end();
  while (place != responses_.begin() && std::prev(place)->served_cycle > response.served_cycle) {
    --place;
  }
  responses_.insert(place, response);
  if (!may_block_) return;
  if (responding_ && response_port_free_ <= cycle) end_response();
  blocked_ = ++queued_ >= memory::Dram::kQueueDepth;
  if (!blocked_) accept(cycle);
}

void MemoryPath::accept(uint64_t cycle) {
  blocked_ = false;
  --unaccepted_;
  accepted_cycle_ = cycle;
}

void MemoryPath::end_response() {
  responding_ = false;
  --queued_;
  if (blocked_) accept(response_port_free_);
}

void MemoryPath::respond(uint64_t cycle) {
  if (responding_) end_response();
  const Response response = responses_.front();
  responses_.pop_front();
  responding_ = may_block_;
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
