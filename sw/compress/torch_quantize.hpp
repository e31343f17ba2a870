#pragma once

/// Fake quantisation with gradients, one pass over memory each way. Includes libtorch: for the .cpp
/// files of tessera_training only.

#include <ATen/ATen.h>

#include "graph/graph.hpp"

namespace tessera::compress {

/// The grid's points nearest to x, or to the sum of x and `other` (undefined: x alone; else of the
/// shape of x). x is float32 or bfloat16. `log_scale` {1}, or {K} with one scale for each slice of
/// the first dimension, holds logarithms in float32; `grid` says width, sign and code, its own
/// scales are not looked at. The result has the type `type`, float32 or bfloat16.
///
/// The gradient of the operands is passed straight through inside the grid's range and is 0
/// outside; that of a scale is LSQ's (Esser et al., Learned step size quantization, 2020), times
/// the scale because of the logarithm.
at::Tensor fake_quantize(const at::Tensor& x, const at::Tensor& other, const at::Tensor& log_scale,
                         const graph::Quantization& grid, at::ScalarType type);

/// The integers of those points: {..} as x, float32, without gradient.
at::Tensor nearest_integers(const at::Tensor& x, const at::Tensor& log_scale,
                            const graph::Quantization& grid);

}  // namespace tessera::compress
