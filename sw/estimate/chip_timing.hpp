#pragma once

/// All clusters of a chip, its network and its memory on paper.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "chip/chip.hpp"
#include "estimate/cluster_timing.hpp"
#include "memory/dram_timing.hpp"
#include "noc/fabric.hpp"

namespace tessera::estimate {

class ChipTiming {
 public:
  explicit ChipTiming(const chip::Chip& chip);
  ChipTiming(const ChipTiming&) = delete;
  ChipTiming& operator=(const ChipTiming&) = delete;

  /// See ClusterTiming.
  void hold(uint32_t address, const uint8_t* bytes, std::size_t size) {
    for (ClusterTiming& cluster : clusters_) cluster.hold(address, bytes, size);
  }

  uint64_t cycle() const { return cycle_; }
  /// Lets everything happen that is due up to `cycle`, included.
  void advance(uint64_t cycle);
  /// Lets the next thing happen to an engine; false if nothing will without a new command.
  bool advance_to_next_event();

  uint32_t clusters() const { return static_cast<uint32_t>(clusters_.size()); }
  ClusterTiming& cluster(uint32_t index) { return clusters_[index]; }
  const ClusterTiming& cluster(uint32_t index) const { return clusters_[index]; }
  const memory::DramTiming& memory() const { return memory_; }
  const noc::Fabric& network() const { return network_; }

 private:
  bool step(uint64_t limit);

  memory::DramTiming memory_;
  noc::Fabric network_;
  std::vector<ClusterTiming> clusters_;
  uint64_t cycle_ = 0;
};

}  // namespace tessera::estimate
