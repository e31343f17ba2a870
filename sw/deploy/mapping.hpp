#pragma once

/// How a fused layer runs on the array: segments of the reduction, slices and spread, tiles, loop
/// order.

#include <cstdint>
#include <optional>
#include <vector>

#include "abi/image.hpp"
#include "chip/chip.hpp"
#include "deploy/fusion.hpp"
#include "deploy/packing.hpp"
#include "deploy/residency.hpp"

namespace tessera::deploy {

/// Cycles in which a command comes from a list, a word a cycle.
constexpr uint64_t kCyclesPerCommand = 12;

/// What the search takes a layer to need at least for each command. It keeps it from pieces so
/// small that they meet row misses of the DRAM and each other, which it does not see. Of 12 to 300,
/// tried on the shipped chips, what serves one cluster and several.
constexpr uint64_t kLeastCyclesPerCommand = 200;

/// A way to cut a layer, and what it takes.
struct Candidate {
  uint32_t rows = 0;  ///< of a tile
  uint32_t columns = 0;
  uint32_t channels = 0;
  bool channels_outer = false;
  uint32_t slice_channels = 0;  ///< output channels of a slice; 0: the reduction is dense
  uint32_t spread_y = 1;        ///< outputs of a channel in the rows of the array
  uint32_t spread_x = 1;
  bool by_channels = false;      ///< a tile loads the channels of its slices alone
  uint64_t compute_cycles = 0;   ///< of the array, over the layer
  uint64_t transfer_cycles = 0;  ///< of the busiest of load engine, store engine and DRAM
  uint64_t command_cycles = 0;   ///< of a cluster's fetch engine, for the commands
  uint64_t traffic_bytes = 0;    ///< between DRAM and scratchpads
  /// Of the layer: load, compute and store of the tiles after each other as the slots allow, and
  /// never less than the DRAM takes or kLeastCyclesPerCommand say.
  uint64_t cycles = 0;

  /// What the search makes least: the cycles, and where these hardly differ those of the array,
  /// which are exact and cost energy.
  uint64_t cost() const { return 32 * cycles + compute_cycles; }
};

struct Mapping {
  Segments segments;
  int lanes = 1;
  uint64_t steps = 0;               ///< array steps of one output tile
  abi::LayerProgram program = {};   ///< everything but names, offsets in the image and DRAM places
  uint64_t macs = 0;                ///< of the layer's definition, padding included
  Candidate best;                   ///< what the search chose: the least cost
  std::optional<Candidate> second;  ///< the next best, with a higher cost
};

/// What takes longest: "compute", "commands", or for transfers the narrower of "DRAM" and "NoC".
const char* bound_of(uint64_t compute_cycles, uint64_t transfer_cycles, uint64_t command_cycles,
                     const chip::Chip& chip);

/// Searches tile sizes, loop order, for grouped convolutions slices and, where rows of the array
/// would idle or slices are narrow, spreads (see abi::ComputeConfig) for the least estimated
/// cost. Maps that `residency` keeps on chip are neither loaded nor stored. Throws
/// std::runtime_error that names layer, resource and shortage if even the smallest tile does not
/// fit.
Mapping map_layer(const FusedLayer& layer, const graph::IntegerNetwork& network,
                  const chip::Chip& chip, const Residency& residency);

/// With no map on chip.
Mapping map_layer(const FusedLayer& layer, const graph::IntegerNetwork& network,
                  const chip::Chip& chip);

}  // namespace tessera::deploy
