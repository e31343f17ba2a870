#pragma once

/// The network with its memories, in cycles: the one definition of when bursts and single requests
/// come back, for the SystemC model (noc::Interconnect) and for the estimate. No SystemC.

#include <cstdint>
#include <optional>
#include <vector>

#include "chip/chip.hpp"
#include "dma/burst_cutter.hpp"
#include "dma/busy_account.hpp"
#include "memory/dram_scheduler.hpp"
#include "memory/dram_timing.hpp"
#include "noc/address_map.hpp"
#include "noc/layout.hpp"
#include "noc/plane.hpp"

namespace tessera::noc {

/// Two planes (plane.hpp), one of requests and one of responses, between initiators and the ports
/// of targets. The request of a read has no data beats, that of a write ceil(bytes / width); the
/// response of a read has them, that of a write and of what failed has none.
///
/// An initiator sends single requests, one after the other, or a train of bursts. A burst is issued
/// when the one before has left the initiator and fewer than `outstanding` are in flight; bursts
/// retire in order; the train is done when the last has.
///
/// The channels of a memory serve requests as memory::DramScheduler says. A response leaves at the
/// first clock edge at or after its last data, in the order of these edges, one at a time. A memory
/// port takes memory::kControllerDepth requests whose responses have not left; other targets and
/// initiators take latency + 2 packets that they have not accepted, but for the responses to
/// trains, which are always accepted. Addresses of nobody have a port of their own, beside the
/// first target, that answers at once.
///
/// What happens at cycle t may depend on everything that is passed in for t or before, and on
/// nothing later: the caller passes in all of t before it performs t.
class Fabric {
 public:
  /// Something that the caller has to do about a single request or a train, at a cycle.
  struct Notice {
    enum class Kind : uint8_t {
      kRequestReleased,    ///< it has left its initiator, who may send the next
      kRequestDelivered,   ///< it is at its target; to a memory or nobody: that is all there is to
                           ///< do
      kResponseReleased,   ///< the response has left the target
      kResponseDelivered,  ///< the response is at the initiator
      kTrainDone,
    };
    Kind kind = Kind::kTrainDone;
    uint64_t cycle = 0;
    uint32_t id = 0;  ///< of the request, or the initiator of the train
  };

  struct Request {
    uint32_t initiator = 0;
    uint64_t address = 0;
    uint32_t bytes = 0;
    bool is_write = false;
    bool refused = false;  ///< by the memory it goes to, at once
  };

  struct Train {
    dma::Descriptor3d descriptor;
    uint32_t burst_bytes = 0;
    uint32_t outstanding = 0;
    bool is_write = false;
  };

  /// `period_ps`: of the clock, for the memories.
  Fabric(const Layout& layout, const chip::Noc& config, uint64_t period_ps);
  Fabric(const Fabric&) = delete;
  Fabric& operator=(const Fabric&) = delete;

  /// Before the first request: the target is a memory with that timing, which must outlive this.
  void attach_memory(unsigned target, memory::DramTiming& timing);
  /// Before the first request. Throws std::runtime_error for an overlap.
  void map(const AddressRange& range) { map_.add(range); }
  const AddressMap& address_map() const { return map_; }
  /// The port where [address, address + bytes) is: of its target, or nobody's.
  uint32_t port_of(uint64_t address, uint32_t bytes) const {
    return place_of(address, bytes, false).port;
  }
  bool is_memory(unsigned target) const { return memories_[target].timing != nullptr; }

  // ---- passing in; `cycle` is no earlier than what was performed

  /// The train of at least one byte starts; its initiator has none.
  void start(uint32_t initiator, const Train& train, uint64_t cycle);
  /// A single request is at its initiator; `id` is the caller's until kResponseDelivered and
  /// below 2^31. The one before was released.
  void send(uint32_t id, const Request& request, uint64_t cycle);
  /// The target, no memory, has taken the request that was delivered.
  void accept(uint32_t id, uint64_t cycle);
  /// The target, no memory, responds with so many bytes.
  void respond(uint32_t id, uint32_t bytes, uint64_t cycle);
  /// The initiator has taken the response that was delivered.
  void finish(uint32_t id, uint64_t cycle);

  // ---- performing

  /// The cycle of the next event; kNever if there is none.
  uint64_t next_event_cycle() { return agenda_.next_cycle(); }
  void perform_next_event();
  /// Performs all events before `cycle`; those of a train that is alone and even many at a time.
  void advance(uint64_t cycle);
  /// Notices since the last call, known ahead of their cycles; valid until the next call.
  const std::vector<Notice>& take_notices();
  /// With everything before `cycle` performed: before this cycle no notice can be due that is not
  /// known yet; kNever if none will come by itself. After `cycle`.
  uint64_t quiet_until(uint64_t cycle);

  // ---- looking

  /// When the initiator's train is done; kNever while that is not known.
  uint64_t done_cycle(uint32_t initiator) const { return ports_[initiator].done_cycle; }
  uint64_t bursts_issued(uint32_t initiator) const { return ports_[initiator].sent; }
  /// Of the first burst of the train that was refused.
  std::optional<uint64_t> failing_address(uint32_t initiator) const {
    return ports_[initiator].failing_address;
  }
  /// Of the initiator's train up to a cycle that has been performed.
  dma::Breakdown breakdown(uint32_t initiator, uint64_t cycle) const;

  const Plane& requests() const { return requests_; }
  const Plane& responses() const { return responses_; }
  PortStatistics initiator_statistics(unsigned initiator) const;
  PortStatistics target_statistics(unsigned target) const;
  /// Of the single request: when the memory is done with it; kNever while that is not known.
  uint64_t served_cycle(uint32_t id) const { return singles_[id].served_cycle; }
  /// Of a packet without data that waits nowhere, from an initiator to a target, the mean over the
  /// target's ports, rounded up.
  uint64_t one_way_cycles(unsigned initiator, unsigned target) const;
  const memory::DramTiming& memory(unsigned target) const { return *memories_[target].timing; }

 private:
  /// A burst of a train, in a ring.
  struct Slot {
    uint64_t address = 0;
    uint64_t memory_address = 0;  ///< relative to the memory
    uint32_t bytes = 0;
    bool failed = false;
    dma::BurstStamps stamps;  ///< `returned` as it retires, once all before have returned
    uint64_t back_cycle = kNever;
  };
  /// Where a train and what serves it are when a burst returns.
  struct Pace {
    uint64_t cycle = 0;
    bool waiting = false;
    Plane::Pace requests, responses;
    memory::DramPace memory;
  };
  /// How evenly the bursts of a train follow each other.
  struct Rhythm {
    Slot last;                 ///< the burst that retired last
    uint64_t cycles = 0;       ///< between it and the one before, at every border
    uint64_t even = 0;         ///< bursts for which that has been so
    std::optional<Pace> pace;  ///< one burst ago
  };
  struct Port {
    std::optional<dma::BurstCutter> cutter;
    bool is_write = false;
    bool stopped = false;  ///< issues no more
    bool waiting = false;  ///< the next burst has been cut and has not left
    Slot next;             ///< that burst
    uint64_t total_bytes = 0;
    uint64_t sent_bytes = 0;
    uint64_t answered_bytes = 0;
    uint64_t sent = 0;     ///< bursts that have left
    uint64_t retired = 0;  ///< of them, those whose retirement is known
    uint64_t charged = 0;  ///< of them, those that are in the account
    uint64_t released_cycle = 0;
    uint64_t last_served_cycle = 0;
    uint64_t last_retired_cycle = 0;
    uint64_t done_cycle = kNever;
    std::optional<uint64_t> failing_address;
    uint32_t window = 0;      ///< bursts in flight at most
    std::vector<Slot> slots;  ///< a ring of at least as many
    dma::BusyAccount account;
    Rhythm rhythm;

    Slot& slot(uint64_t burst) { return slots[burst & (slots.size() - 1)]; }
    const Slot& slot(uint64_t burst) const { return slots[burst & (slots.size() - 1)]; }
  };
  /// A response that has not left its target.
  struct Response {
    uint64_t ready_cycle = 0;
    Packet packet;
  };
  struct ResponseSource {
    std::vector<Response> queue;  ///< by readiness
    bool waiting = false;         ///< one has been handed to the plane and has not left
    uint64_t free_cycle = 0;
  };
  struct Single {
    Request request;
    uint32_t port = 0;       ///< of the target
    uint64_t address = 0;    ///< relative to the memory
    uint32_t waits_for = 0;  ///< the thing on the agenda
    uint64_t served_cycle = kNever;
  };

  static constexpr uint32_t kSingle = 0x8000'0000;  ///< in the owner of an access
  struct Memory {
    memory::DramTiming* timing = nullptr;  ///< null: no memory
    std::vector<memory::DramScheduler> channels;
    uint32_t first_event = 0;  ///< of the channels, on the agenda
  };

  uint32_t beats(uint64_t bytes) const {
    return static_cast<uint32_t>((bytes + width_bytes_ - 1) >> width_bits_);
  }
  /// Where an address lies: the port, and the address relative to the memory.
  struct Place {
    uint32_t port = 0;
    uint64_t address = 0;
  };
  Place place_of(uint64_t address, uint32_t bytes, bool memories_only) const;
  uint32_t port_in(uint32_t target, uint64_t address) const;
  Slot& slot_of(uint32_t initiator, uint64_t burst) { return ports_[initiator].slot(burst); }
  uint32_t memories_begin() const {
    return first_request_link_ + static_cast<uint32_t>(requests_.links());
  }
  void issue_next(uint32_t initiator);
  void request_granted(const Plane::Grant& grant);
  void burst_left(const Plane::Grant& grant);
  void request_arrives(const Plane::Grant& grant);
  void enter_memory(const Packet& request, uint64_t arrival_cycle);
  void serve(uint32_t event, uint64_t cycle);
  void respond_to(const Packet& request, uint64_t served_cycle, bool has_served);
  void queue_response(const Packet& packet, uint64_t ready_cycle);
  void emit(uint32_t port, uint64_t cycle);
  void response_granted(const Plane::Grant& grant, uint64_t cycle);
  void burst_returns(const Plane::Grant& grant, uint64_t cycle);
  void hear(Port& port, const Slot& retired);
  void leap(uint32_t initiator, uint64_t cycle);
  Pace pace_of(uint32_t initiator, uint64_t cycle) const;
  void charge_returned(Port& port, uint64_t cycle);
  bool alone(uint32_t initiator) const;
  bool in_flight_even(const Port& port) const;
  uint64_t bursts_to_leap(const Port& port, uint64_t cycle) const;
  void repeat(uint32_t initiator, const Pace& before, uint64_t bursts);
  void note(Notice::Kind kind, uint64_t cycle, uint64_t id);
  void stop_moving(uint32_t id);
  uint64_t earliest_done(const Port& port, uint64_t cycle) const;

  uint32_t width_bytes_;  ///< a power of two
  unsigned width_bits_;
  uint32_t latency_cycles_;
  uint64_t period_ps_;
  AddressMap map_;
  std::vector<uint32_t> first_port_;  ///< of each target; one more: of nobody
  std::vector<uint32_t> target_of_;   ///< of each port
  std::vector<Memory> memories_;      ///< of each target
  uint64_t horizon_ = 0;              ///< nothing is passed in for before this cycle
  Agenda agenda_;  ///< response sources, then links of responses, then links of requests
  uint32_t first_response_link_;
  uint32_t first_request_link_;
  Plane requests_;
  Plane responses_;
  std::vector<uint32_t> memory_of_event_;  ///< the target, by channel of a memory
  std::vector<Port> ports_;
  std::vector<ResponseSource> sources_;
  std::vector<Single> singles_;   ///< by id
  std::vector<uint32_t> moving_;  ///< ids of singles in a plane
  std::vector<Notice> notices_, taken_;
};

}  // namespace tessera::noc
