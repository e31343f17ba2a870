#include "deploy/placement.hpp"

#include <algorithm>
#include <stdexcept>

#include "deploy/packing.hpp"

namespace tessera::deploy {
namespace {

constexpr uint32_t kAlignment = 64;

/// First and last group that touches a buffer.
struct Life {
  int first = -1;
  int last = -1;

  void touch(int group) {
    if (first < 0) first = group;
    last = std::max(last, group);
  }
  bool overlaps(const Life& other) const { return first <= other.last && other.first <= last; }
};

struct Buffer {
  Life life;
  uint64_t bytes = 0;
  uint64_t offset = 0;
};

}  // namespace

Placement place(const graph::IntegerNetwork& net, const std::vector<FusedLayer>& layers) {
  const size_t count = net.tensors.size();
  std::vector<int> owner(count);  // the tensor whose buffer it lies in
  std::vector<int64_t> channel(count, 0);
  for (size_t t = 0; t < count; ++t) owner[t] = static_cast<int>(t);
  for (const ConcatSlice& s : concat_slices(net)) {
    owner[static_cast<size_t>(s.tensor)] = s.target;
    channel[static_cast<size_t>(s.tensor)] = s.channel;
  }

  std::vector<Buffer> buffers(count);
  const auto touch = [&](int tensor, size_t group) {
    if (tensor < 0) return;
    buffers[static_cast<size_t>(owner[static_cast<size_t>(tensor)])].life.touch(
        static_cast<int>(group));
  };
  for (size_t g = 0; g < layers.size(); ++g) {
    touch(layers[g].input, g);
    touch(layers[g].residual, g);
    touch(layers[g].output, g);
  }

  Placement result;
  result.places.resize(count);
  std::vector<const Buffer*> placed;
  uint64_t arena = 0;
  for (size_t t = 0; t < count; ++t) {
    const auto& tensor = net.tensors[t];
    Buffer& b = buffers[t];
    if (owner[t] != static_cast<int>(t) || b.life.first < 0) continue;
    const uint64_t row =
        uint64_t{pixel_bytes(tensor.channels, tensor.bits)} * static_cast<uint64_t>(tensor.width);
    b.bytes = row * static_cast<uint64_t>(tensor.height);
    if (static_cast<int>(t) == net.input || static_cast<int>(t) == net.output) continue;
    std::vector<const Buffer*> rivals;
    for (const Buffer* other : placed) {
      if (other->life.overlaps(b.life)) rivals.push_back(other);
    }
    std::sort(rivals.begin(), rivals.end(),
              [](const Buffer* x, const Buffer* y) { return x->offset < y->offset; });
    for (const Buffer* other : rivals) {
      if (b.offset + b.bytes <= other->offset) break;
      b.offset = std::max(
          b.offset, (other->offset + other->bytes + kAlignment - 1) / kAlignment * kAlignment);
    }
    placed.push_back(&b);
    arena = std::max(arena, b.offset + b.bytes);
  }
  if (arena > 0x7FFF'FFFF) {
    throw std::runtime_error("network " + net.name + " needs " + std::to_string(arena) +
                             " bytes for intermediate tensors, more than 2 GiB");
  }
  result.arena_bytes = static_cast<uint32_t>((arena + kAlignment - 1) / kAlignment * kAlignment);

  for (size_t t = 0; t < count; ++t) {
    const auto home = static_cast<size_t>(owner[t]);
    const auto& whole = net.tensors[home];
    Place& p = result.places[t];
    p.space = owner[t] == net.input    ? abi::TensorSpace::kInput
              : owner[t] == net.output ? abi::TensorSpace::kOutput
                                       : abi::TensorSpace::kArena;
    p.pixel_bytes = pixel_bytes(whole.channels, whole.bits);
    p.row_bytes = p.pixel_bytes * static_cast<uint32_t>(whole.width);
    p.offset = static_cast<uint32_t>(buffers[home].offset) +
               static_cast<uint32_t>(channel[t] * whole.bits / 8);
  }
  return result;
}

}  // namespace tessera::deploy
