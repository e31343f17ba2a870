#pragma once

/// The network as the flow sees it: a typed graph of tensors, free of ONNX's spellings. Shapes are
/// NCHW; the batch dimension is not stored (every tensor is that of one image).

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tessera::graph {

/// Shape of one image's tensor: {C, H, W} for feature maps, {N} for vectors. Weights keep all
/// dimensions: {K, C/groups, KH, KW} for convolutions, {K, C} for Gemm.
using Shape = std::vector<int64_t>;

int64_t element_count(const Shape& shape);
std::string to_string(const Shape& shape);

/// A dense float tensor, row-major.
struct Tensor {
  Shape shape;
  std::vector<float> data;
};

enum class WeightCode : uint8_t {
  kTwosComplement,  ///< q in [-2^(bits-1), 2^(bits-1)-1]
  kPowerOfTwo       ///< p4: q in {0, +-1, +-2, .., +-64}, stored in 4 bits
};

/// The integer grid a tensor lies on: real = scale * q, zero point 0. One scale for activations;
/// one scale, or one an output channel (dimension 0), for weights.
struct Quantization {
  int bits = 8;  ///< 2..16; of the two's complement value, or 4 for kPowerOfTwo
  bool is_signed = true;
  std::vector<float> scales;
  WeightCode code = WeightCode::kTwosComplement;

  int32_t min() const;  ///< smallest q (kPowerOfTwo: -64)
  int32_t max() const;  ///< largest q (kPowerOfTwo: 64)
};

bool operator==(const Quantization& a, const Quantization& b);

/// Throws std::runtime_error beginning with `what` if bits are not 2..16, a scale is not positive
/// and finite, the number of scales is neither 1 nor `channels`, or a power-of-two grid is not a
/// signed one of 4 bits. Activations have 1 channel here: one scale.
void check_quantization(const Quantization& grid, int64_t channels, const std::string& what);

/// round-half-even(value / scale), clamped to the grid; kPowerOfTwo: the nearest power of two in
/// the linear domain (ties to the larger magnitude).
int32_t quantize(float value, float scale, const Quantization& grid);

enum class Op : uint8_t {
  kConv,       ///< inputs: x, weight [, bias]
  kGemm,       ///< y = weight * x + bias, weight {K, C}; x is {C}
  kBatchNorm,  ///< inputs: x, scale, shift (already reduced to y = x * scale + shift, {C})
  kRelu,
  kClip,  ///< clip_low..clip_high (ReLU6: 0..6)
  kMaxPool,
  kAveragePool,        ///< count_include_pad as given
  kGlobalAveragePool,  ///< {C, H, W} -> {C, 1, 1}
  kAdd,
  kConcat,       ///< along C
  kPadChannels,  ///< zero channels before and after (option-A shortcuts)
  kSubsample,    ///< every stride-th row and column (option-A shortcuts); kernel 1x1, no pads
  kFlatten,      ///< {C, H, W} -> {C*H*W}
  kLrn,
  kSoftmax
};

const char* name_of(Op op);

/// Attributes of the operators that have windows; unused ones keep their defaults.
struct Window {
  int64_t kernel_h = 1, kernel_w = 1;
  int64_t stride_h = 1, stride_w = 1;
  int64_t dilation_h = 1, dilation_w = 1;
  int64_t pad_top = 0, pad_left = 0, pad_bottom = 0, pad_right = 0;
};

enum class Rounding : uint8_t { kHalfUp, kStochastic };

struct Node {
  std::string name;  ///< unique, as in the file ("Conv_3"), for messages
  Op op = Op::kRelu;
  std::vector<std::string> inputs;  ///< tensor names; weights are in Graph::weights
  std::string output;
  Window window;
  int64_t groups = 1;
  float clip_low = 0, clip_high = 0;
  bool count_include_pad = false;
  int64_t pad_before = 0, pad_after = 0;            ///< kPadChannels
  float lrn_alpha = 0, lrn_beta = 0, lrn_bias = 0;  ///< kLrn
  int64_t lrn_size = 0;
  Rounding rounding = Rounding::kHalfUp;  ///< of the output's quantisation
};

/// How raw bytes become the network's input: real = (byte / 255 - mean[c]) / std[c].
/// Kept in the ONNX file's metadata ("tessera.input_mean", "tessera.input_std": comma-separated).
/// One value a channel, or one for all; empty: mean 0, std 1.
struct InputNormalization {
  std::vector<float> mean;
  std::vector<float> std;
};

/// Mean and standard deviation of channel c.
struct NormalizedChannel {
  double mean = 0, std = 1;
};
NormalizedChannel normalized_channel(const InputNormalization& normalization, int64_t c);

struct Graph {
  std::string name;
  std::string input;        ///< exactly one
  std::string output;       ///< exactly one
  std::vector<Node> nodes;  ///< in topological order
  std::map<std::string, Tensor> weights;
  std::map<std::string, Shape> shapes;                ///< of activations (input and node outputs)
  std::map<std::string, Quantization> quantizations;  ///< of activations and of weights, by tensor
  InputNormalization normalization;

  const Node* producer(const std::string& tensor) const;
  std::vector<const Node*> consumers(const std::string& tensor) const;
};

/// Largest number of elements of one activation tensor; larger ones are refused.
constexpr int64_t kMaxActivationElements = int64_t{1} << 27;

/// Throws std::runtime_error beginning with `what` if a dimension is below 1, there is none, or
/// there are more elements than kMaxActivationElements.
void check_shape(const Shape& shape, const std::string& what);

/// The shape of the node's output from the shapes of its inputs and weights. Throws
/// std::runtime_error naming the node on a conflict.
Shape infer_output_shape(const Graph& graph, const Node& node);

/// Fills `shapes` of all node outputs from the input's. Throws std::runtime_error naming the node
/// on a conflict.
void infer_shapes(Graph& graph);

/// Multiply-accumulates of one inference, by the definition of the operators (padding included).
int64_t mac_count(const Graph& graph);

}  // namespace tessera::graph
