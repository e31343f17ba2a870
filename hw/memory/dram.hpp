#pragma once

#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <systemc>
#include <tlm>
#include <vector>

#include "chip/chip.hpp"
#include "common/clock.hpp"
#include "common/statistic.hpp"
#include "memory/backing_store.hpp"
#include "memory/dram_timing.hpp"

namespace tessera::memory {

/// DRAM behind its controller. Addresses start at zero. Blocking transport times an access by
/// DramTiming, completes it at the next clock edge and moves the data at once, in order of the
/// calls. A network that it is attached to (noc::Interconnect) serves non-blocking requests and
/// trains of bursts with the same timing. The trace's `served` is the completion time, known on
/// arrival; waiting for the way back is the NoC's. DMI covers all of it, its latencies are those
/// of a row hit.
class Dram : public sc_core::sc_module {
 public:
  Dram(const sc_core::sc_module_name& name, const chip::Dram& config, const common::Clock& clock);

  tlm_utils::simple_target_socket<Dram> socket;

  /// The contents, for loaders and tests.
  uint8_t* data() { return store_.data(); }
  uint64_t size() const { return store_.size(); }

  /// For the network that it is attached to.
  DramTiming& timing() { return timing_; }
  /// Whether an access moves data; what is refused or moves none costs no time.
  bool serves(const tlm::tlm_generic_payload& transaction) const;
  /// Moves the data, sets the response status.
  void access(tlm::tlm_generic_payload& transaction);

  const DramStatistics& counters() const { return timing_.statistics(); }
  std::vector<common::Statistic> statistics() const;

 private:
  using Transaction = tlm::tlm_generic_payload;

  void b_transport(Transaction& transaction, sc_core::sc_time& delay);
  bool get_direct_mem_ptr(Transaction& transaction, tlm::tlm_dmi& dmi);
  unsigned transport_dbg(Transaction& transaction);

  BackingStore store_;
  common::Clock clock_;
  DramTiming timing_;
};

}  // namespace tessera::memory
