#pragma once

/// Small random quantised networks: the same seed is the same network everywhere.

#include <cstdint>
#include <vector>

#include "fuzz/network/random.hpp"
#include "graph/graph.hpp"

namespace tessera::fuzz {

/// Most elements of a network's output.
constexpr int64_t kLargestOutput = 200;

/// A network of convolutions (plain, grouped, depthwise, dilated; two's complement and p4 weights;
/// both roundings), activations (fused and alone), residual additions, maximum, average and global
/// pools, concatenations, option-A shortcuts and fully connected layers, on grids of 2 to 16 bits
/// and maps of up to 24 channels (some more) and 16x16 pixels. Every map is read, some more than
/// once. It ends in a vector or a map of at most kLargestOutput elements. It is what a reader of
/// its ONNX file sees.
graph::Graph random_graph(uint64_t seed);

/// One random image for the network's input: C*H*W bytes.
std::vector<uint8_t> random_image(const graph::Graph& graph, Random& random);

}  // namespace tessera::fuzz
