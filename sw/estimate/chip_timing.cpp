#include "estimate/chip_timing.hpp"

#include <algorithm>

#include "abi/memory_map.hpp"

namespace tessera::estimate {

ChipTiming::ChipTiming(const chip::Chip& chip)
    : memory_(chip.dram), network_(noc::chip_layout(chip), chip.noc, chip.period_ps()) {
  network_.attach_memory(noc::kDram, memory_);
  const uint64_t dram_base = uint64_t{abi::kRamBase} + chip.core.local_ram_bytes;
  network_.map({dram_base, chip.dram.size_bytes, noc::kDram, 0});
  clusters_.reserve(chip.npu.clusters);
  for (uint32_t i = 0; i < chip.npu.clusters; ++i) {
    clusters_.emplace_back(chip, network_, noc::kFirstEngine + noc::kEnginesPerCluster * i);
  }
}

/// The next thing that happens to an engine, if that is no later than `limit`. The network performs
/// a cycle when all that happens to engines in it is known, and that of `limit` not at all: the
/// host may still do something in it.
bool ChipTiming::step(uint64_t limit) {
  while (true) {
    uint64_t engines = kNever;
    for (const ClusterTiming& cluster : clusters_) {
      engines = std::min(engines, cluster.next_event_cycle());
    }
    const uint64_t bursts = network_.next_event_cycle();
    if (bursts < engines) {
      if (bursts >= limit) return false;
      network_.perform_next_event();
      continue;
    }
    if (engines == kNever || engines > limit) return false;
    cycle_ = std::max(cycle_, engines);
    for (ClusterTiming& cluster : clusters_) cluster.settle(cycle_);
    return true;
  }
}

bool ChipTiming::advance_to_next_event() { return step(kNever); }

void ChipTiming::advance(uint64_t cycle) {
  while (step(cycle)) {
  }
  cycle_ = std::max(cycle_, cycle);
}

}  // namespace tessera::estimate
