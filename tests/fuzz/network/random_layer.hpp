#pragma once

/// Random grids, windows and weights: what a layer of a random network is made of.

#include "fuzz/network/random.hpp"
#include "graph/graph.hpp"

namespace tessera::fuzz {

/// Scales further apart than this do not fit the 16-bit multipliers of the output path.
constexpr float kLargestScaleRatio = 20000;

/// A grid of 2..16 bits for values of about -2..2.
graph::Quantization random_grid(Random& random);

/// A grid to which values of scale `scale` can be rescaled.
graph::Quantization random_grid_for(Random& random, float scale);

/// Whether values on `a` can be rescaled to `b` and back.
bool are_close(const graph::Quantization& a, const graph::Quantization& b);

struct WindowLimits {
  int64_t largest_dilation = 1;
  bool may_pad = true;
  bool may_pad_beyond = false;  ///< so far that a window sees nothing but padding
};

/// Kernels of 1..5, strides of 1..4, dilation and asymmetric padding that leave at least one output
/// of a {C, H, W} map; rows and columns are drawn apart.
graph::Window random_window(Random& random, const graph::Shape& map, const WindowLimits& limits);

struct RandomWeights {
  graph::Tensor weight;
  graph::Quantization grid;
  graph::Tensor bias;  ///< {K}; empty for none
};

/// Weights, {K, ...}, two's complement of 2..16 bits or p4, whose sums of values of size 1 are of
/// about that size. `input_scale` bounds the bias to what its 32 bits hold.
RandomWeights random_weights(Random& random, const graph::Shape& shape, float input_scale);

}  // namespace tessera::fuzz
