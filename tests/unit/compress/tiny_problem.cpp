#include "unit/compress/tiny_problem.hpp"

#include <algorithm>
#include <cmath>
#include <random>

#include "reference/float_engine.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;

void add_weights(Graph& net, Node& node, const graph::Shape& shape, std::mt19937_64& random) {
  const int64_t count = graph::element_count(shape);
  std::normal_distribution<float> normal(0, std::sqrt(2.0F / static_cast<float>(count / shape[0])));
  graph::Tensor weight{shape, {}};
  for (int64_t i = 0; i < count; ++i) weight.data.push_back(normal(random));
  net.weights[node.name + ".weight"] = weight;
  net.weights[node.name + ".bias"] = {{shape[0]},
                                      std::vector<float>(static_cast<size_t>(shape[0]))};
  node.inputs.push_back(node.name + ".weight");
  node.inputs.push_back(node.name + ".bias");
}

Node& append(Graph& net, Op op, const std::string& name, const std::vector<std::string>& inputs) {
  Node node;
  node.name = name;
  node.op = op;
  node.inputs = inputs;
  node.output = name + "_out";
  net.nodes.push_back(node);
  net.output = node.output;
  return net.nodes.back();
}

void append_conv(Graph& net, const std::string& name, const std::string& input, int64_t in,
                 int64_t out, std::mt19937_64& random) {
  Node& node = append(net, Op::kConv, name, {input});
  node.window.kernel_h = node.window.kernel_w = 3;
  node.window.pad_top = node.window.pad_left = 1;
  node.window.pad_bottom = node.window.pad_right = 1;
  add_weights(net, node, {out, in, 3, 3}, random);
}

void append_classifier(Graph& net, const std::string& input, int64_t features,
                       std::mt19937_64& random) {
  append(net, Op::kFlatten, "flatten", {input});
  add_weights(net, append(net, Op::kGemm, "fc1", {"flatten_out"}), {12, features}, random);
  append(net, Op::kRelu, "fc1_relu", {"fc1_out"});
  add_weights(net, append(net, Op::kGemm, "fc2", {"fc1_relu_out"}), {4, 12}, random);
}

Graph empty_net(const std::string& name) {
  Graph net;
  net.name = name;
  net.input = "image";
  net.shapes["image"] = {1, 8, 8};
  return net;
}

}  // namespace

std::vector<float> random_values(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-1, 1);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(random);
  return values;
}

Graph one_conv_net(const graph::Shape& input, int64_t out_channels, bool with_bias) {
  std::mt19937_64 random(17);
  Graph net;
  net.name = "one_conv";
  net.input = "x";
  net.shapes["x"] = input;
  append_conv(net, "conv", "x", input[0], out_channels, random);
  if (with_bias) {
    net.weights["conv.bias"].data = random_values(static_cast<size_t>(out_channels), 23);
  } else {
    net.nodes[0].inputs.pop_back();
    net.weights.erase("conv.bias");
  }
  return net;
}

std::vector<float> run_float(const Graph& net, const std::vector<float>& image) {
  return reference::FloatEngine(net).run(image);
}

data::Dataset corner_images(int64_t count, unsigned seed) {
  std::mt19937 random(seed);
  data::Dataset set;
  set.source = "corners";
  set.count = count;
  set.channels = 1;
  set.height = set.width = 8;
  set.classes = 4;
  for (int64_t i = 0; i < count; ++i) {
    const auto label = static_cast<uint8_t>(random() % 4);
    set.labels.push_back(label);
    for (unsigned y = 0; y < 8; ++y) {
      for (unsigned x = 0; x < 8; ++x) {
        const bool bright = (y / 4) * 2 + x / 4 == label;
        set.images.push_back(static_cast<uint8_t>((bright ? 110 : 40) + random() % 100));
      }
    }
  }
  return set;
}

Graph tiny_net(uint64_t seed) {
  std::mt19937_64 random(seed);
  Graph net = empty_net("tiny");
  append_conv(net, "conv", "image", 1, 4, random);
  append(net, Op::kRelu, "relu", {"conv_out"});
  Node& pool = append(net, Op::kMaxPool, "pool", {"relu_out"});
  pool.window.kernel_h = pool.window.kernel_w = 2;
  pool.window.stride_h = pool.window.stride_w = 2;
  append_classifier(net, "pool_out", 64, random);
  graph::infer_shapes(net);
  return net;
}

Graph tiny_residual_net(uint64_t seed) {
  std::mt19937_64 random(seed);
  Graph net = empty_net("tiny_residual");
  append_conv(net, "conv1", "image", 1, 4, random);
  net.weights["norm.scale"] = {{4}, {1, 1, 1, 1}};
  net.weights["norm.shift"] = {{4}, {0, 0, 0, 0}};
  append(net, Op::kBatchNorm, "norm", {"conv1_out", "norm.scale", "norm.shift"});
  append(net, Op::kRelu, "relu1", {"norm_out"});
  append_conv(net, "conv2", "relu1_out", 4, 4, random);
  append(net, Op::kAdd, "add", {"conv2_out", "relu1_out"});
  append(net, Op::kRelu, "relu2", {"add_out"});
  Node& pool = append(net, Op::kAveragePool, "pool", {"relu2_out"});
  pool.window.kernel_h = pool.window.kernel_w = 2;
  pool.window.stride_h = pool.window.stride_w = 2;
  append_classifier(net, "pool_out", 64, random);
  graph::infer_shapes(net);
  return net;
}

}  // namespace tessera::compress
