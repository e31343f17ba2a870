#include "estimate/chip_timing.hpp"

#include <algorithm>

#include "abi/memory_map.hpp"

namespace tessera::estimate {

namespace {
constexpr uint32_t kPortsPerCluster = 2;
}

ChipTiming::ChipTiming(const chip::Chip& chip)
    : memory_(chip, kPortsPerCluster * chip.npu.clusters) {
  const uint64_t dram_base = uint64_t{abi::kRamBase} + chip.core.local_ram_bytes;
  clusters_.reserve(chip.npu.clusters);
  for (uint32_t i = 0; i < chip.npu.clusters; ++i) {
    clusters_.emplace_back(chip, dram_base, memory_, kPortsPerCluster * i);
  }
}

/// The next thing that happens to an engine, if that is no later than `limit`.
bool ChipTiming::step(uint64_t limit) {
  while (true) {
    uint64_t engines = kNever;
    for (const ClusterTiming& cluster : clusters_) {
      engines = std::min(engines, cluster.next_event_cycle());
    }
    const uint64_t bursts = memory_.next_event_cycle();
    const uint64_t next = std::min(engines, bursts);
    if (next == kNever || next > limit) return false;
    if (bursts <= engines) {
      memory_.perform_next_event();
      continue;
    }
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
