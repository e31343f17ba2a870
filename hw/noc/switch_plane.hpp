#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <systemc>
#include <tlm>
#include <vector>

#include "common/clock.hpp"
#include "common/timed_queue.hpp"

namespace tessera::noc {

/// What a port of the crossbar has carried.
struct PortStatistics {
  uint64_t transactions = 0;
  uint64_t bytes = 0;
  uint64_t contention_cycles = 0;  ///< that transactions waited for this port
};

/// One direction of a crossbar, requests or responses: sources, destinations, a round-robin arbiter
/// a destination.
///
/// A packet of d data beats granted at cycle g occupies its source and its destination port for
/// max(1, d) cycles and reaches the destination at g + latency + d. A destination with
/// latency + 2 packets granted that it has not accepted grants no more, so that a slow receiver
/// stops its senders.
class SwitchPlane : public sc_core::sc_module {
 public:
  struct Packet {
    tlm::tlm_generic_payload* transaction = nullptr;
    unsigned source = 0;
    unsigned destination = 0;
    uint64_t data_beats = 0;
    uint64_t bytes = 0;
    sc_core::sc_time ready;  ///< since when it waits for the grant; set by `send`
  };
  using Handler = std::function<void(const Packet&)>;

  /// `released`: the packet has left its source. `delivered`: it is at its destination, which must
  /// answer with `accept`, during the call or later, before the next packet is delivered to it.
  SwitchPlane(const sc_core::sc_module_name& name, unsigned sources, unsigned destinations,
              const common::Clock& clock, uint64_t latency_cycles, Handler released,
              Handler delivered);

  /// The packet is at its source port from the first clock edge at or after `when`.
  void send(Packet packet, const sc_core::sc_time& when);

  /// The destination has taken the packet delivered last, at `when`.
  void accept(unsigned destination, const sc_core::sc_time& when);

  const PortStatistics& source(unsigned port) const { return sources_[port].statistics; }
  const PortStatistics& destination(unsigned port) const { return destinations_[port].statistics; }

 private:
  struct Source {
    std::deque<Packet> waiting;
    sc_core::sc_time busy_until;
    PortStatistics statistics;
  };
  struct Destination {
    std::deque<Packet> arrived;
    sc_core::sc_time busy_until;
    bool receiving = false;    ///< a delivery has not been accepted
    unsigned granted = 0;      ///< packets granted and not accepted
    unsigned waiting = 0;      ///< packets at the head of a source or behind it
    unsigned last_source = 0;  ///< that was granted
    PortStatistics statistics;
  };
  enum class Action { kArrive, kRelease, kReach, kAccept };
  struct Step {
    Action action;
    Packet packet;
  };

  void run();
  void perform(const Step& step);
  void arbitrate();
  bool grant(unsigned destination);
  void start(unsigned source);
  void deliver_next(unsigned destination);

  common::Clock clock_;
  uint64_t latency_cycles_;
  Handler released_;
  Handler delivered_;
  std::vector<Source> sources_;
  std::vector<Destination> destinations_;
  common::TimedQueue<Step> steps_;
};

}  // namespace tessera::noc
