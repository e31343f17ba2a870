#include "memory/dram.hpp"

#include "common/burst_trace.hpp"

namespace tessera::memory {

using sc_core::sc_time;
using sc_core::sc_time_stamp;

Dram::Dram(const sc_core::sc_module_name& name, const chip::Dram& config,
           const common::Clock& clock)
    : sc_module(name), socket("socket"), store_(config.size_bytes), clock_(clock), timing_(config) {
  socket.register_b_transport(this, &Dram::b_transport);
  socket.register_nb_transport_fw(this, &Dram::nb_transport_fw);
  socket.register_get_direct_mem_ptr(this, &Dram::get_direct_mem_ptr);
  socket.register_transport_dbg(this, &Dram::transport_dbg);
  SC_HAS_PROCESS(Dram);
  SC_METHOD(respond);
  sensitive << served_.event() << work_;
  dont_initialize();
}

/// Moves the data and returns when the access is complete: at the first clock edge at or after its
/// last data. What is refused costs no time.
sc_time Dram::serve(Transaction& transaction, const sc_time& arrival) {
  common::stamp_once(transaction, &common::BurstTrace::delivered, arrival);
  store_.access(transaction);
  sc_time served = clock_.next_edge(arrival);
  const bool moves_data = transaction.get_command() != tlm::TLM_IGNORE_COMMAND;
  if (transaction.is_response_ok()) transaction.set_dmi_allowed(true);
  if (transaction.is_response_ok() && moves_data) {
    const uint64_t units_per_ps = clock_.period().value() / clock_.period_ps();
    const uint64_t arrival_ps = (arrival.value() + units_per_ps - 1) / units_per_ps;
    const uint64_t done_ps =
        timing_.schedule(arrival_ps, transaction.get_address(), transaction.get_data_length(),
                         transaction.is_write());
    served = clock_.next_edge(sc_time::from_value(done_ps * units_per_ps));
  }
  common::stamp_once(transaction, &common::BurstTrace::served, served);
  return served;
}

void Dram::b_transport(Transaction& transaction, sc_time& delay) {
  const sc_time now = sc_time_stamp();
  delay = serve(transaction, now + delay) - now;
}

tlm::tlm_sync_enum Dram::nb_transport_fw(Transaction& transaction, tlm::tlm_phase& phase,
                                         sc_time& delay) {
  if (phase == tlm::END_RESP) {
    if (!responding_) SC_REPORT_FATAL(name(), "END_RESP without a response");
    end_response();
    return tlm::TLM_COMPLETED;
  }
  if (phase != tlm::BEGIN_REQ || unaccepted_ != nullptr) {
    SC_REPORT_FATAL(name(), "an initiator sent an illegal phase");
  }
  transaction.acquire();
  ++queued_;
  served_.push(serve(transaction, sc_time_stamp() + delay), &transaction);
  if (queued_ >= kQueueDepth) {
    unaccepted_ = &transaction;
    return tlm::TLM_ACCEPTED;
  }
  phase = tlm::END_REQ;
  return tlm::TLM_UPDATED;
}

void Dram::end_response() {
  responding_ = false;
  Transaction* finished = responses_.front();
  responses_.pop_front();
  --queued_;
  finished->release();
  work_.notify(sc_core::SC_ZERO_TIME);
}

void Dram::respond() {
  Transaction* next = nullptr;
  while (served_.pop(next)) responses_.push_back(next);
  if (unaccepted_ != nullptr && queued_ < kQueueDepth) {
    Transaction& accepted = *unaccepted_;
    unaccepted_ = nullptr;
    tlm::tlm_phase phase = tlm::END_REQ;
    sc_time delay = sc_core::SC_ZERO_TIME;
    socket->nb_transport_bw(accepted, phase, delay);
  }
  if (responding_ || responses_.empty()) return;
  responding_ = true;
  // A response implies that its request was accepted.
  if (unaccepted_ == responses_.front()) unaccepted_ = nullptr;
  tlm::tlm_phase phase = tlm::BEGIN_RESP;
  sc_time delay = sc_core::SC_ZERO_TIME;
  const auto answer = socket->nb_transport_bw(*responses_.front(), phase, delay);
  if (answer == tlm::TLM_COMPLETED || (answer == tlm::TLM_UPDATED && phase == tlm::END_RESP)) {
    end_response();
  }
}

bool Dram::get_direct_mem_ptr(Transaction& transaction, tlm::tlm_dmi& dmi) {
  store_.grant(dmi);
  const uint64_t units_per_ps = clock_.period().value() / clock_.period_ps();
  const sc_time latency =
      clock_.next_edge(sc_time::from_value(timing_.row_hit_ps() * units_per_ps));
  dmi.set_read_latency(latency);
  dmi.set_write_latency(latency);
  return transaction.get_address() < store_.size();
}

unsigned Dram::transport_dbg(Transaction& transaction) { return store_.debug_access(transaction); }

std::vector<common::Statistic> Dram::statistics() const {
  const DramStatistics& s = counters();
  return {{"reads", s.reads, "", "read transactions"},
          {"writes", s.writes, "", "write transactions"},
          {"bytes_read", s.bytes_read, "bytes", "data read"},
          {"bytes_written", s.bytes_written, "bytes", "data written"},
          {"row_hits", s.row_hits, "", "column accesses to an open row"},
          {"row_misses", s.row_misses, "", "column accesses to a closed bank"},
          {"row_conflicts", s.row_conflicts, "", "column accesses that closed another row"},
          {"activates", s.activates, "", "rows opened"},
          {"refreshes", s.refreshes, "", "all-bank refreshes"}};
}

}  // namespace tessera::memory
