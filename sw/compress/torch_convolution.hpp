#pragma once

/// Convolutions in bfloat16 with gradients. Includes libtorch: for the .cpp files of
/// tessera_training only.

#include <ATen/ATen.h>

#include <cstdint>

namespace tessera::compress {

struct ConvolutionShape {
  int64_t stride_h = 1, stride_w = 1;
  int64_t pad_h = 0, pad_w = 0;  ///< on both sides
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t groups = 1;
};

/// x {N, C, H, W} of any type, weight {K, C / groups, KH, KW} and bias {K} (undefined: none) in
/// float32. The result {N, K, OH, OW} is bfloat16 with channels last, as are the operands inside.
/// Gradients have their operands' types.
at::Tensor bfloat16_convolution(const at::Tensor& x, const at::Tensor& weight,
                                const at::Tensor& bias, const ConvolutionShape& shape);

}  // namespace tessera::compress
