#include "deploy/placement.hpp"

#include <algorithm>
#include <stdexcept>

#include "deploy/packing.hpp"
#include "deploy/residency.hpp"

namespace tessera::deploy {
namespace {

constexpr uint32_t kAlignment = 64;
constexpr uint64_t kMostBytes = 0x7FFF'FFFF;

uint64_t bytes_of(const graph::IntegerTensor& t) {
  return uint64_t{pixel_bytes(t.channels, t.bits)} * static_cast<uint64_t>(t.width * t.height);
}

}  // namespace

void Life::touch(int layer) {
  if (first < 0) first = layer;
  last = std::max(last, layer);
}

Buffers::Buffers(const graph::IntegerNetwork& net, const std::vector<FusedLayer>& layers)
    : owner_(net.tensors.size()), lives_(net.tensors.size()), offsets_(net.tensors.size()) {
  for (size_t t = 0; t < owner_.size(); ++t) owner_[t] = static_cast<int>(t);
  for (const ConcatSlice& s : concat_slices(net)) {
    const auto tensor = static_cast<size_t>(s.tensor);
    owner_[tensor] = s.target;
    const int bits = net.tensors[static_cast<size_t>(s.target)].bits;
    offsets_[tensor] = static_cast<uint32_t>(s.channel * bits / 8);
  }
  const auto touch = [&](int tensor, size_t layer) {
    if (tensor >= 0) lives_[static_cast<size_t>(owner(tensor))].touch(static_cast<int>(layer));
  };
  for (size_t i = 0; i < layers.size(); ++i) {
    touch(layers[i].input, i);
    touch(layers[i].residual, i);
    touch(layers[i].output, i);
  }
  for (size_t t = 0; t < owner_.size(); ++t) {
    if (lives_[t].first >= 0) owners_.push_back(static_cast<int>(t));
  }
}

std::optional<uint64_t> FirstFit::place(const Life& life, uint64_t bytes, uint64_t limit) {
  uint64_t offset = 0;
  for (const Placed& other : placed_) {  // in the order of their offsets
    if (!other.life.overlaps(life)) continue;
    if (offset + bytes <= other.offset) break;
    const uint64_t behind = (other.offset + other.bytes + alignment_ - 1) / alignment_ * alignment_;
    offset = std::max(offset, behind);
  }
  if (offset + bytes > limit) return std::nullopt;
  const auto after = std::find_if(placed_.begin(), placed_.end(),
                                  [&](const Placed& other) { return other.offset > offset; });
  placed_.insert(after, {life, offset, bytes});
  end_ = std::max(end_, offset + bytes);
  return offset;
}

Placement place(const graph::IntegerNetwork& net, const std::vector<FusedLayer>& layers,
                const Residency& residency) {
  const Buffers buffers(net, layers);
  FirstFit arena(kAlignment);
  std::vector<uint32_t> offsets(net.tensors.size());
  uint64_t needed = 0;
  for (const int t : buffers.owners()) {
    if (t == net.input || t == net.output || residency.of(t)) continue;
    const uint64_t bytes = bytes_of(net.tensors[static_cast<size_t>(t)]);
    needed += bytes;
    const auto offset = arena.place(buffers.life(t), bytes, kMostBytes);
    if (!offset) {
      throw std::runtime_error("network " + net.name + " needs " + std::to_string(needed) +
                               " bytes for intermediate tensors, more than 2 GiB");
    }
    offsets[static_cast<size_t>(t)] = static_cast<uint32_t>(*offset);
  }

  Placement result;
  result.arena_bytes =
      static_cast<uint32_t>((arena.end() + kAlignment - 1) / kAlignment * kAlignment);
  for (size_t t = 0; t < net.tensors.size(); ++t) {
    const auto tensor = static_cast<int>(t);
    const int home = buffers.owner(tensor);
    const auto& whole = net.tensors[static_cast<size_t>(home)];
    Place p;
    if (const auto& resident = residency.of(tensor)) {
      p = {abi::TensorSpace::kActivations, resident->offset, resident->pixel_pitch,
           resident->row_pitch};
    } else {
      p.space = home == net.input    ? abi::TensorSpace::kInput
                : home == net.output ? abi::TensorSpace::kOutput
                                     : abi::TensorSpace::kArena;
      p.pixel_bytes = pixel_bytes(whole.channels, whole.bits);
      p.row_bytes = p.pixel_bytes * static_cast<uint32_t>(whole.width);
      p.offset = offsets[static_cast<size_t>(home)] + buffers.byte_offset(tensor);
    }
    result.places.push_back(p);
  }
  return result;
}

}  // namespace tessera::deploy
