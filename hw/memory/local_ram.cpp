#include "memory/local_ram.hpp"

#include "common/burst_trace.hpp"

namespace tessera::memory {

LocalRam::LocalRam(const sc_core::sc_module_name& name, uint64_t size_bytes,
                   const common::Clock& clock)
    : sc_module(name), socket("socket"), store_(size_bytes), clock_(clock) {
  socket.register_b_transport(this, &LocalRam::b_transport);
  socket.register_nb_transport_fw(this, &LocalRam::nb_transport_fw);
  socket.register_get_direct_mem_ptr(this, &LocalRam::get_direct_mem_ptr);
  socket.register_transport_dbg(this, &LocalRam::transport_dbg);
}

void LocalRam::b_transport(tlm::tlm_generic_payload& transaction, sc_core::sc_time& delay) {
  store_.access(transaction);
  if (transaction.is_response_ok()) {
    transaction.set_dmi_allowed(true);
    ++(transaction.is_read() ? reads_ : writes_);
  }
  delay += clock_.period();
  common::stamp_once(transaction, &common::BurstTrace::served, sc_core::sc_time_stamp() + delay);
}

tlm::tlm_sync_enum LocalRam::nb_transport_fw(tlm::tlm_generic_payload& transaction,
                                             tlm::tlm_phase& phase, sc_core::sc_time& delay) {
  if (phase != tlm::BEGIN_REQ) SC_REPORT_FATAL(name(), "an initiator sent an illegal phase");
  b_transport(transaction, delay);
  return tlm::TLM_COMPLETED;
}

bool LocalRam::get_direct_mem_ptr(tlm::tlm_generic_payload& transaction, tlm::tlm_dmi& dmi) {
  store_.grant(dmi);
  dmi.set_read_latency(clock_.period());
  dmi.set_write_latency(clock_.period());
  return transaction.get_address() < store_.size();
}

unsigned LocalRam::transport_dbg(tlm::tlm_generic_payload& transaction) {
  return store_.debug_access(transaction);
}

std::vector<common::Statistic> LocalRam::statistics() const {
  return {{"reads", reads_, "", "transported reads"},
          {"writes", writes_, "", "transported writes"}};
}

}  // namespace tessera::memory
