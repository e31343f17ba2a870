#pragma once

/// Where each tensor lies in DRAM.

#include <cstdint>
#include <vector>

#include "abi/image.hpp"
#include "deploy/fusion.hpp"

namespace tessera::deploy {

struct Place {
  abi::TensorSpace space = abi::TensorSpace::kArena;
  uint32_t offset = 0;
  uint32_t pixel_bytes = 0;  ///< between pixels; more than the tensor's own in a concatenation
  uint32_t row_bytes = 0;
};

struct Placement {
  std::vector<Place> places;  ///< by tensor index; of those that some group reads or writes
  uint32_t arena_bytes = 0;
};

/// Gives every tensor a place; tensors whose lives do not overlap share memory (first fit).
Placement place(const graph::IntegerNetwork& network, const std::vector<FusedLayer>& layers);

}  // namespace tessera::deploy
