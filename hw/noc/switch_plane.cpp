#include "noc/switch_plane.hpp"

#include <algorithm>
#include <utility>

namespace tessera::noc {

SwitchPlane::SwitchPlane(const sc_core::sc_module_name& name, unsigned sources,
                         unsigned destinations, const common::Clock& clock, uint64_t latency_cycles,
                         Handler released, Handler delivered)
    : sc_module(name),
      clock_(clock),
      latency_cycles_(latency_cycles),
      released_(std::move(released)),
      delivered_(std::move(delivered)),
      sources_(sources),
      destinations_(destinations) {
  SC_HAS_PROCESS(SwitchPlane);
  SC_METHOD(run);
  sensitive << steps_.event();
  dont_initialize();
}

void SwitchPlane::send(Packet packet, const sc_core::sc_time& when) {
  packet.ready = clock_.next_edge(when);
  steps_.push(packet.ready, {Action::kArrive, packet});
}

void SwitchPlane::accept(unsigned destination, const sc_core::sc_time& when) {
  Packet packet;
  packet.destination = destination;
  steps_.push(when, {Action::kAccept, packet});
}

void SwitchPlane::run() {
  Step step;
  while (steps_.pop(step)) perform(step);
  arbitrate();
}

void SwitchPlane::perform(const Step& step) {
  const Packet& packet = step.packet;
  Destination& destination = destinations_[packet.destination];
  switch (step.action) {
    case Action::kArrive:
      sources_[packet.source].waiting.push_back(packet);
      ++destination.waiting;
      break;
    case Action::kRelease:
      released_(packet);
      break;
    case Action::kReach:
      destination.arrived.push_back(packet);
      deliver_next(packet.destination);
      break;
    case Action::kAccept:
      if (!destination.receiving) {
        SC_REPORT_FATAL(name(), "a packet was accepted that was not delivered");
      }
      destination.receiving = false;
      --destination.granted;
      deliver_next(packet.destination);
      break;
  }
}

void SwitchPlane::deliver_next(unsigned port) {
  Destination& destination = destinations_[port];
  if (destination.receiving || destination.arrived.empty()) return;
  const Packet packet = destination.arrived.front();
  destination.arrived.pop_front();
  destination.receiving = true;
  delivered_(packet);
}

void SwitchPlane::arbitrate() {
  for (unsigned port = 0; port < destinations_.size(); ++port) {
    if (destinations_[port].waiting != 0) grant(port);
  }
}

bool SwitchPlane::grant(unsigned port) {
  const sc_core::sc_time now = sc_core::sc_time_stamp();
  Destination& destination = destinations_[port];
  if (destination.busy_until > now || destination.granted >= latency_cycles_ + 2) return false;
  const unsigned count = static_cast<unsigned>(sources_.size());
  for (unsigned step = 1; step <= count; ++step) {
    const unsigned candidate = (destination.last_source + step) % count;
    const Source& source = sources_[candidate];
    if (source.waiting.empty() || source.busy_until > now) continue;
    if (source.waiting.front().destination != port) continue;
    start(candidate);
    return true;
  }
  return false;
}

void SwitchPlane::start(unsigned source_port) {
  Source& source = sources_[source_port];
  const Packet packet = source.waiting.front();
  source.waiting.pop_front();
  Destination& destination = destinations_[packet.destination];
  --destination.waiting;
  ++destination.granted;
  destination.last_source = source_port;

  const sc_core::sc_time now = clock_.next_edge(sc_core::sc_time_stamp());
  const uint64_t occupied_cycles = std::max<uint64_t>(1, packet.data_beats);
  source.busy_until = destination.busy_until = now + clock_.cycles(occupied_cycles);
  for (PortStatistics* statistics : {&source.statistics, &destination.statistics}) {
    ++statistics->transactions;
    statistics->bytes += packet.bytes;
    statistics->contention_cycles += clock_.floor_cycles(now - packet.ready);
  }
  steps_.push(source.busy_until, {Action::kRelease, packet});
  steps_.push(now + clock_.cycles(latency_cycles_ + packet.data_beats), {Action::kReach, packet});
}

}  // namespace tessera::noc
