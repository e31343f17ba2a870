#include "unit/deploy/network_builder.hpp"

#include "abi/number_formats.hpp"
#include "fuzz/network/random_graph.hpp"

namespace tessera::test {

using graph::IntegerLayer;
using graph::IntegerOp;

NetworkBuilder::NetworkBuilder(int64_t channels, int64_t height, int64_t width, int bits,
                               bool is_signed) {
  net.name = "built";
  net.tensors.push_back({"input", channels, height, width, bits, is_signed, 1});
  net.input_low = abi::min_value(bits, is_signed);
  net.input_high = abi::max_value(bits, is_signed);
}

int NetworkBuilder::push(IntegerLayer layer, int64_t channels, int64_t height, int64_t width) {
  const graph::IntegerTensor& in = tensor(layer.inputs[0]);
  layer.output = static_cast<int>(net.tensors.size());
  layer.low = abi::min_value(in.bits, in.is_signed);
  layer.high = abi::max_value(in.bits, in.is_signed);
  net.tensors.push_back({layer.name, channels, height, width, in.bits, in.is_signed, 1});
  net.output = layer.output;
  net.layers.push_back(std::move(layer));
  return net.output;
}

int NetworkBuilder::conv(int input, int64_t channels, int64_t kernel, int64_t stride) {
  const graph::IntegerTensor in = tensor(input);
  IntegerLayer layer;
  layer.name = "conv" + std::to_string(net.layers.size());
  layer.inputs = {input};
  layer.window.kernel_h = layer.window.kernel_w = kernel;
  layer.window.stride_h = layer.window.stride_w = stride;
  layer.window.pad_top = layer.window.pad_left = (kernel - 1) / 2;
  layer.window.pad_bottom = layer.window.pad_right = kernel / 2;
  fuzz::Random random(net.layers.size());
  for (int64_t i = 0; i < channels * in.channels * kernel * kernel; ++i) {
    layer.weights.push_back(static_cast<int16_t>(random.pick(-128, 127)));
  }
  for (int64_t k = 0; k < channels; ++k) {
    layer.bias.push_back(static_cast<int32_t>(random.pick(-500, 500)));
    layer.rescale.push_back({static_cast<uint16_t>(random.pick(20'000, 60'000)), 22});
  }
  return push(std::move(layer), channels, (in.height - 1) / stride + 1,
              (in.width - 1) / stride + 1);
}

int NetworkBuilder::add(int a, int b) {
  const graph::IntegerTensor in = tensor(a);
  IntegerLayer layer;
  layer.name = "add" + std::to_string(net.layers.size());
  layer.op = IntegerOp::kAdd;
  layer.inputs = {a, b};
  // Unequal, so that exchanged operands show.
  layer.add_multiplier[0] = 40'000;
  layer.add_multiplier[1] = 13'000;
  layer.add_shift = 16;
  return push(std::move(layer), in.channels, in.height, in.width);
}

int NetworkBuilder::pool(int input, IntegerOp op, int64_t kernel, int64_t stride, int64_t pad) {
  const graph::IntegerTensor in = tensor(input);
  IntegerLayer layer;
  layer.name = "pool" + std::to_string(net.layers.size());
  layer.op = op;
  layer.inputs = {input};
  layer.window = {kernel, kernel, stride, stride, 1, 1, pad, pad, pad, pad};
  layer.pool = {static_cast<uint16_t>(65'000 / (kernel * kernel)), 16};
  return push(std::move(layer), in.channels, (in.height + 2 * pad - kernel) / stride + 1,
              (in.width + 2 * pad - kernel) / stride + 1);
}

int NetworkBuilder::concat(const std::vector<int>& inputs) {
  const graph::IntegerTensor in = tensor(inputs[0]);
  IntegerLayer layer;
  layer.name = "concat" + std::to_string(net.layers.size());
  layer.op = IntegerOp::kConcat;
  layer.inputs = inputs;
  int64_t channels = 0;
  for (int input : inputs) channels += tensor(input).channels;
  return push(std::move(layer), channels, in.height, in.width);
}

std::vector<int32_t> some_input(const graph::IntegerNetwork& net, uint64_t seed) {
  const graph::IntegerTensor& in = net.tensors[static_cast<size_t>(net.input)];
  fuzz::Random random(seed);
  std::vector<int32_t> values(static_cast<size_t>(in.channels * in.height * in.width));
  for (int32_t& v : values) v = static_cast<int32_t>(random.pick(net.input_low, net.input_high));
  return values;
}

}  // namespace tessera::test
