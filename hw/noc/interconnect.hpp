#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <systemc>
#include <tlm>
#include <vector>

#include "chip/chip.hpp"
#include "common/clock.hpp"
#include "common/statistic.hpp"
#include "common/timed_queue.hpp"
#include "dma/burst_train.hpp"
#include "memory/dram.hpp"
#include "noc/address_map.hpp"
#include "noc/fabric.hpp"
#include "noc/layout.hpp"

namespace tessera::noc {

/// A crossbar or a mesh between initiators and targets, all links `width_bytes` wide.
///
/// Timing, without contention, of n bytes (b = ceil(n / width) beats), in cycles, where the way
/// takes w = latency_cycles on a crossbar and (hops + 1) * latency_cycles on a mesh: the request of
/// a read takes w, that of a write w + b; the response of a read w + b, that of a write w. A link
/// is occupied for max(1, beats) cycles by each request and response. What happens when they meet
/// says noc::Fabric.
///
/// Targets see addresses relative to their range (AddressRange::offset), on all interfaces.
/// Whatever no range holds entirely is answered with TLM_ADDRESS_ERROR_RESPONSE. Transactions keep
/// the order of their initiator up to the target, not beyond.
///
/// Non-blocking transport is the four-phase base protocol, single requests or dma::BurstTrain;
/// targets may answer early in every legal way. Blocking transport annotates the same latency and
/// occupancy; contention is what the last booking of a link leaves, so it is exact for requests in
/// the order of their time and approximate for initiators that run ahead. A blocking train waits
/// until it is done and takes the same cycles as one with four phases; it and single blocking
/// requests do not see each other. DMI pointers come back in
/// the initiator's addresses with the latencies of the network added. Transactions with a
/// BurstTrace are stamped.
class Interconnect : public sc_core::sc_module {
 public:
  using TargetSocket = tlm_utils::simple_target_socket_tagged<Interconnect>;
  using InitiatorSocket = tlm_utils::simple_initiator_socket_tagged<Interconnect>;

  Interconnect(const sc_core::sc_module_name& name, const Layout& layout,
               const common::Clock& clock, const chip::Noc& config);

  sc_core::sc_vector<TargetSocket> from_initiator;  ///< bind initiator i to from_initiator[i]
  sc_core::sc_vector<InitiatorSocket> to_target;    ///< bind to_target[j] to target j

  /// Binds a target that is a memory: non-blocking transport ends here and uses its timing.
  void attach(unsigned target, memory::Dram& dram);

  /// Before simulation. Throws std::runtime_error for an overlap or a port that does not exist.
  void map(const AddressRange& range);

  /// Requests and responses of a port, both transports.
  PortStatistics initiator_statistics(unsigned initiator) const;
  PortStatistics target_statistics(unsigned target) const;

  /// Sums over all ports, for reports.
  std::vector<common::Statistic> statistics() const;

  struct LinkReport {
    std::string name;  ///< "(0,0)->(1,0) requests"
    LinkStatistics statistics;
  };
  /// Of the links between nodes that have carried something, both transports. None on a crossbar.
  std::vector<LinkReport> links() const;

 private:
  using Transaction = tlm::tlm_generic_payload;

  /// A single request on its way in non-blocking transport.
  struct Route {
    Transaction* transaction = nullptr;  ///< null: not in use
    unsigned initiator = 0;
    unsigned target = 0;     ///< to_target.size(): nobody's address
    uint64_t address = 0;    ///< as the initiator gave it
    bool accepted = false;   ///< by the target (END_REQ, given or implied)
    bool completed = false;  ///< by the target early, or by the network: expects no END_RESP
  };
  /// Where packets wait until the receiver has taken the one before.
  struct Door {
    bool of_target = false;
    bool receiving = false;
    std::deque<uint32_t> arrived;  ///< routes
  };
  /// The train of an initiator.
  struct Train : dma::TrainProgress {
    dma::Breakdown breakdown_at_now() override;
    Interconnect* network = nullptr;
    unsigned initiator = 0;
    Transaction* transaction = nullptr;  ///< null: none
    bool blocks = false;                 ///< the caller waits for `done`
    sc_core::sc_event done;
  };
  /// Booking of a link in blocking transport.
  struct Channel {
    sc_core::sc_time busy_from, busy_until;
    LinkStatistics statistics;
  };
  /// One direction in blocking transport.
  struct Bookings {
    std::vector<Channel> sources, links;
  };

  // Non-blocking transport, in interconnect.cpp.
  tlm::tlm_sync_enum nb_transport_fw(int initiator, Transaction& transaction, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay);
  tlm::tlm_sync_enum nb_transport_bw(int target, Transaction& transaction, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay);
  void begin_request(unsigned initiator, Transaction& transaction, const sc_core::sc_time& when);
  void begin_train(unsigned initiator, Transaction& transaction, dma::BurstTrain& train,
                   const sc_core::sc_time& when);
  void run();
  void evaluate();
  void wake_in_time();
  void act(const Fabric::Notice& notice);
  void end_request(Route& route);
  void deliver_request(uint32_t id);
  void next_request(Door& door);
  void open(Door& door, const sc_core::sc_time& when);
  void on_target_phase(unsigned target, Transaction& transaction, const tlm::tlm_phase& phase,
                       const sc_core::sc_time& when);
  void accept_request(Route& route, const sc_core::sc_time& when);
  void send_response(Route& route, const sc_core::sc_time& when);
  void end_response(Route& route);
  void next_response(Door& door);
  void finish(Transaction& transaction, const sc_core::sc_time& when);
  void end_train(Train& train);
  void carry(unsigned initiator, Transaction& transaction, dma::BurstTrain& train,
             sc_core::sc_time& delay);
  uint32_t new_route();
  uint32_t id_of(const Route& route) const {
    return static_cast<uint32_t>(&route - routes_.data());
  }
  Route& route_of(const Transaction& transaction);
  uint64_t cycle_at(const sc_core::sc_time& when) const { return clock_.ceil_cycles(when); }

  // Blocking transport, DMI and debug transport, in interconnect_lt.cpp.
  void b_transport(int initiator, Transaction& transaction, sc_core::sc_time& delay);
  bool get_direct_mem_ptr(int initiator, Transaction& transaction, tlm::tlm_dmi& dmi);
  unsigned transport_dbg(int initiator, Transaction& transaction);
  void invalidate_direct_mem_ptr(int target, sc_dt::uint64 start, sc_dt::uint64 end);
  sc_core::sc_time book(std::initializer_list<Channel*> channels, const sc_core::sc_time& when,
                        uint64_t cycles);
  sc_core::sc_time cross(Bookings& bookings, const Plane& plane, uint32_t source,
                         uint32_t destination, uint64_t beats, const sc_core::sc_time& when);

  uint64_t beats(uint64_t bytes) const { return (bytes + width_bytes_ - 1) / width_bytes_; }

  common::Clock clock_;
  uint32_t width_bytes_;
  uint32_t latency_cycles_;
  Fabric fabric_;
  std::vector<memory::Dram*> memories_;  ///< of each target; null: no memory
  std::vector<Route> routes_;
  std::vector<bool> requesting_;  ///< an initiator that waits for END_REQ
  std::vector<Door> target_doors_, initiator_doors_;
  std::vector<std::unique_ptr<Train>> trains_;
  common::TimedQueue<Fabric::Notice> notices_;
  common::TimedQueue<Door*> opening_;
  sc_core::sc_event wake_;

  Bookings request_bookings_, response_bookings_;
  std::vector<PortStatistics> blocking_initiator_, blocking_target_;
};

}  // namespace tessera::noc
