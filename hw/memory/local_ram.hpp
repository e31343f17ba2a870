#pragma once

#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <systemc>
#include <tlm>
#include <vector>

#include "common/clock.hpp"
#include "common/statistic.hpp"
#include "memory/backing_store.hpp"

namespace tessera::memory {

/// Single-cycle memory: every access takes one clock cycle, whatever its length, by both transports
/// and in its DMI latencies. Non-blocking requests are completed at once (TLM_COMPLETED).
/// Statistics count transported accesses, not those by DMI or debug transport.
class LocalRam : public sc_core::sc_module {
 public:
  LocalRam(const sc_core::sc_module_name& name, uint64_t size_bytes, const common::Clock& clock);

  tlm_utils::simple_target_socket<LocalRam> socket;

  /// The contents, for loaders and tests.
  uint8_t* data() { return store_.data(); }
  uint64_t size() const { return store_.size(); }

  std::vector<common::Statistic> statistics() const;

 private:
  void b_transport(tlm::tlm_generic_payload& transaction, sc_core::sc_time& delay);
  tlm::tlm_sync_enum nb_transport_fw(tlm::tlm_generic_payload& transaction, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay);
  bool get_direct_mem_ptr(tlm::tlm_generic_payload& transaction, tlm::tlm_dmi& dmi);
  unsigned transport_dbg(tlm::tlm_generic_payload& transaction);

  BackingStore store_;
  common::Clock clock_;
  uint64_t reads_ = 0;
  uint64_t writes_ = 0;
};

}  // namespace tessera::memory
