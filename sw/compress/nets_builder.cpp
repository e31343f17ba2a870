#include "compress/nets_builder.hpp"

#include <cmath>
#include <utility>

namespace tessera::compress {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::Shape;
using graph::Tensor;

NetBuilder::NetBuilder(std::string name, Shape input, uint64_t seed) : random_(seed) {
  graph_.name = std::move(name);
  graph_.input = "image";
  graph_.shapes["image"] = std::move(input);
  last_ = "image";
}

void NetBuilder::conv(const std::string& name, int64_t out, const Square& window) {
  append_conv(name, out, window, 1, true);
}

void NetBuilder::conv_bn(const std::string& name, int64_t out, const Square& window,
                         int64_t groups) {
  append_conv(name, out, window, groups, false);
  Node node = make(Op::kBatchNorm, name + ".bn");
  const auto channels = static_cast<size_t>(out);
  graph_.weights[node.name + ".scale"] = {{out}, std::vector<float>(channels, 1.0F)};
  graph_.weights[node.name + ".shift"] = {{out}, std::vector<float>(channels, 0.0F)};
  node.inputs.push_back(node.name + ".scale");
  node.inputs.push_back(node.name + ".shift");
  append(std::move(node));
}

void NetBuilder::gemm(const std::string& name, int64_t out) {
  Node node = make(Op::kGemm, name);
  add_weights(node, {out, last_shape()[0]}, true);
  append(std::move(node));
}

void NetBuilder::max_pool(const std::string& name, const Square& window) {
  max_pool_overhanging(name, window, 0);
}

void NetBuilder::max_pool_overhanging(const std::string& name, const Square& window,
                                      int64_t overhang) {
  Node node = make(Op::kMaxPool, name);
  node.window.kernel_h = node.window.kernel_w = window.kernel;
  node.window.stride_h = node.window.stride_w = window.stride;
  node.window.pad_top = node.window.pad_left = window.pad;
  node.window.pad_bottom = node.window.pad_right = window.pad + overhang;
  append(std::move(node));
}

void NetBuilder::relu6(const std::string& name) {
  Node node = make(Op::kClip, name);
  node.clip_low = 0;
  node.clip_high = 6;
  append(std::move(node));
}

void NetBuilder::add(const std::string& name, const std::string& other) {
  Node node = make(Op::kAdd, name);
  node.inputs.push_back(other);
  append(std::move(node));
}

void NetBuilder::concat(const std::string& name, const std::vector<std::string>& tensors) {
  Node node = make(Op::kConcat, name);
  node.inputs = tensors;
  append(std::move(node));
}

void NetBuilder::padded_shortcut(const std::string& name, int64_t channels, int64_t stride) {
  Node subsample = make(Op::kSubsample, name + ".subsample");
  subsample.window.stride_h = subsample.window.stride_w = stride;
  append(std::move(subsample));
  const int64_t missing = channels - last_shape()[0];
  Node pad = make(Op::kPadChannels, name + ".pad");
  pad.pad_before = missing / 2;
  pad.pad_after = missing - missing / 2;
  append(std::move(pad));
}

Graph NetBuilder::finish(graph::InputNormalization normalization) {
  graph_.nodes.back().output = "logits";
  graph_.output = "logits";
  graph_.normalization = std::move(normalization);
  graph::infer_shapes(graph_);
  return std::move(graph_);
}

Node NetBuilder::make(Op op, const std::string& name) const {
  Node node;
  node.name = name;
  node.op = op;
  node.inputs = {last_};
  node.output = name + "_out";
  return node;
}

void NetBuilder::append(Node node) {
  graph_.shapes[node.output] = graph::infer_output_shape(graph_, node);
  last_ = node.output;
  graph_.nodes.push_back(std::move(node));
}

void NetBuilder::append_conv(const std::string& name, int64_t out, const Square& window,
                             int64_t groups, bool bias) {
  Node node = make(Op::kConv, name);
  node.window.kernel_h = node.window.kernel_w = window.kernel;
  node.window.stride_h = node.window.stride_w = window.stride;
  node.window.pad_top = node.window.pad_left = window.pad;
  node.window.pad_bottom = node.window.pad_right = window.pad;
  node.groups = groups;
  add_weights(node, {out, last_shape()[0] / groups, window.kernel, window.kernel}, bias);
  append(std::move(node));
}

void NetBuilder::add_weights(Node& node, const Shape& shape, bool bias) {
  const auto count = static_cast<size_t>(graph::element_count(shape));
  const double fan_in = static_cast<double>(count) / static_cast<double>(shape[0]);
  std::normal_distribution<double> normal(0, std::sqrt(2 / fan_in));
  Tensor weight{shape, std::vector<float>(count)};
  for (float& value : weight.data) value = static_cast<float>(normal(random_));
  node.inputs.push_back(node.name + ".weight");
  graph_.weights[node.inputs.back()] = std::move(weight);
  if (!bias) return;
  node.inputs.push_back(node.name + ".bias");
  graph_.weights[node.inputs.back()] = {{shape[0]},
                                        std::vector<float>(static_cast<size_t>(shape[0]))};
}

}  // namespace tessera::compress
