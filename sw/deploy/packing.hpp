#pragma once

/// Bit-packed forms of tensors and weights (layouts: abi/npu_commands.hpp, abi/image.hpp).

#include <cstdint>
#include <vector>

#include "graph/integer_network.hpp"

namespace tessera::deploy {

constexpr uint32_t round_up(uint32_t value, uint32_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

/// Bytes of one pixel of a feature map: its channels, rounded up to whole bytes.
constexpr uint32_t pixel_bytes(int64_t channels, int bits) {
  return static_cast<uint32_t>((channels * bits + 7) / 8);
}

/// Elements of a pixel including those that fill its last byte (they are zero).
constexpr uint32_t pixel_elements(int64_t channels, int bits) {
  return pixel_bytes(channels, bits) * 8 / static_cast<uint32_t>(bits);
}

/// NCHW integers to packed NHWC bytes and back.
std::vector<uint8_t> pack_activations(const graph::IntegerTensor& format,
                                      const std::vector<int32_t>& values);
std::vector<int32_t> unpack_activations(const graph::IntegerTensor& format, const uint8_t* bytes);

/// How the reduction of a convolution is cut into contiguous segments of the packed input. With a
/// spread it covers the taps of all positions (see abi::ComputeConfig).
struct Segments {
  uint32_t count_y = 1;
  uint32_t count_x = 1;         ///< 1 also where the taps of a row are one segment
  uint32_t elements = 1;        ///< of one segment, with the elements that fill pixels
  uint32_t pixel_elements = 1;  ///< of them, of one input pixel
  uint32_t slice_outputs = 0;   ///< channels of a slice; 0: one slice
  uint32_t kernel_w = 1;        ///< taps of a row of the kernel
  uint32_t spread_y = 1;
  uint32_t spread_x = 1;
  uint32_t stride_y = 1;  ///< of the convolution; between positions
  uint32_t stride_x = 1;
};

/// The streams of all output channels as abi::ComputeConfig lays them out, position by position;
/// `channel_bytes` are those of a channel at all positions.
std::vector<uint8_t> pack_weights(const graph::IntegerLayer& convolution,
                                  const graph::IntegerTensor& input, const Segments& segments,
                                  int lanes, uint32_t channel_bytes);

}  // namespace tessera::deploy
