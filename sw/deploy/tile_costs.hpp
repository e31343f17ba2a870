#pragma once

/// What the tiles of a layer cost, one size at a time, and what they take one after the other.

#include <algorithm>
#include <cstdint>

#include "chip/chip.hpp"

namespace tessera::deploy {

/// Bytes of a tile, and the cycles in which one engine moves them.
struct Traffic {
  uint64_t bytes = 0;
  uint64_t cycles = 0;

  Traffic& operator+=(const Traffic& other) {
    bytes += other.bytes;
    cycles += other.cycles;
    return *this;
  }
};

/// Of `pieces` times so many contiguous bytes. They go as bursts; one takes its beats, or a share
/// of the way to the DRAM and back that the outstanding ones do not hide.
Traffic traffic_of(const chip::Chip& chip, uint64_t pieces, uint64_t bytes);

/// Bytes that the DRAM's channels can move in a cycle.
double dram_bytes_per_cycle(const chip::Chip& chip);

/// Sizes of the tiles along a dimension: all but the last, and the last.
struct Cut {
  Cut(uint32_t whole, uint32_t tile) : size{tile, whole}, count{(whole - 1) / tile, 1} {
    size[1] = whole - static_cast<uint32_t>(count[0]) * tile;
  }
  uint64_t tiles() const { return count[0] + count[1]; }
  int kind(uint64_t tile) const { return tile < count[0] ? 0 : 1; }
  uint32_t size[2];
  uint64_t count[2];
};

/// What the tiles of a size cost; indices: 0 all but the last, 1 the last along rows, columns,
/// channels.
struct TileCosts {
  Traffic weights[2];
  Traffic input[2][2][2];
  Traffic residual[2][2][2];
  Traffic output[2][2][2];
  uint64_t compute[2][2][2];
};

/// Ends of the last two steps of each engine; the slots of step n are free when step n - 2 is
/// done.
struct Pipeline {
  void step(uint64_t load_cycles, uint64_t compute_cycles, uint64_t store_cycles) {
    const uint64_t loaded = std::max(load[1], compute[0]) + load_cycles;
    const uint64_t computed = std::max({compute[1], loaded, store[0]}) + compute_cycles;
    const uint64_t stored = std::max(store[1], computed) + store_cycles;
    load[1] = loaded;
    compute[0] = compute[1];
    compute[1] = computed;
    store[0] = store[1];
    store[1] = stored;
  }
  uint64_t load[2] = {0, 0}, compute[2] = {0, 0}, store[2] = {0, 0};
};

}  // namespace tessera::deploy
