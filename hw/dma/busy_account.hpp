#pragma once

#include <cstdint>
#include <limits>

namespace tessera::dma {

/// Where the busy time of a DMA engine went, in cycles. total = dram + noc + other, always.
struct Breakdown {
  uint64_t total_cycles = 0;
  uint64_t dram_cycles = 0;   ///< the oldest burst was at its target
  uint64_t noc_cycles = 0;    ///< it was on its way there or back
  uint64_t other_cycles = 0;  ///< it was not yet issued

  friend Breakdown operator+(const Breakdown& a, const Breakdown& b) {
    return {a.total_cycles + b.total_cycles, a.dram_cycles + b.dram_cycles,
            a.noc_cycles + b.noc_cycles, a.other_cycles + b.other_cycles};
  }
  friend Breakdown operator-(const Breakdown& a, const Breakdown& b) {
    return {a.total_cycles - b.total_cycles, a.dram_cycles - b.dram_cycles,
            a.noc_cycles - b.noc_cycles, a.other_cycles - b.other_cycles};
  }
  friend Breakdown operator*(const Breakdown& a, uint64_t factor) {
    return {a.total_cycles * factor, a.dram_cycles * factor, a.noc_cycles * factor,
            a.other_cycles * factor};
  }
};

/// When a burst passed which border, in cycles; kUnset if it did not.
struct BurstStamps {
  static constexpr uint64_t kUnset = std::numeric_limits<uint64_t>::max();

  uint64_t issued = kUnset;
  uint64_t delivered = kUnset;
  uint64_t served = kUnset;
  uint64_t returned = kUnset;
};

/// Splits busy time by the oldest burst: the time between the completion of a burst and that of
/// the next is charged to what the next was doing then, by its stamps.
class BusyAccount {
 public:
  /// Busy time starts at `cycle`.
  void start(uint64_t cycle) { charged_until_ = cycle; }

  /// Charges the time up to `cycle`, or up to the burst's return if that is earlier, to a burst.
  /// Stamps that are not set or lie beyond `cycle` count as not reached.
  void charge(const BurstStamps& stamps, uint64_t cycle);

  /// Charges the time up to `cycle` to no burst.
  void charge_other(uint64_t cycle);

  const Breakdown& sums() const { return sums_; }

  /// Charges `bursts` more, each `interval` cycles after the one before it at every border, of
  /// which the one with these stamps was charged last.
  void repeat(const BurstStamps& last, uint64_t interval, uint64_t bursts);

 private:
  uint64_t charged_until_ = 0;
  Breakdown sums_;
};

}  // namespace tessera::dma
