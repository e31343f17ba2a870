#pragma once

/// Small random quantised networks: the same seed is the same network everywhere.

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace tessera::fuzz {

/// Uniform whole numbers that do not depend on the standard library's distributions.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  int64_t pick(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(engine_() % static_cast<uint64_t>(high - low + 1));
  }
  bool chance(int percent) { return pick(1, 100) <= percent; }
  float real(float low, float high) {
    return low + (high - low) * static_cast<float>(pick(0, 1 << 20)) / static_cast<float>(1 << 20);
  }
  template <class T>
  const T& any(const std::vector<T>& values) {
    return values[static_cast<size_t>(pick(0, static_cast<int64_t>(values.size()) - 1))];
  }

 private:
  std::mt19937_64 engine_;
};

/// A network of convolutions (plain, grouped, depthwise, dilated; two's complement and p4 weights;
/// both roundings), residual additions, maximum, average and global pools, concatenations,
/// option-A shortcuts and fully connected layers, on grids of 2 to 16 bits. Every map is read,
/// some more than once. It ends in a vector of 2 to 10 logits. It is what a reader of its ONNX file
/// sees.
graph::Graph random_graph(uint64_t seed);

/// One random image for the network's input: C*H*W bytes.
std::vector<uint8_t> random_image(const graph::Graph& graph, Random& random);

}  // namespace tessera::fuzz
