#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <memory>
#include <systemc>
#include <tlm>
#include <vector>

#include "common/transaction_pool.hpp"

namespace tessera::noc {

/// Turns blocking transport into four-phase non-blocking transport: b_transport first lets the
/// caller's annotated delay pass, then blocks the calling SC_THREAD until the response is there and
/// returns with a delay of zero. Several threads may call; their requests follow one another. DMI
/// and debug transport pass through.
class AtBridge : public sc_core::sc_module {
 public:
  explicit AtBridge(const sc_core::sc_module_name& name);

  tlm_utils::simple_target_socket<AtBridge> target_socket;
  tlm_utils::simple_initiator_socket<AtBridge> initiator_socket;

 private:
  /// A call in progress.
  struct Call {
    tlm::tlm_generic_payload* transaction = nullptr;  ///< null: not in use
    bool accepted = false;
    bool answered = false;
    sc_core::sc_time answered_at;
    sc_core::sc_event done;
  };

  void b_transport(tlm::tlm_generic_payload& transaction, sc_core::sc_time& delay);
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload& transaction, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay);
  bool get_direct_mem_ptr(tlm::tlm_generic_payload& transaction, tlm::tlm_dmi& dmi);
  unsigned transport_dbg(tlm::tlm_generic_payload& transaction);
  void invalidate_direct_mem_ptr(sc_dt::uint64 start, sc_dt::uint64 end);
  void on_phase(Call& call, const tlm::tlm_phase& phase, const sc_core::sc_time& delay);
  Call& unused_call();
  void end_request(Call& call);

  common::TransactionPool pool_;
  std::vector<std::unique_ptr<Call>> calls_;
  bool requesting_ = false;  ///< a request waits for END_REQ
  sc_core::sc_event request_ended_;
};

}  // namespace tessera::noc
