#include "compress/nets.hpp"

#include <cmath>
#include <random>
#include <stdexcept>
#include <utility>

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::Tensor;

/// Appends layers to a graph; each reads the output of the one before it.
class NetBuilder {
 public:
  NetBuilder(std::string name, graph::Shape input, uint64_t seed) : random_(seed) {
    graph_.name = std::move(name);
    graph_.input = "image";
    graph_.shapes["image"] = std::move(input);
    last_ = "image";
  }

  void conv(const std::string& name, int64_t in, int64_t out, int64_t kernel, int64_t pad) {
    Node node = make(Op::kConv, name);
    node.window.kernel_h = node.window.kernel_w = kernel;
    node.window.pad_top = node.window.pad_left = pad;
    node.window.pad_bottom = node.window.pad_right = pad;
    add_weights(node, {out, in, kernel, kernel});
    append(std::move(node));
  }

  void gemm(const std::string& name, int64_t in, int64_t out) {
    Node node = make(Op::kGemm, name);
    add_weights(node, {out, in});
    append(std::move(node));
  }

  void max_pool(const std::string& name, int64_t size) {
    Node node = make(Op::kMaxPool, name);
    node.window.kernel_h = node.window.kernel_w = size;
    node.window.stride_h = node.window.stride_w = size;
    append(std::move(node));
  }

  void simple(Op op, const std::string& name) { append(make(op, name)); }

  Graph finish() {
    graph_.nodes.back().output = "logits";
    graph_.output = "logits";
    graph::infer_shapes(graph_);
    return std::move(graph_);
  }

 private:
  Node make(Op op, const std::string& name) const {
    Node node;
    node.name = name;
    node.op = op;
    node.inputs = {last_};
    node.output = name + "_out";
    return node;
  }

  void append(Node node) {
    last_ = node.output;
    graph_.nodes.push_back(std::move(node));
  }

  void add_weights(Node& node, const graph::Shape& shape) {
    Tensor weight{shape, {}};
    const int64_t count = graph::element_count(shape);
    std::normal_distribution<double> normal(0,
                                            std::sqrt(2 / static_cast<double>(count / shape[0])));
    for (int64_t i = 0; i < count; ++i) {
      weight.data.push_back(static_cast<float>(normal(random_)));
    }
    Tensor bias{{shape[0]}, std::vector<float>(static_cast<size_t>(shape[0]))};
    node.inputs.push_back(node.name + ".weight");
    node.inputs.push_back(node.name + ".bias");
    graph_.weights[node.name + ".weight"] = std::move(weight);
    graph_.weights[node.name + ".bias"] = std::move(bias);
  }

  Graph graph_;
  std::string last_;
  std::mt19937_64 random_;
};

}  // namespace

Graph lenet5(uint64_t seed) {
  NetBuilder net("lenet5", {1, 28, 28}, seed);
  net.conv("conv1", 1, 6, 5, 2);
  net.simple(Op::kRelu, "relu1");
  net.max_pool("pool1", 2);
  net.conv("conv2", 6, 16, 5, 0);
  net.simple(Op::kRelu, "relu2");
  net.max_pool("pool2", 2);
  net.simple(Op::kFlatten, "flatten");
  net.gemm("fc1", 400, 120);
  net.simple(Op::kRelu, "relu3");
  net.gemm("fc2", 120, 84);
  net.simple(Op::kRelu, "relu4");
  net.gemm("fc3", 84, 10);
  return net.finish();
}

std::vector<std::string> net_names() { return {"lenet5"}; }

Graph build_net(const std::string& name, uint64_t seed) {
  if (name == "lenet5") return lenet5(seed);
  std::string known;
  for (const std::string& each : net_names()) known += (known.empty() ? "" : ", ") + each;
  throw std::runtime_error("network " + name + " is unknown; known are " + known +
                           ", or give an ONNX file");
}

}  // namespace tessera::compress
