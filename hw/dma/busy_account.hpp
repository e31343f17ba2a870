#pragma once

#include <cstdint>
#include <systemc>

#include "common/burst_trace.hpp"
#include "common/clock.hpp"

namespace tessera::dma {

/// Where the busy time of a DMA engine went, in cycles. total = dram + noc + other, always.
struct Breakdown {
  uint64_t total_cycles = 0;
  uint64_t dram_cycles = 0;   ///< the oldest burst was at its target
  uint64_t noc_cycles = 0;    ///< it was on its way there or back
  uint64_t other_cycles = 0;  ///< it was not yet issued

  friend Breakdown operator-(const Breakdown& a, const Breakdown& b) {
    return {a.total_cycles - b.total_cycles, a.dram_cycles - b.dram_cycles,
            a.noc_cycles - b.noc_cycles, a.other_cycles - b.other_cycles};
  }
};

/// Splits busy time by the oldest burst: the time between the completion of a burst and that of
/// the next is charged to what the next was doing then, by the stamps of its trace.
class BusyAccount {
 public:
  explicit BusyAccount(const common::Clock& clock) : clock_(clock) {}

  /// Busy time starts at `when`.
  void start(const sc_core::sc_time& when) { charged_until_ = clock_.floor_cycles(when); }

  /// Charges the time up to `when`, or up to the burst's return if that is earlier, to a burst.
  /// Stamps that are not set or lie beyond `when` count as not reached.
  void charge(const common::BurstTrace& trace, const sc_core::sc_time& when);

  /// Charges the time up to `when` to no burst.
  void charge_other(const sc_core::sc_time& when);

  const Breakdown& sums() const { return sums_; }

 private:
  common::Clock clock_;
  uint64_t charged_until_ = 0;  ///< cycle
  Breakdown sums_;
};

}  // namespace tessera::dma
