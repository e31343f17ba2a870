#pragma once

/// The quantised network with every real number gone: what the chip computes, layer by layer.
/// The integer reference executes it; the deployer maps it. Arithmetic of a layer, for output
/// channel k (exactly, in unbounded integers):
///
///   acc    = sum over taps of x * w[k]                              (48-bit on the chip)
///   q      = clamp(round((acc + bias[k]) * multiplier[k] * 2^-shift[k]), low, high)
///
/// round is half up, floor(v + 1/2), or stochastic: floor((v * 2^s + noise) / 2^s) with noise =
/// abi::rounding_noise(abi::rounding_hash(seed, k, y * W + x), s).

#include <cstdint>
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace tessera::graph {

/// An integer feature map: {C, H, W}, vectors as {N, 1, 1}. Values need `bits`; bits is one of 2,
/// 4, 8, 16 (narrower grids are stored in the next width up).
struct IntegerTensor {
  std::string name;
  int64_t channels = 0, height = 0, width = 0;
  int bits = 8;
  bool is_signed = false;
  double scale = 1;  ///< real = scale * q; for reports and for quantising the input
};

enum class IntegerOp : uint8_t { kConv, kAdd, kMaxPool, kAveragePool, kConcat };

/// Multiplier and shift of a rescaling: value * multiplier * 2^-shift, shift 0..47.
struct Rescale {
  uint16_t multiplier = 1;
  uint8_t shift = 0;
};

/// The rescaling nearest to a positive real factor: {1, s} if it is 2^-s, s <= 47; otherwise the
/// largest shift for which the multiplier fits 16 bits. Throws std::runtime_error if the factor
/// is not in [2^-48, 65535].
Rescale make_rescale(double factor);

struct IntegerLayer {
  std::string name;
  IntegerOp op = IntegerOp::kConv;
  std::vector<int> inputs;  ///< indices into IntegerNetwork::tensors
  int output = 0;
  int32_t low = 0, high = 0;  ///< clamp of the result; includes ReLU, ReLU6 and the output format

  // kConv (fully connected: a kernel as large as the input map), kMaxPool, kAveragePool
  Window window;
  int64_t groups = 1;

  // kConv
  int weight_bits = 8;           ///< 2, 4, 8 or 16; 4 with p4
  bool p4 = false;               ///< weights are 0 or +-2^0..6
  std::vector<int16_t> weights;  ///< {K, C/groups, KH, KW}
  std::vector<int32_t> bias;     ///< {K}
  std::vector<Rescale> rescale;  ///< {K}
  Rounding rounding = Rounding::kHalfUp;
  uint32_t seed = 0;

  // kAdd: clamp((a * multiplier_a + b * multiplier_b + 2^(shift-1)) >> shift); shift 1..47
  uint16_t add_multiplier[2] = {1, 1};
  uint8_t add_shift = 0;

  // kAveragePool: clamp((sum * multiplier + 2^(shift-1)) >> shift); padding counts as zeros. With
  // count_include_pad false and padding, such a layer is refused at lowering.
  // kMaxPool: padding never wins.
  Rescale pool;
};

struct IntegerNetwork {
  std::string name;
  std::vector<IntegerTensor> tensors;
  std::vector<IntegerLayer> layers;         ///< in execution order
  int input = 0;                            ///< index of the input tensor
  int32_t input_low = 0, input_high = 255;  ///< range of the input's grid
  int output = 0;                           ///< index of the logits
  InputNormalization normalization;
};

/// Lowers a fully quantised graph (BN folded, every weight and every activation that crosses
/// layers on a grid). Relu and Clip join the layer before them, Flatten and a final Softmax
/// disappear (argmax is the same).
/// A Relu or Clip that cannot join, a change of grid before a Concat, Subsample and PadChannels
/// become 1x1 convolutions with weights 0 and 1 on 2 bits. A result is rounded stochastically if
/// its node or a Relu or Clip joined to it says so; only convolutions can. Throws
/// std::runtime_error naming the node and what is missing.
IntegerNetwork lower(const Graph& graph);

/// Quantises one image (C*H*W bytes, planes in NCHW order) to the network's input format: the
/// nearest grid point of the normalised value (round half up), clamped.
std::vector<int32_t> quantize_input(const IntegerNetwork& network, const uint8_t* bytes);

}  // namespace tessera::graph
