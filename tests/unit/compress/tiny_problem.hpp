#pragma once

/// Small networks and synthetic data for tests.

#include <vector>

#include "data/dataset.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

/// Uniform in [-1, 1).
std::vector<float> random_values(size_t count, unsigned seed);

/// A 3x3 convolution "conv" (padding 1), "x" -> "conv_out".
graph::Graph one_conv_net(const graph::Shape& input, int64_t out_channels, bool with_bias);

/// The network's output, from the float engine.
std::vector<float> run_float(const graph::Graph& net, const std::vector<float>& image);

/// 1x8x8 images of four classes: a bright 4x4 square in one of the corners, with noise.
data::Dataset corner_images(int64_t count, unsigned seed);

/// A convolution, pooling and two fully connected layers for corner_images.
graph::Graph tiny_net(uint64_t seed);

/// The same with a batch norm after the convolution, and a residual addition.
graph::Graph tiny_residual_net(uint64_t seed);

}  // namespace tessera::compress
