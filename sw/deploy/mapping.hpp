#pragma once

/// How a fused layer runs on the array: segments of the reduction, tiles, loop order.

#include <cstdint>

#include "abi/image.hpp"
#include "chip/chip.hpp"
#include "deploy/fusion.hpp"
#include "deploy/packing.hpp"

namespace tessera::deploy {

/// Cycles of firmware for the commands of one tile, as the search assumes them.
constexpr uint64_t kHostCyclesPerStep = 1000;

struct Mapping {
  Segments segments;
  int lanes = 1;
  uint64_t steps = 0;              ///< array steps of one output tile
  abi::LayerProgram program = {};  ///< everything but names, offsets in the image and DRAM places
  uint64_t compute_cycles = 0;     ///< of the whole layer, without bank conflicts
  uint64_t traffic_bytes = 0;      ///< between DRAM and scratchpads
  uint64_t estimated_cycles = 0;   ///< what the search minimised
};

/// Searches tile sizes and loop order for the fewest estimated cycles. Throws std::runtime_error
/// that names layer, resource and shortage if even the smallest tile does not fit.
Mapping map_layer(const FusedLayer& layer, const graph::IntegerNetwork& network,
                  const chip::Chip& chip);

}  // namespace tessera::deploy
