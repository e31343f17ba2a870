#include "memory/dram.hpp"

#include "common/burst_trace.hpp"

namespace tessera::memory {

using sc_core::sc_time;
using sc_core::sc_time_stamp;

Dram::Dram(const sc_core::sc_module_name& name, const chip::Dram& config,
           const common::Clock& clock)
    : sc_module(name), socket("socket"), store_(config.size_bytes), clock_(clock), timing_(config) {
  socket.register_b_transport(this, &Dram::b_transport);
  socket.register_get_direct_mem_ptr(this, &Dram::get_direct_mem_ptr);
  socket.register_transport_dbg(this, &Dram::transport_dbg);
}

bool Dram::serves(const Transaction& transaction) const {
  return store_.check(transaction) == tlm::TLM_OK_RESPONSE &&
         transaction.get_command() != tlm::TLM_IGNORE_COMMAND;
}

void Dram::access(Transaction& transaction) {
  store_.access(transaction);
  if (transaction.is_response_ok()) transaction.set_dmi_allowed(true);
}

void Dram::b_transport(Transaction& transaction, sc_time& delay) {
  const sc_time now = sc_time_stamp();
  const sc_time arrival = now + delay;
  common::stamp_once(transaction, &common::BurstTrace::delivered, arrival);
  access(transaction);
  sc_time served = clock_.next_edge(arrival);
  if (serves(transaction)) {
    const uint64_t units_per_ps = clock_.period().value() / clock_.period_ps();
    const uint64_t arrival_ps = (arrival.value() + units_per_ps - 1) / units_per_ps;
    const uint64_t done_ps =
        timing_.schedule(arrival_ps, transaction.get_address(), transaction.get_data_length(),
                         transaction.is_write());
    served = clock_.next_edge(sc_time::from_value(done_ps * units_per_ps));
  }
  common::stamp_once(transaction, &common::BurstTrace::served, served);
  delay = served - now;
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
