#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <string>
#include <systemc>
#include <tlm>
#include <vector>

#include "chip/chip.hpp"
#include "common/clock.hpp"
#include "common/statistic.hpp"
#include "noc/address_map.hpp"
#include "noc/switch_plane.hpp"

namespace tessera::noc {

/// A crossbar between initiators and targets, all ports `width_bytes` wide, `latency_cycles` long.
///
/// Timing, without contention, of n bytes (b = ceil(n / width) beats), in cycles: the request of a
/// read takes latency, that of a write latency + b; the response of a read latency + b, that of a
/// write latency. A port is occupied for max(1, beats) cycles by each request and response. Ports
/// are granted round robin to whoever waits.
///
/// Targets see addresses relative to their range (AddressRange::offset), on all interfaces.
/// Whatever no range holds entirely is answered with TLM_ADDRESS_ERROR_RESPONSE. Transactions keep
/// the order of their initiator up to the target, not beyond.
///
/// Non-blocking transport is the four-phase base protocol; targets may answer early in every legal
/// way. Blocking transport annotates the same latency and occupancy; contention is what the last
/// booking of a port leaves, so it is exact for requests in the order of their time and approximate
/// for initiators that run ahead. DMI pointers come back in the initiator's addresses with the
/// latencies of the crossbar added. Transactions with a BurstTrace are stamped.
class Crossbar : public sc_core::sc_module {
 public:
  using TargetSocket = tlm_utils::simple_target_socket_tagged<Crossbar>;
  using InitiatorSocket = tlm_utils::simple_initiator_socket_tagged<Crossbar>;

  Crossbar(const sc_core::sc_module_name& name, unsigned initiators, unsigned targets,
           const common::Clock& clock, const chip::Noc& config);

  sc_core::sc_vector<TargetSocket> from_initiator;  ///< bind initiator i to from_initiator[i]
  sc_core::sc_vector<InitiatorSocket> to_target;    ///< bind to_target[j] to target j

  /// Before simulation. Throws std::runtime_error for an overlap or a port that does not exist.
  void map(const AddressRange& range);

  /// Requests and responses of a port, both transports.
  PortStatistics initiator_statistics(unsigned initiator) const;
  PortStatistics target_statistics(unsigned target) const;

  /// Sums over all ports, for reports.
  std::vector<common::Statistic> statistics() const;

 private:
  using Transaction = tlm::tlm_generic_payload;

  /// A transaction on its way in non-blocking transport.
  struct Route {
    Transaction* transaction = nullptr;
    unsigned initiator = 0;
    unsigned target = 0;     ///< to_target.size(): nobody's address
    uint64_t address = 0;    ///< as the initiator gave it
    bool accepted = false;   ///< by the target (END_REQ, given or implied)
    bool completed = false;  ///< by the target early: it expects no END_RESP
  };

  /// Booking of a port's channel in blocking transport.
  struct Channel {
    sc_core::sc_time busy_from, busy_until;
  };

  tlm::tlm_sync_enum nb_transport_fw(int initiator, Transaction& transaction, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay);
  tlm::tlm_sync_enum nb_transport_bw(int target, Transaction& transaction, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay);
  void b_transport(int initiator, Transaction& transaction, sc_core::sc_time& delay);
  bool get_direct_mem_ptr(int initiator, Transaction& transaction, tlm::tlm_dmi& dmi);
  unsigned transport_dbg(int initiator, Transaction& transaction);
  void invalidate_direct_mem_ptr(int target, sc_dt::uint64 start, sc_dt::uint64 end);

  void begin_request(unsigned initiator, Transaction& transaction, const sc_core::sc_time& when);
  void request_released(const SwitchPlane::Packet& packet);
  void request_delivered(const SwitchPlane::Packet& packet);
  void on_target_phase(unsigned target, Transaction& transaction, const tlm::tlm_phase& phase,
                       const sc_core::sc_time& when);
  void accept_request(Route& route, const sc_core::sc_time& when);
  void send_response(const Route& route, const sc_core::sc_time& when);
  void response_released(const SwitchPlane::Packet& packet);
  void response_delivered(const SwitchPlane::Packet& packet);
  void finish(Transaction& transaction, const sc_core::sc_time& when);
  Route& route_of(const Transaction& transaction);

  uint64_t beats(uint64_t bytes) const { return (bytes + width_bytes_ - 1) / width_bytes_; }
  sc_core::sc_time book(Channel& first, Channel& second, const sc_core::sc_time& when,
                        uint64_t cycles);

  common::Clock clock_;
  uint32_t width_bytes_;
  uint32_t latency_cycles_;
  AddressMap map_;
  std::vector<Route> routes_;
  std::vector<bool> requesting_;  ///< an initiator that waits for END_REQ
  SwitchPlane requests_;
  SwitchPlane responses_;

  std::vector<Channel> initiator_request_, initiator_response_, target_request_, target_response_;
  std::vector<PortStatistics> blocking_initiator_, blocking_target_;
};

}  // namespace tessera::noc
