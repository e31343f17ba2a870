#include "unit/deploy/naive_chip.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "abi/number_formats.hpp"

namespace tessera::test {
namespace {

using graph::IntegerLayer;
using graph::IntegerNetwork;
using graph::IntegerOp;
using graph::IntegerTensor;
using graph::Window;

__extension__ using Wide = __int128;

constexpr int32_t kUnwritten = std::numeric_limits<int32_t>::min();

int32_t scaled(Wide value, int shift, Wide addend, int32_t low, int32_t high) {
  const Wide divisor = Wide{1} << shift;
  const Wide sum = value + addend;
  Wide quotient = sum / divisor;
  if (sum % divisor < 0) --quotient;
  return static_cast<int32_t>(std::clamp<Wide>(quotient, low, high));
}

Wide half(int shift) { return shift == 0 ? Wide{0} : Wide{1} << (shift - 1); }

/// A map and its size.
struct Sized {
  int64_t channels = 0, height = 0, width = 0;
  Map values;
};

Sized convolve(const IntegerLayer& conv, const IntegerTensor& in, const Map& x) {
  const Window& w = conv.window;
  Sized y;
  y.channels = static_cast<int64_t>(conv.bias.size());
  y.height = output_size(in.height, w.pad_top + w.pad_bottom, w.kernel_h, w.stride_h, w.dilation_h);
  y.width = output_size(in.width, w.pad_left + w.pad_right, w.kernel_w, w.stride_w, w.dilation_w);
  const std::vector<int64_t> sums = naive_sums(conv, in, x);
  const int64_t pixels = y.height * y.width;
  for (int64_t i = 0; i < y.channels * pixels; ++i) {
    const auto k = static_cast<size_t>(i / pixels);
    const auto [multiplier, shift] = conv.rescale[k];
    Wide addend = half(shift);
    if (conv.rounding == graph::Rounding::kStochastic) {
      addend = abi::rounding_noise(abi::rounding_hash(conv.seed, static_cast<uint32_t>(k),
                                                      static_cast<uint32_t>(i % pixels)),
                                   shift);
    }
    y.values.push_back(scaled(Wide{sums[static_cast<size_t>(i)] + conv.bias[k]} * multiplier, shift,
                              addend, conv.low, conv.high));
  }
  return y;
}

void add_residual(const deploy::FusedLayer& group, const Map& residual, Map& values) {
  const IntegerLayer& add = *group.add;
  if (residual.size() != values.size()) throw std::runtime_error(group.name + ": operand sizes");
  const auto own = static_cast<size_t>(group.own_operand);
  for (size_t i = 0; i < values.size(); ++i) {
    const Wide sum =
        Wide{values[i]} * add.add_multiplier[own] + Wide{residual[i]} * add.add_multiplier[1 - own];
    values[i] = scaled(sum, add.add_shift, half(add.add_shift), add.low, add.high);
  }
}

/// As the chip pools: every window lies inside the map, and neighbours are 1 apart.
Sized pool(const IntegerLayer& layer, const Sized& x) {
  const Window& w = layer.window;
  Sized y;
  y.channels = x.channels;
  y.height = output_size(x.height, 0, w.kernel_h, w.stride_h, 1);
  y.width = output_size(x.width, 0, w.kernel_w, w.stride_w, 1);
  for (int64_t i = 0; i < y.channels * y.height * y.width; ++i) {
    const int64_t c = i / (y.height * y.width);
    const int64_t top = i / y.width % y.height * w.stride_h;
    const int64_t left = i % y.width * w.stride_w;
    int64_t sum = 0;
    int32_t largest = std::numeric_limits<int32_t>::min();
    for (int64_t tap = 0; tap < w.kernel_h * w.kernel_w; ++tap) {
      const int64_t at =
          (c * x.height + top + tap / w.kernel_w) * x.width + left + tap % w.kernel_w;
      sum += x.values[static_cast<size_t>(at)];
      largest = std::max(largest, x.values[static_cast<size_t>(at)]);
    }
    y.values.push_back(layer.op == IntegerOp::kMaxPool
                           ? std::clamp(largest, layer.low, layer.high)
                           : scaled(Wide{sum} * layer.pool.multiplier, layer.pool.shift,
                                    half(layer.pool.shift), layer.low, layer.high));
  }
  return y;
}

const Map& complete(const std::vector<Map>& tensors, int index, const std::string& reader) {
  const Map& map = tensors[static_cast<size_t>(index)];
  if (map.empty() || std::count(map.begin(), map.end(), kUnwritten) != 0) {
    throw std::runtime_error(reader + " reads tensor " + std::to_string(index) +
                             " before it is complete");
  }
  return map;
}

void write_concats(const IntegerNetwork& net, int tensor, std::vector<Map>& tensors) {
  for (const IntegerLayer& layer : net.layers) {
    if (layer.op != IntegerOp::kConcat) continue;
    const IntegerTensor& whole = net.tensors[static_cast<size_t>(layer.output)];
    const auto pixels = static_cast<size_t>(whole.height * whole.width);
    size_t channel = 0;
    for (int operand : layer.inputs) {
      if (operand == tensor) {
        Map& target = tensors[static_cast<size_t>(layer.output)];
        target.resize(static_cast<size_t>(whole.channels) * pixels, kUnwritten);
        const Map& part = tensors[static_cast<size_t>(tensor)];
        std::copy(part.begin(), part.end(),
                  target.begin() + static_cast<std::ptrdiff_t>(channel * pixels));
      }
      channel += static_cast<size_t>(net.tensors[static_cast<size_t>(operand)].channels);
    }
  }
}

}  // namespace

int64_t output_size(int64_t size, int64_t pads, int64_t kernel, int64_t stride, int64_t dilation) {
  return (size + pads - (kernel - 1) * dilation - 1) / stride + 1;
}

std::vector<int64_t> naive_sums(const IntegerLayer& conv, const IntegerTensor& in, const Map& x) {
  const Window& w = conv.window;
  const int64_t height =
      output_size(in.height, w.pad_top + w.pad_bottom, w.kernel_h, w.stride_h, w.dilation_h);
  const int64_t width =
      output_size(in.width, w.pad_left + w.pad_right, w.kernel_w, w.stride_w, w.dilation_w);
  const auto channels = static_cast<int64_t>(conv.bias.size());
  const int64_t inputs = in.channels / conv.groups;
  std::vector<int64_t> sums;
  for (int64_t i = 0; i < channels * height * width; ++i) {
    const int64_t k = i / (height * width);
    const int64_t first = k / (channels / conv.groups) * inputs;
    int64_t sum = 0;
    for (int64_t t = 0; t < inputs * w.kernel_h * w.kernel_w; ++t) {
      const int64_t c = t / (w.kernel_h * w.kernel_w);
      const int64_t row =
          i / width % height * w.stride_h - w.pad_top + t / w.kernel_w % w.kernel_h * w.dilation_h;
      const int64_t column = i % width * w.stride_w - w.pad_left + t % w.kernel_w * w.dilation_w;
      if (row < 0 || column < 0 || row >= in.height || column >= in.width) continue;
      const int64_t at = ((first + c) * in.height + row) * in.width + column;
      sum += int64_t{x[static_cast<size_t>(at)]} *
             conv.weights[static_cast<size_t>(k * inputs * w.kernel_h * w.kernel_w + t)];
    }
    sums.push_back(sum);
  }
  return sums;
}

std::vector<Map> run_groups(const IntegerNetwork& net,
                            const std::vector<deploy::FusedLayer>& groups, const Map& input) {
  std::vector<Map> tensors(net.tensors.size());
  tensors[static_cast<size_t>(net.input)] = input;
  for (const deploy::FusedLayer& group : groups) {
    const Map& x = complete(tensors, group.input, group.name);
    Sized y = convolve(group.convolution, net.tensors[static_cast<size_t>(group.input)], x);
    if (group.add) add_residual(group, complete(tensors, group.residual, group.name), y.values);
    if (group.pool) y = pool(*group.pool, y);
    const IntegerTensor& out = net.tensors[static_cast<size_t>(group.output)];
    if (y.channels != out.channels || y.height != out.height || y.width != out.width) {
      throw std::runtime_error(group.name + ": its result is not of its tensor's size");
    }
    tensors[static_cast<size_t>(group.output)] = std::move(y.values);
    write_concats(net, group.output, tensors);
  }
  return tensors;
}

}  // namespace tessera::test
