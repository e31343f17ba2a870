#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>

#include "graph/onnx_io.hpp"
#include "reference/float_engine.hpp"
#include "reference/integer_engine.hpp"

// The integer network against the graph in float, layer by layer: each layer is given what the
// integer engine computed for its inputs, so that its result may only differ by its own rounding.

namespace {

using namespace tessera::graph;
using tessera::reference::FloatEngine;
using tessera::reference::IntegerEngine;

class NetworkBuilder {
 public:
  explicit NetworkBuilder(unsigned seed, const Shape& input) : random_(seed) {
    graph.input = "x";
    graph.shapes["x"] = input;
    graph.quantizations["x"] = {8, false, {1.F / 255}, WeightCode::kTwosComplement};
  }

  Node& add(Op op, std::vector<std::string> inputs, const std::string& output) {
    Node node;
    node.name = output;
    node.op = op;
    node.inputs = std::move(inputs);
    node.output = output;
    graph.nodes.push_back(node);
    graph.output = output;
    return graph.nodes.back();
  }

  /// Weights on `bits` bits with a scale a channel; `p4` for powers of two.
  std::string weights(const std::string& name, const Shape& shape, int bits, bool p4 = false) {
    std::normal_distribution<float> normal;
    const auto inner = static_cast<size_t>(element_count(shape) / shape[0]);
    Tensor tensor{shape, {}};
    Quantization grid{bits, true, {}, p4 ? WeightCode::kPowerOfTwo : WeightCode::kTwosComplement};
    for (int64_t k = 0; k < shape[0]; ++k) {
      float largest = 0;
      for (size_t i = 0; i < inner; ++i) {
        tensor.data.push_back(normal(random_) / std::sqrt(static_cast<float>(inner)));
        largest = std::max(largest, std::fabs(tensor.data.back()));
      }
      grid.scales.push_back(largest / static_cast<float>(grid.max()));
    }
    graph.weights[name] = std::move(tensor);
    graph.quantizations[name] = grid;
    return name;
  }

  std::string bias(const std::string& name, int64_t channels) {
    std::normal_distribution<float> normal(0, 0.1F);
    Tensor tensor{{channels}, {}};
    for (int64_t k = 0; k < channels; ++k) tensor.data.push_back(normal(random_));
    graph.weights[name] = tensor;
    return name;
  }

  void grid(const std::string& tensor, int bits, bool is_signed, float largest) {
    const float steps = static_cast<float>((1 << (is_signed ? bits - 1 : bits)) - 1);
    graph.quantizations[tensor] = {bits, is_signed, {largest / steps}, WeightCode::kTwosComplement};
  }

  std::vector<uint8_t> image() {
    std::vector<uint8_t> bytes(static_cast<size_t>(element_count(graph.shapes["x"])));
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random_());
    return bytes;
  }

  Graph graph;

 private:
  std::mt19937 random_;
};

/// Runs the lowered network on the image and holds every layer against the nodes it stands for.
class LayerCheck {
 public:
  LayerCheck(const Graph& graph, const std::vector<uint8_t>& image)
      : graph_(graph), network_(lower(graph)) {
    trace_ = IntegerEngine(network_).trace(quantize_input(network_, image.data()));
    for (size_t t = 0; t < network_.tensors.size(); ++t) tensors_[network_.tensors[t].name] = t;
    for (const Node& node : graph_.nodes) {
      if (node.op == Op::kFlatten) tensors_[node.output] = tensors_.at(node.inputs[0]);
    }
  }

  /// Number of values compared.
  int64_t run() {
    int64_t compared = 0;
    for (const IntegerLayer& layer : network_.layers) {
      for (const Node& node : graph_.nodes) {
        if (node.name == layer.name) compared += check(layer, node);
      }
    }
    return compared;
  }

 private:
  std::vector<float> values_of(const std::string& tensor) const {
    const size_t t = tensors_.at(tensor);
    std::vector<float> values;
    for (const int32_t q : trace_.tensors[t]) {
      values.push_back(static_cast<float>(q * network_.tensors[t].scale));
    }
    return values;
  }

  /// The node and those joined to it, computed in float without grids on activations.
  std::vector<float> expected(const Node& first, const std::string& last) const {
    Graph part;
    part.weights = graph_.weights;
    for (const auto& [name, grid] : graph_.quantizations) {
      if (part.weights.count(name) != 0) part.quantizations[name] = grid;
    }
    std::vector<float> x = values_of(first.inputs[0]);
    part.input = first.inputs[0];
    part.output = last;
    const Node* node = &first;
    if (node->op == Op::kAdd || node->op == Op::kConcat) {
      const std::vector<float> other = values_of(node->inputs[1]);
      for (size_t i = 0; i < x.size() && node->op == Op::kAdd; ++i) x[i] += other[i];
      if (node->op == Op::kConcat) x.insert(x.end(), other.begin(), other.end());
      if (node->output == last) return x;
      part.input = node->output;
      node = graph_.consumers(node->output).front();
    }
    part.shapes[part.input] = graph_.shapes.at(part.input);
    for (part.nodes = {*node}; node->output != last; part.nodes.push_back(*node)) {
      node = graph_.consumers(node->output).front();
    }
    return FloatEngine(part).run(x);
  }

  int64_t check(const IntegerLayer& layer, const Node& node) const {
    const auto t = static_cast<size_t>(layer.output);
    const std::vector<float> reals = expected(node, network_.tensors[t].name);
    EXPECT_EQ(reals.size(), trace_.tensors[t].size()) << layer.name;
    double bias_step = 0;  // of the output, for one step of the bias
    for (const Rescale& r : layer.rescale) {
      bias_step = std::max(bias_step, std::ldexp(static_cast<double>(r.multiplier), -int{r.shift}));
    }
    for (size_t i = 0; i < reals.size(); ++i) {
      const double q =
          std::clamp(reals[i] / network_.tensors[t].scale, 1.0 * layer.low, 1.0 * layer.high);
      const double allowed = 0.51 + 0.5 * bias_step + std::fabs(q) / 32768;
      EXPECT_LE(std::fabs(q - trace_.tensors[t][i]), allowed) << layer.name << " at " << i;
    }
    return static_cast<int64_t>(reals.size());
  }

  Graph graph_;
  IntegerNetwork network_;
  tessera::reference::IntegerTrace trace_;
  std::map<std::string, size_t> tensors_;
};

Graph lenet(int bits, bool p4) {
  NetworkBuilder b(11, {1, 14, 14});
  b.add(Op::kConv, {"x", b.weights("w1", {6, 1, 5, 5}, 8), b.bias("b1", 6)}, "c1").window = {
      5, 5, 1, 1, 1, 1, 2, 2, 2, 2};
  b.add(Op::kRelu, {"c1"}, "r1");
  b.grid("r1", bits, false, 2);
  b.add(Op::kMaxPool, {"r1"}, "m1").window = {2, 2, 2, 2, 1, 1, 0, 0, 0, 0};
  b.add(Op::kConv, {"m1", b.weights("w2", {8, 6, 3, 3}, p4 ? 4 : bits, p4), b.bias("b2", 8)}, "c2")
      .window = {3, 3, 1, 1, 1, 1, 0, 0, 0, 0};
  b.add(Op::kClip, {"c2"}, "r2").clip_high = 1.5F;
  b.grid("r2", bits, false, 2);
  b.add(Op::kAveragePool, {"r2"}, "a2").window = {2, 2, 2, 2, 1, 1, 0, 0, 0, 0};
  b.grid("a2", bits, false, 1.5F);
  b.add(Op::kFlatten, {"a2"}, "f");
  b.add(Op::kGemm, {"f", b.weights("w3", {10, 32}, bits), b.bias("b3", 10)}, "g");
  b.add(Op::kRelu, {"g"}, "r3");
  b.grid("r3", bits, false, 2);
  b.add(Op::kGemm, {"r3", b.weights("w4", {4, 10}, bits), b.bias("b4", 4)}, "logits");
  b.grid("logits", 16, true, 4);
  b.add(Op::kSoftmax, {"logits"}, "p");
  infer_shapes(b.graph);
  return b.graph;
}

Graph residual() {
  NetworkBuilder b(12, {4, 8, 8});
  const Window same{3, 3, 1, 1, 1, 1, 1, 1, 1, 1};
  b.add(Op::kConv, {"x", b.weights("w1", {4, 4, 3, 3}, 8), b.bias("b1", 4)}, "c1").window = same;
  b.add(Op::kRelu, {"c1"}, "r1");
  b.grid("r1", 8, false, 2);
  Node& down = b.add(Op::kConv, {"r1", b.weights("w2", {8, 4, 3, 3}, 8), b.bias("b2", 8)}, "c2");
  down.window = same;
  down.window.stride_h = down.window.stride_w = 2;
  b.grid("c2", 8, true, 2);
  Node& sub = b.add(Op::kSubsample, {"r1"}, "s");
  sub.window.stride_h = sub.window.stride_w = 2;
  Node& pad = b.add(Op::kPadChannels, {"s"}, "p");
  pad.pad_before = pad.pad_after = 2;
  b.add(Op::kAdd, {"c2", "p"}, "sum");
  b.add(Op::kRelu, {"sum"}, "r2");
  b.grid("r2", 8, false, 3);
  Node& depthwise = b.add(Op::kConv, {"r2", b.weights("w3", {8, 1, 3, 3}, 8)}, "d");
  depthwise.window = same;
  depthwise.groups = 8;
  b.grid("d", 8, true, 4);
  b.add(Op::kConcat, {"r2", "d"}, "cat");
  b.grid("cat", 8, true, 5);
  b.add(Op::kGlobalAveragePool, {"cat"}, "gap");
  b.grid("gap", 8, true, 2);
  b.add(Op::kFlatten, {"gap"}, "f");
  b.add(Op::kGemm, {"f", b.weights("w4", {3, 16}, 8), b.bias("b4", 3)}, "logits");
  b.grid("logits", 16, true, 4);
  infer_shapes(b.graph);
  return b.graph;
}

void expect_close(const Graph& graph, int64_t values, unsigned seed) {
  NetworkBuilder images(seed, graph.shapes.at(graph.input));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(LayerCheck(graph, images.image()).run(), values) << i;
}

TEST(LoweredNetwork, every_layer_errs_by_its_rounding_only_at_16_8_and_4_bits_and_p4) {
  const int64_t values = 6 * 196 + 6 * 49 + 8 * 25 + 8 * 4 + 10 + 4;
  expect_close(lenet(16, false), values, 1);
  expect_close(lenet(8, false), values, 1);
  expect_close(lenet(4, false), values, 1);
  expect_close(lenet(2, false), values, 1);
  expect_close(lenet(8, true), values, 1);
}

TEST(LoweredNetwork, so_does_every_layer_of_residual_depthwise_and_concatenated_branches) {
  // two convolutions, shortcut, addition, depthwise, concatenation, pool, fully connected
  expect_close(residual(), 4 * 64 + 3 * 128 + 128 + 256 + 16 + 3, 2);
}

TEST(LoweredNetwork, predicts_the_class_that_fake_quantisation_predicts) {
  const Graph graph = lenet(16, false);
  const IntegerNetwork network = lower(graph);
  NetworkBuilder images(5, graph.shapes.at("x"));
  int agree = 0;
  for (int i = 0; i < 50; ++i) {
    const auto image = images.image();
    const auto logits = IntegerEngine(network).run(quantize_input(network, image.data()));
    const auto p = FloatEngine(graph).run(tessera::reference::normalize(graph, image.data()));
    agree += tessera::reference::argmax(logits) == tessera::reference::argmax(p);
  }
  EXPECT_GE(agree, 49);
}

TEST(LoweredNetwork, survives_a_round_trip_through_onnx) {
  for (const Graph& graph : {lenet(8, false), lenet(4, true), residual()}) {
    const IntegerNetwork before = lower(graph);
    const IntegerNetwork after = lower(parse_onnx(serialize_onnx(graph), "net"));
    NetworkBuilder images(4, graph.shapes.at("x"));
    const std::vector<uint8_t> image = images.image();
    EXPECT_EQ(IntegerEngine(before).run(quantize_input(before, image.data())),
              IntegerEngine(after).run(quantize_input(after, image.data())));
  }
}

}  // namespace
