#include "deploy/residency.hpp"

#include <algorithm>

#include "abi/npu_commands.hpp"
#include "chip/array_timing.hpp"
#include "deploy/packing.hpp"
#include "deploy/placement.hpp"

namespace tessera::deploy {
namespace {

/// Like a burst of the DMA, so that slots start where bursts do.
constexpr uint32_t kAlignment = 64;

struct Candidate {
  int tensor = 0;
  Life life;
  ResidentMap map;
  uint64_t bytes = 0;
};

bool reads_in_slices(const FusedLayer& layer) { return layer.convolution.groups > 1; }

}  // namespace

uint32_t gapped_pitch(uint32_t dense) {
  const uint32_t lines = round_up(dense, chip::kBankLineBytes) / chip::kBankLineBytes;
  return (lines % 2 == 0 ? lines + 1 : lines) * chip::kBankLineBytes;
}

const std::optional<ResidentMap>& Residency::of(int tensor) const {
  static const std::optional<ResidentMap> kNone;
  const auto index = static_cast<size_t>(tensor);
  return index < maps.size() ? maps[index] : kNone;
}

Residency no_residency(const chip::Chip& chip) {
  Residency none;
  none.slot_bytes = chip.npu.scratchpads.activation_bytes / 2;
  return none;
}

Residency keep_on_chip(const graph::IntegerNetwork& net, const std::vector<FusedLayer>& layers,
                       const chip::Chip& chip, uint32_t bytes) {
  if (chip.npu.clusters != 1) return no_residency(chip);
  const Buffers buffers(net, layers);
  std::vector<Candidate> candidates;
  for (const int tensor : buffers.owners()) {
    if (tensor == net.input || tensor == net.output) continue;
    const graph::IntegerTensor& t = net.tensors[static_cast<size_t>(tensor)];
    if (std::max(t.height, t.width) > abi::kMaxMapSize) continue;
    Candidate c;
    c.tensor = tensor;
    c.life = buffers.life(tensor);
    c.map.pixel_pitch = pixel_bytes(t.channels, t.bits);
    for (const FusedLayer& layer : layers) {
      if (reads_in_slices(layer) && buffers.owner(layer.input) == tensor) {
        c.map.pixel_pitch = gapped_pitch(pixel_bytes(t.channels, t.bits));
      }
    }
    c.map.row_pitch = c.map.pixel_pitch * static_cast<uint32_t>(t.width);
    c.bytes = uint64_t{c.map.row_pitch} * static_cast<uint64_t>(t.height);
    candidates.push_back(c);
  }
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.bytes < b.bytes; });

  FirstFit space(kAlignment);
  std::vector<std::optional<ResidentMap>> owned(net.tensors.size());
  for (Candidate& c : candidates) {
    const std::optional<uint64_t> offset = space.place(c.life, c.bytes, bytes);
    if (!offset) continue;
    c.map.offset = static_cast<uint32_t>(*offset);
    owned[static_cast<size_t>(c.tensor)] = c.map;
  }

  Residency residency;
  residency.maps.resize(net.tensors.size());
  for (size_t t = 0; t < net.tensors.size(); ++t) {
    auto& map = residency.maps[t] = owned[static_cast<size_t>(buffers.owner(static_cast<int>(t)))];
    if (map) map->offset += buffers.byte_offset(static_cast<int>(t));
  }
  residency.slot_offset = bytes;
  residency.slot_bytes =
      (chip.npu.scratchpads.activation_bytes - bytes) / 2 / kAlignment * kAlignment;
  return residency;
}

}  // namespace tessera::deploy
