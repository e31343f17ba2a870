#pragma once

/// Which feature maps stay in the activation scratchpad from the layer that makes them to those
/// that read them, and where.

#include <cstdint>
#include <optional>
#include <vector>

#include "chip/chip.hpp"
#include "deploy/fusion.hpp"

namespace tessera::deploy {

/// A map in the activation scratchpad.
struct ResidentMap {
  uint32_t offset = 0;  ///< of the tensor's first element
  uint32_t pixel_pitch = 0;
  uint32_t row_pitch = 0;
};

/// Maps that stay, and the two slots that are left for tiles of the others.
struct Residency {
  std::vector<std::optional<ResidentMap>> maps;  ///< by tensor index; none beyond the end
  uint32_t slot_offset = 0;
  uint32_t slot_bytes = 0;

  const std::optional<ResidentMap>& of(int tensor) const;
};

/// A pixel pitch of an odd number of bank lines, so that the same bytes of neighbouring pixels lie
/// in different banks.
uint32_t gapped_pitch(uint32_t dense_pitch);

/// Nothing stays.
Residency no_residency(const chip::Chip& chip);

/// Gives tensors a place in the first `bytes` (a multiple of 128) of the activation scratchpad,
/// small ones first, those whose lives overlap next to each other. Tensors of several clusters, the
/// network's input and its output never stay; a concatenation stays as a whole or not at all.
Residency keep_on_chip(const graph::IntegerNetwork& network, const std::vector<FusedLayer>& layers,
                       const chip::Chip& chip, uint32_t bytes);

}  // namespace tessera::deploy
