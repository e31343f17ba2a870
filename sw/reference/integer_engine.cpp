#include "reference/integer_engine.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <stdexcept>

#include "abi/number_formats.hpp"
#include "graph/text.hpp"
#include "reference/convolution.hpp"
#include "reference/parallel.hpp"

namespace tessera::reference {
namespace {

using graph::fail;
using graph::IntegerLayer;
using graph::IntegerNetwork;
using graph::IntegerOp;
using graph::IntegerTensor;
using graph::Window;

__extension__ using Wide = __int128;

constexpr int64_t kAccumulatorLimit = int64_t{1} << (abi::kAccumulatorBits - 1);
constexpr int64_t kNarrowProduct = int64_t{1} << 46;  // times 16 bits, still within int64
constexpr double kExactFloat = 1 << 24;
constexpr double kExactDouble = 9007199254740992.0;  // 2^53

int64_t element_count(const IntegerTensor& t) { return t.channels * t.height * t.width; }

struct Clamp {
  int64_t low, high;
  int64_t saturations = 0;

  int32_t operator()(int64_t value) {
    if (value > high || (value < low && low < 0)) ++saturations;
    return static_cast<int32_t>(std::clamp(value, low, high));
  }
};

template <class Integer>
int64_t shift_right(Integer product, int shift, uint64_t addend) {
  const Integer shifted = (product + static_cast<Integer>(addend)) >> shift;
  return static_cast<int64_t>(std::clamp<Integer>(shifted, std::numeric_limits<int64_t>::min() / 2,
                                                  std::numeric_limits<int64_t>::max() / 2));
}

int64_t rescaled(int64_t value, const graph::Rescale& rescale, uint64_t addend) {
  if (std::abs(value) < kNarrowProduct) {
    return shift_right<int64_t>(value * rescale.multiplier, rescale.shift, addend);
  }
  return shift_right<Wide>(static_cast<Wide>(value) * rescale.multiplier, rescale.shift, addend);
}

uint64_t half(int shift) { return shift == 0 ? 0 : uint64_t{1} << (shift - 1); }

ConvolutionShape shape_of(const IntegerNetwork& network, const IntegerLayer& layer) {
  const IntegerTensor& x = network.tensors[static_cast<size_t>(layer.inputs[0])];
  const IntegerTensor& y = network.tensors[static_cast<size_t>(layer.output)];
  return {x.channels, x.height, x.width, y.channels, y.height, y.width, layer.groups, layer.window};
}

int64_t positions(int64_t size, int64_t pads, int64_t kernel, int64_t stride, int64_t dilation) {
  const int64_t room = size + pads - (dilation * (kernel - 1) + 1);
  return room < 0 ? 0 : room / stride + 1;
}

/// Sums of one block in plain integers, for bounds that no floating-point format covers.
template <class Emit>
void convolve_integers(const ConvolutionShape& s, const int32_t* x, const int16_t* weights,
                       const Emit& emit) {
  const int64_t taps = s.taps();
  const int64_t out_per_group = s.out_channels / s.groups;
  std::vector<int64_t> column(static_cast<size_t>(taps));
  std::vector<int64_t> sums(static_cast<size_t>(out_per_group));
  for (int64_t group = 0; group < s.groups; ++group) {
    const int32_t* input = x + group * (s.channels / s.groups) * s.height * s.width;
    for (int64_t pixel = 0; pixel < s.pixels(); ++pixel) {
      unfold(s, input, pixel, pixel + 1, column.data());
      for (int64_t k = 0; k < out_per_group; ++k) {
        const int16_t* w = weights + (group * out_per_group + k) * taps;
        int64_t sum = 0;
        for (int64_t t = 0; t < taps; ++t) sum += w[t] * column[static_cast<size_t>(t)];
        sums[static_cast<size_t>(k)] = sum;
      }
      emit(group * out_per_group, out_per_group, pixel, 1, sums.data());
    }
  }
}

}  // namespace

IntegerEngine::IntegerEngine(const IntegerNetwork& network) : network_(network) {
  keep_products_in_their_threads();
  const auto count = static_cast<int>(network_.tensors.size());
  if (network_.input < 0 || network_.input >= count || network_.output < 0 ||
      network_.output >= count) {
    fail("integer network '", network_.name, "': input or output is no tensor of it");
  }
  magnitudes_.assign(network_.tensors.size(), -1);
  magnitudes_[static_cast<size_t>(network_.input)] =
      std::max(std::abs(int64_t{network_.input_low}), std::abs(int64_t{network_.input_high}));
  plans_.resize(network_.layers.size());
  for (size_t i = 0; i < network_.layers.size(); ++i) {
    const IntegerLayer& layer = network_.layers[i];
    check_layer(layer);
    if (layer.op == IntegerOp::kConv) plans_[i] = plan_convolution(layer);
    magnitudes_[static_cast<size_t>(layer.output)] =
        std::max(std::abs(int64_t{layer.low}), std::abs(int64_t{layer.high}));
  }
  if (magnitudes_[static_cast<size_t>(network_.output)] < 0) fail("no layer computes the output");
}

void IntegerEngine::check_layer(const IntegerLayer& layer) const {
  const auto require = [&](bool holds, const char* what) {
    if (!holds) fail("layer '", layer.name, "': ", what);
  };
  const auto count = static_cast<int>(network_.tensors.size());
  require(!layer.inputs.empty(), "it has no input");
  for (const int input : layer.inputs) {
    require(input >= 0 && input < count && magnitudes_[static_cast<size_t>(input)] >= 0,
            "an input is computed by no earlier layer");
  }
  require(layer.output >= 0 && layer.output < count &&
              magnitudes_[static_cast<size_t>(layer.output)] < 0,
          "its output is no tensor, or computed twice");
  require(layer.low <= layer.high, "low exceeds high");
  const IntegerTensor& x = network_.tensors[static_cast<size_t>(layer.inputs[0])];
  const IntegerTensor& y = network_.tensors[static_cast<size_t>(layer.output)];
  const Window& w = layer.window;
  if (layer.op == IntegerOp::kAdd) {
    require(layer.inputs.size() == 2, "an addition has two inputs");
    require(layer.add_shift >= 1 && layer.add_shift <= 47, "its shift is outside 1..47");
    const IntegerTensor& other = network_.tensors[static_cast<size_t>(layer.inputs[1])];
    require(element_count(x) == element_count(y) && element_count(other) == element_count(y),
            "its operands differ in size");
  } else if (layer.op == IntegerOp::kConcat) {
    int64_t total = 0;
    for (const int i : layer.inputs)
      total += element_count(network_.tensors[static_cast<size_t>(i)]);
    require(total == element_count(y), "its inputs do not make up its output");
  } else {
    require(
        std::min({w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.dilation_h, w.dilation_w}) > 0,
        "kernel, stride and dilation must be positive");
    require(y.height == positions(x.height, w.pad_top + w.pad_bottom, w.kernel_h, w.stride_h,
                                  w.dilation_h) &&
                y.width == positions(x.width, w.pad_left + w.pad_right, w.kernel_w, w.stride_w,
                                     w.dilation_w),
            "its window does not lead from its input's size to its output's");
    require(layer.op == IntegerOp::kConv || x.channels == y.channels, "pooling keeps channels");
    if (layer.op == IntegerOp::kConv) check_convolution(layer);
    if (layer.op == IntegerOp::kAveragePool) {
      require(layer.pool.shift >= 1 && layer.pool.shift <= 47, "its shift is outside 1..47");
    }
  }
}

void IntegerEngine::check_convolution(const IntegerLayer& layer) const {
  const ConvolutionShape s = shape_of(network_, layer);
  const auto channels = static_cast<size_t>(s.out_channels);
  if (s.groups < 1 || s.channels % s.groups != 0 || s.out_channels % s.groups != 0 ||
      layer.weights.size() != channels * static_cast<size_t>(s.taps()) ||
      layer.bias.size() != channels || layer.rescale.size() != channels) {
    fail("layer '", layer.name, "': weights, bias, rescaling and groups do not fit its tensors");
  }
  for (const graph::Rescale& rescale : layer.rescale) {
    if (rescale.shift > 47) fail("layer '", layer.name, "': a shift exceeds 47");
  }
}

IntegerEngine::ConvolutionPlan IntegerEngine::plan_convolution(const IntegerLayer& layer) const {
  const size_t taps = layer.weights.size() / layer.bias.size();
  double largest_norm = 0;
  for (size_t k = 0; k < layer.bias.size(); ++k) {
    double norm = 0;
    for (size_t t = 0; t < taps; ++t) norm += std::abs(int{layer.weights[k * taps + t]});
    largest_norm = std::max(largest_norm, norm);
  }
  const double bound =
      largest_norm * static_cast<double>(magnitudes_[static_cast<size_t>(layer.inputs[0])]);
  ConvolutionPlan plan;
  plan.may_overflow = bound >= static_cast<double>(kAccumulatorLimit);
  if (bound < kExactFloat) {
    plan.arithmetic = Arithmetic::kFloat;
    plan.float_weights.assign(layer.weights.begin(), layer.weights.end());
  } else if (bound < kExactDouble) {
    plan.arithmetic = Arithmetic::kDouble;
    plan.double_weights.assign(layer.weights.begin(), layer.weights.end());
  }
  return plan;
}

std::vector<int32_t> IntegerEngine::run(const std::vector<int32_t>& input) const {
  return std::move(trace(input).tensors[static_cast<size_t>(network_.output)]);
}

IntegerTrace IntegerEngine::trace(const std::vector<int32_t>& input) const {
  const IntegerTensor& expected = network_.tensors[static_cast<size_t>(network_.input)];
  if (input.size() != static_cast<size_t>(element_count(expected))) {
    fail("the input has ", input.size(), " values, the network takes ", element_count(expected));
  }
  for (const int32_t value : input) {
    if (value < network_.input_low || value > network_.input_high) {
      fail("input value ", value, " is outside ", network_.input_low, "..", network_.input_high);
    }
  }
  IntegerTrace trace;
  trace.tensors.resize(network_.tensors.size());
  trace.tensors[static_cast<size_t>(network_.input)] = input;
  for (size_t i = 0; i < network_.layers.size(); ++i) {
    const auto output = static_cast<size_t>(network_.layers[i].output);
    trace.tensors[output].resize(static_cast<size_t>(element_count(network_.tensors[output])));
    trace.layer_saturations.push_back(execute(i, trace.tensors));
    trace.saturations += trace.layer_saturations.back();
  }
  return trace;
}

std::vector<std::vector<int32_t>> IntegerEngine::run_batch(
    const std::vector<std::vector<int32_t>>& inputs, int threads) const {
  std::vector<std::vector<int32_t>> outputs(inputs.size());
  parallel_for(inputs.size(), threads, [&](size_t i) { outputs[i] = run(inputs[i]); });
  return outputs;
}

int64_t IntegerEngine::execute(size_t layer_index, Tensors& tensors) const {
  const IntegerLayer& layer = network_.layers[layer_index];
  switch (layer.op) {
    case IntegerOp::kConv:
      return convolution(layer_index, tensors);
    case IntegerOp::kAdd:
      return addition(layer, tensors);
    case IntegerOp::kMaxPool:
    case IntegerOp::kAveragePool:
      return pooling(layer, tensors);
    case IntegerOp::kConcat:
      return concatenation(layer, tensors);
  }
  fail("layer '", layer.name, "': unknown operator");
}

int64_t IntegerEngine::convolution(size_t layer_index, Tensors& tensors) const {
  const IntegerLayer& layer = network_.layers[layer_index];
  const ConvolutionPlan& plan = plans_[layer_index];
  const ConvolutionShape shape = shape_of(network_, layer);
  const int32_t* x = tensors[static_cast<size_t>(layer.inputs[0])].data();
  std::vector<int32_t>& y = tensors[static_cast<size_t>(layer.output)];
  Clamp clamp{layer.low, layer.high};
  const auto emit = [&](int64_t first_channel, int64_t channels, int64_t first_pixel,
                        int64_t pixels, const auto* sums) {
    for (int64_t k = first_channel; k < first_channel + channels; ++k) {
      const graph::Rescale rescale = layer.rescale[static_cast<size_t>(k)];
      const int64_t bias = layer.bias[static_cast<size_t>(k)];
      uint64_t addend = half(rescale.shift);
      int32_t* out = y.data() + k * shape.pixels();
      for (int64_t p = first_pixel; p < first_pixel + pixels; ++p, ++sums) {
        const auto sum = static_cast<int64_t>(*sums);
        if (plan.may_overflow && (sum >= kAccumulatorLimit || sum < -kAccumulatorLimit)) {
          fail("layer '", layer.name, "', channel ", k, ", pixel ", p, ": the accumulator value ",
               sum, " exceeds ", abi::kAccumulatorBits, " bits");
        }
        if (layer.rounding == graph::Rounding::kStochastic) {
          addend = abi::rounding_noise(
              abi::rounding_hash(layer.seed, static_cast<uint32_t>(k), static_cast<uint32_t>(p)),
              rescale.shift);
        }
        out[p] = clamp(rescaled(sum + bias, rescale, addend));
      }
    }
  };
  switch (plan.arithmetic) {
    case Arithmetic::kFloat:
      convolve(shape, x, plan.float_weights.data(), emit);
      break;
    case Arithmetic::kDouble:
      convolve(shape, x, plan.double_weights.data(), emit);
      break;
    case Arithmetic::kInteger:
      convolve_integers(shape, x, layer.weights.data(), emit);
      break;
  }
  return clamp.saturations;
}

int64_t IntegerEngine::addition(const IntegerLayer& layer, Tensors& tensors) const {
  const std::vector<int32_t>& a = tensors[static_cast<size_t>(layer.inputs[0])];
  const std::vector<int32_t>& b = tensors[static_cast<size_t>(layer.inputs[1])];
  std::vector<int32_t>& y = tensors[static_cast<size_t>(layer.output)];
  Clamp clamp{layer.low, layer.high};
  for (size_t i = 0; i < y.size(); ++i) {
    const int64_t sum =
        int64_t{a[i]} * layer.add_multiplier[0] + int64_t{b[i]} * layer.add_multiplier[1];
    y[i] = clamp(shift_right<int64_t>(sum, layer.add_shift, half(layer.add_shift)));
  }
  return clamp.saturations;
}

int64_t IntegerEngine::pooling(const IntegerLayer& layer, Tensors& tensors) const {
  const ConvolutionShape s = shape_of(network_, layer);
  const Window& w = s.window;
  const bool is_max = layer.op == IntegerOp::kMaxPool;
  const int32_t* x = tensors[static_cast<size_t>(layer.inputs[0])].data();
  int32_t* y = tensors[static_cast<size_t>(layer.output)].data();
  Clamp clamp{layer.low, layer.high};
  for (int64_t c = 0; c < s.channels; ++c, x += s.height * s.width) {
    for (int64_t oy = 0; oy < s.out_height; ++oy) {
      for (int64_t ox = 0; ox < s.out_width; ++ox) {
        int64_t sum = 0;
        int64_t largest = layer.low;
        for (int64_t kh = 0; kh < w.kernel_h; ++kh) {
          const int64_t row = oy * w.stride_h - w.pad_top + kh * w.dilation_h;
          if (row < 0 || row >= s.height) continue;
          for (int64_t kw = 0; kw < w.kernel_w; ++kw) {
            const int64_t column = ox * w.stride_w - w.pad_left + kw * w.dilation_w;
            if (column < 0 || column >= s.width) continue;
            const int64_t value = x[row * s.width + column];
            sum += value;
            largest = std::max(largest, value);
          }
        }
        *y++ = clamp(is_max ? largest : rescaled(sum, layer.pool, half(layer.pool.shift)));
      }
    }
  }
  return clamp.saturations;
}

int64_t IntegerEngine::concatenation(const IntegerLayer& layer, Tensors& tensors) const {
  int32_t* y = tensors[static_cast<size_t>(layer.output)].data();
  Clamp clamp{layer.low, layer.high};
  for (const int input : layer.inputs) {
    for (const int32_t value : tensors[static_cast<size_t>(input)]) *y++ = clamp(value);
  }
  return clamp.saturations;
}

}  // namespace tessera::reference
