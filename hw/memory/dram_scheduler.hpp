#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "memory/dram_timing.hpp"

namespace tessera::memory {

/// The accesses that wait for one channel of a DRAM, and which of them is next. In cycles of the
/// chip's clock. No SystemC.
///
/// First ready, first come, first served (Rixner et al., "Memory access scheduling", ISCA 2000): of
/// the accesses that have arrived, the one whose data can pass the bus first is next, which an
/// access to an open row often is; of several the one that came first. What has been passed over
/// kMostPasses times is next in any case. The choice is made as late as it can be without a gap on
/// the bus: when a closed or another open row could still be made ready by the time that the bus is
/// free.
class DramScheduler {
 public:
  static constexpr uint32_t kMostPasses = 16;

  struct Access {
    uint64_t arrival_cycle = 0;
    uint64_t address = 0;
    uint32_t bytes = 0;  ///< in one row of one channel
    bool is_write = false;
    uint64_t tag = 0;    ///< the owner's
    uint32_t owner = 0;  ///< the owner's
  };
  struct Served {
    Access access;
    uint64_t done_cycle = 0;  ///< first clock edge at or after its last data
  };

  /// Of that channel of `timing`, which must outlive this.
  DramScheduler(DramTiming& timing, uint32_t channel, uint64_t period_ps)
      : timing_(&timing), channel_(channel), period_ps_(period_ps) {}

  void push(const Access& access) {
    waiting_.push_back({access, timing_->place_of(access.address), 0});
  }
  bool empty() const { return waiting_.empty(); }
  /// When the next choice is made; there is an access.
  uint64_t choice_cycle() const;
  /// Makes it, at `cycle`: choice_cycle().
  Served serve(uint64_t cycle);
  /// All that waits comes so much later; its place in the memory stays in its row.
  void shift(uint64_t cycles, uint64_t address, uint64_t tag);

 private:
  struct Waiting {
    Access access;
    DramTiming::Place place;
    uint32_t passes = 0;
  };

  std::size_t choose(uint64_t cycle) const;

  DramTiming* timing_;
  uint32_t channel_;
  uint64_t period_ps_;
  uint64_t last_choice_cycle_ = 0;
  std::vector<Waiting> waiting_;  ///< in the order of arrival
};

}  // namespace tessera::memory
