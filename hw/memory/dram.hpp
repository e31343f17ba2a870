#pragma once

#include <tlm_utils/simple_target_socket.h>

#include <cstdint>
#include <deque>
#include <systemc>
#include <tlm>
#include <vector>

#include "chip/chip.hpp"
#include "common/clock.hpp"
#include "common/statistic.hpp"
#include "common/timed_queue.hpp"
#include "memory/backing_store.hpp"
#include "memory/dram_timing.hpp"

namespace tessera::memory {

/// DRAM behind its controller. Addresses start at zero. Both transports time an access by the same
/// DramTiming and complete it at the next clock edge; data move when the request arrives, in order.
/// Non-blocking: requests are accepted at once until kQueueDepth are in the controller, then as
/// responses leave. The trace's `served` is the completion time, known on arrival; waiting for
/// the way back is the NoC's. DMI covers all of it, its latencies are those of a row hit.
class Dram : public sc_core::sc_module {
 public:
  static constexpr size_t kQueueDepth = 64;

  Dram(const sc_core::sc_module_name& name, const chip::Dram& config, const common::Clock& clock);

  tlm_utils::simple_target_socket<Dram> socket;

  /// The contents, for loaders and tests.
  uint8_t* data() { return store_.data(); }
  uint64_t size() const { return store_.size(); }

  const DramStatistics& counters() const { return timing_.statistics(); }
  std::vector<common::Statistic> statistics() const;

 private:
  using Transaction = tlm::tlm_generic_payload;

  void b_transport(Transaction& transaction, sc_core::sc_time& delay);
  tlm::tlm_sync_enum nb_transport_fw(Transaction& transaction, tlm::tlm_phase& phase,
                                     sc_core::sc_time& delay);
  bool get_direct_mem_ptr(Transaction& transaction, tlm::tlm_dmi& dmi);
  unsigned transport_dbg(Transaction& transaction);

  sc_core::sc_time serve(Transaction& transaction, const sc_core::sc_time& arrival);
  void respond();
  void end_response();

  BackingStore store_;
  common::Clock clock_;
  DramTiming timing_;
  common::TimedQueue<Transaction*> served_;  ///< waiting for their completion time
  std::deque<Transaction*> responses_;       ///< complete, waiting for the way back
  bool responding_ = false;                  ///< BEGIN_RESP sent, END_RESP not received
  Transaction* unaccepted_ = nullptr;        ///< the request that waits for END_REQ
  sc_core::sc_event work_;
  size_t queued_ = 0;  ///< requests without a finished response
};

}  // namespace tessera::memory
