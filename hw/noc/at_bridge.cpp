#include "noc/at_bridge.hpp"

namespace tessera::noc {

using common::BurstTrace;
using sc_core::sc_time;
using sc_core::sc_time_stamp;

AtBridge::AtBridge(const sc_core::sc_module_name& name)
    : sc_module(name), target_socket("target_socket"), initiator_socket("initiator_socket") {
  target_socket.register_b_transport(this, &AtBridge::b_transport);
  target_socket.register_get_direct_mem_ptr(this, &AtBridge::get_direct_mem_ptr);
  target_socket.register_transport_dbg(this, &AtBridge::transport_dbg);
  initiator_socket.register_nb_transport_bw(this, &AtBridge::nb_transport_bw);
  initiator_socket.register_invalidate_direct_mem_ptr(this, &AtBridge::invalidate_direct_mem_ptr);
}

AtBridge::Call& AtBridge::unused_call() {
  for (const auto& call : calls_) {
    if (call->transaction == nullptr) return *call;
  }
  calls_.push_back(std::make_unique<Call>());
  return *calls_.back();
}

void AtBridge::b_transport(tlm::tlm_generic_payload& outer, sc_time& delay) {
  if (delay != sc_core::SC_ZERO_TIME) wait(delay);
  delay = sc_core::SC_ZERO_TIME;
  while (requesting_) wait(request_ended_);

  Call& call = unused_call();
  call.accepted = call.answered = false;
  call.transaction = pool_.acquire(outer.get_command(), outer.get_address(), outer.get_data_ptr(),
                                   outer.get_data_length());
  tlm::tlm_generic_payload& inner = *call.transaction;
  inner.set_streaming_width(outer.get_streaming_width());
  inner.set_byte_enable_ptr(outer.get_byte_enable_ptr());
  inner.set_byte_enable_length(outer.get_byte_enable_length());

  requesting_ = true;
  tlm::tlm_phase phase = tlm::BEGIN_REQ;
  sc_time answer_delay = sc_core::SC_ZERO_TIME;
  const auto answer = initiator_socket->nb_transport_fw(inner, phase, answer_delay);
  if (answer == tlm::TLM_COMPLETED) phase = tlm::BEGIN_RESP;
  const bool must_end_response = answer == tlm::TLM_UPDATED && phase == tlm::BEGIN_RESP;
  if (answer != tlm::TLM_ACCEPTED) on_phase(call, phase, answer_delay);
  while (!call.answered || sc_time_stamp() < call.answered_at) wait(call.done);
  if (must_end_response) {
    phase = tlm::END_RESP;
    answer_delay = sc_core::SC_ZERO_TIME;
    initiator_socket->nb_transport_fw(inner, phase, answer_delay);
  }

  outer.set_response_status(inner.get_response_status());
  outer.set_dmi_allowed(inner.is_dmi_allowed());
  if (auto* trace = outer.get_extension<BurstTrace>()) *trace = common::trace_of(inner);
  call.transaction = nullptr;
  inner.release();
}

void AtBridge::end_request(Call& call) {
  if (call.accepted) return;
  call.accepted = true;
  requesting_ = false;
  request_ended_.notify(sc_core::SC_ZERO_TIME);
}

void AtBridge::on_phase(Call& call, const tlm::tlm_phase& phase, const sc_time& delay) {
  end_request(call);
  if (phase != tlm::BEGIN_RESP) return;
  call.answered = true;
  call.answered_at = sc_time_stamp() + delay;
  call.done.notify(delay);
}

tlm::tlm_sync_enum AtBridge::nb_transport_bw(tlm::tlm_generic_payload& transaction,
                                             tlm::tlm_phase& phase, sc_time& delay) {
  for (const auto& call : calls_) {
    if (call->transaction != &transaction) continue;
    const bool response = phase == tlm::BEGIN_RESP;
    if (call->answered || (!response && (phase != tlm::END_REQ || call->accepted))) break;
    on_phase(*call, phase, delay);
    return response ? tlm::TLM_COMPLETED : tlm::TLM_ACCEPTED;
  }
  SC_REPORT_FATAL(name(), "a target sent an illegal phase");
  return tlm::TLM_ACCEPTED;
}

bool AtBridge::get_direct_mem_ptr(tlm::tlm_generic_payload& transaction, tlm::tlm_dmi& dmi) {
  return initiator_socket->get_direct_mem_ptr(transaction, dmi);
}

unsigned AtBridge::transport_dbg(tlm::tlm_generic_payload& transaction) {
  return initiator_socket->transport_dbg(transaction);
}

void AtBridge::invalidate_direct_mem_ptr(sc_dt::uint64 start, sc_dt::uint64 end) {
  target_socket->invalidate_direct_mem_ptr(start, end);
}

}  // namespace tessera::noc
