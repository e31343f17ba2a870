#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>

#include "graph/onnx_io.hpp"

namespace {

using namespace tessera::graph;

Node node(const std::string& name, Op op, std::vector<std::string> inputs, const std::string& out) {
  Node n;
  n.name = name;
  n.op = op;
  n.inputs = std::move(inputs);
  n.output = out;
  return n;
}

Tensor random_tensor(const Shape& shape, std::mt19937& random) {
  std::normal_distribution<float> normal;
  Tensor tensor{shape, {}};
  for (int64_t i = 0; i < element_count(shape); ++i) tensor.data.push_back(normal(random));
  return tensor;
}

/// Every operator once, with attributes that differ from their defaults.
Graph every_operator() {
  std::mt19937 random(1);
  Graph g;
  g.name = "every";
  g.input = "image";
  g.output = "scores";
  g.shapes["image"] = {4, 9, 9};
  g.normalization = {{0.1F, 0.2F, 0.3F, 0.4F}, {0.29F}};
  g.weights["conv.w"] = random_tensor({6, 2, 3, 3}, random);
  g.weights["conv.b"] = random_tensor({6}, random);
  g.weights["bn.scale"] = random_tensor({6}, random);
  g.weights["bn.shift"] = random_tensor({6}, random);
  g.weights["fc.w"] = random_tensor({5, 16}, random);
  g.nodes = {node("conv", Op::kConv, {"image", "conv.w", "conv.b"}, "a"),
             node("relu", Op::kRelu, {"a"}, "b"),
             node("bn", Op::kBatchNorm, {"b", "bn.scale", "bn.shift"}, "c"),
             node("lrn", Op::kLrn, {"c"}, "d"),
             node("max", Op::kMaxPool, {"d"}, "e"),
             node("clip", Op::kClip, {"e"}, "f"),
             node("average", Op::kAveragePool, {"f"}, "g"),
             node("sub", Op::kSubsample, {"g"}, "h"),
             node("pad", Op::kPadChannels, {"h"}, "i"),
             node("add", Op::kAdd, {"i", "i"}, "j"),
             node("concat", Op::kConcat, {"i", "j"}, "k"),
             node("global", Op::kGlobalAveragePool, {"k"}, "l"),
             node("flatten", Op::kFlatten, {"l"}, "m"),
             node("fc", Op::kGemm, {"m", "fc.w"}, "n"),
             node("softmax", Op::kSoftmax, {"n"}, "scores")};
  g.nodes[0].window = {3, 3, 1, 2, 2, 1, 1, 2, 3, 0};
  g.nodes[0].groups = 2;
  g.nodes[0].rounding = Rounding::kStochastic;
  g.nodes[3].lrn_alpha = 0.001F;
  g.nodes[3].lrn_beta = 0.7F;
  g.nodes[3].lrn_bias = 2;
  g.nodes[3].lrn_size = 3;
  g.nodes[4].window = {2, 2, 1, 1, 1, 1, 0, 0, 1, 0};
  g.nodes[5].clip_low = -0.5F;
  g.nodes[5].clip_high = 6;
  g.nodes[6].window = {2, 2, 1, 1, 1, 1, 1, 0, 0, 0};
  g.nodes[6].count_include_pad = true;
  g.nodes[7].window.stride_h = 3;
  g.nodes[7].window.stride_w = 2;
  g.nodes[8].pad_before = 1;
  g.nodes[8].pad_after = 1;
  infer_shapes(g);
  return g;
}

void quantize(Graph& g, int weight_bits, int activation_bits) {
  g.quantizations["image"] = {activation_bits, true, {0.031F}, WeightCode::kTwosComplement};
  g.quantizations["c"] = {activation_bits, false, {0.02F}, WeightCode::kTwosComplement};
  g.quantizations["k"] = {activation_bits, true, {0.07F}, WeightCode::kTwosComplement};
  g.quantizations["scores"] = {activation_bits, true, {0.7F}, WeightCode::kTwosComplement};
  g.quantizations["conv.w"] = {
      weight_bits, true, {0.01F, 0.02F, 0.03F, 0.04F, 0.05F, 0.06F}, WeightCode::kTwosComplement};
  g.quantizations["fc.w"] = {weight_bits, true, {0.033F}, WeightCode::kTwosComplement};
}

void round_weights(Graph& g) {
  for (auto& [name, tensor] : g.weights) {
    const auto grid = g.quantizations.find(name);
    if (grid == g.quantizations.end()) continue;
    const size_t inner = tensor.data.size() / grid->second.scales.size();
    for (size_t i = 0; i < tensor.data.size(); ++i) {
      const float scale = grid->second.scales[i / inner];
      tensor.data[i] =
          scale * static_cast<float>(tessera::graph::quantize(tensor.data[i], scale, grid->second));
    }
  }
}

void expect_same(const Node& a, const Node& b) {
  const auto window = [](const Window& w) {
    return std::vector<int64_t>{w.kernel_h,   w.kernel_w, w.stride_h, w.stride_w,   w.dilation_h,
                                w.dilation_w, w.pad_top,  w.pad_left, w.pad_bottom, w.pad_right};
  };
  EXPECT_EQ(a.name, b.name);
  EXPECT_EQ(a.op, b.op) << a.name;
  EXPECT_EQ(a.inputs, b.inputs) << a.name;
  EXPECT_EQ(a.output, b.output) << a.name;
  EXPECT_EQ(window(a.window), window(b.window)) << a.name;
  EXPECT_EQ(a.groups, b.groups) << a.name;
  EXPECT_EQ(a.clip_low, b.clip_low) << a.name;
  EXPECT_EQ(a.clip_high, b.clip_high) << a.name;
  EXPECT_EQ(a.count_include_pad, b.count_include_pad) << a.name;
  EXPECT_EQ(a.pad_before, b.pad_before) << a.name;
  EXPECT_EQ(a.pad_after, b.pad_after) << a.name;
  EXPECT_EQ(a.lrn_alpha, b.lrn_alpha) << a.name;
  EXPECT_EQ(a.lrn_beta, b.lrn_beta) << a.name;
  EXPECT_EQ(a.lrn_bias, b.lrn_bias) << a.name;
  EXPECT_EQ(a.lrn_size, b.lrn_size) << a.name;
  EXPECT_EQ(a.rounding, b.rounding) << a.name;
}

void expect_round_trip(const Graph& before) {
  const std::string bytes = serialize_onnx(before);
  const Graph after = parse_onnx(bytes, "round trip");
  EXPECT_EQ(after.name, before.name);
  EXPECT_EQ(after.input, before.input);
  EXPECT_EQ(after.output, before.output);
  EXPECT_EQ(after.shapes, before.shapes);
  EXPECT_EQ(after.quantizations, before.quantizations);
  EXPECT_EQ(after.normalization.mean, before.normalization.mean);
  EXPECT_EQ(after.normalization.std, before.normalization.std);
  ASSERT_EQ(after.weights.size(), before.weights.size());
  for (const auto& [name, tensor] : before.weights) {
    EXPECT_EQ(after.weights.at(name).shape, tensor.shape) << name;
    EXPECT_EQ(after.weights.at(name).data, tensor.data) << name;
  }
  ASSERT_EQ(after.nodes.size(), before.nodes.size());
  for (size_t i = 0; i < before.nodes.size(); ++i) expect_same(before.nodes[i], after.nodes[i]);
  EXPECT_EQ(serialize_onnx(after), bytes);
}

TEST(RoundTrip, float_networks_come_back_exactly) { expect_round_trip(every_operator()); }

TEST(RoundTrip, qdq_networks_come_back_exactly_on_and_off_their_grids) {
  Graph graph = every_operator();
  quantize(graph, 8, 8);
  expect_round_trip(graph);
  const size_t with_floats = serialize_onnx(graph).size();
  round_weights(graph);
  expect_round_trip(graph);
  EXPECT_LT(serialize_onnx(graph).size(), with_floats);  // one byte a weight
}

TEST(RoundTrip, other_widths_come_back_exactly_as_qonnx) {
  Graph graph = every_operator();
  quantize(graph, 3, 11);
  EXPECT_NE(serialize_onnx(graph).find("qonnx.custom_op.general"), std::string::npos);
  expect_round_trip(graph);
}

TEST(RoundTrip, power_of_two_weights_come_back_exactly) {
  Graph graph = every_operator();
  quantize(graph, 4, 8);
  graph.quantizations["fc.w"].code = WeightCode::kPowerOfTwo;
  expect_round_trip(graph);
}

TEST(RoundTrip, names_that_the_writer_would_invent_do_no_harm) {
  Graph graph = every_operator();
  quantize(graph, 8, 8);
  for (Node& n : graph.nodes) {
    if (n.name == "relu") n.output = "c/dequantized";
    if (n.name == "bn") n.inputs[0] = "c/dequantized";
  }
  graph.shapes.erase("b");
  infer_shapes(graph);
  expect_round_trip(graph);
}

TEST(WriteOnnx, a_file_appears_complete_or_not_at_all) {
  const auto folder = std::filesystem::temp_directory_path() / "tessera_write_onnx_test";
  std::filesystem::remove_all(folder);
  EXPECT_THROW(write_onnx(every_operator(), (folder / "net.onnx").string()), std::runtime_error);
  std::filesystem::create_directories(folder);
  const std::string path = (folder / "net.onnx").string();
  write_onnx(every_operator(), path);
  EXPECT_EQ(read_onnx(path).nodes.size(), 15U);
  Graph broken = every_operator();
  broken.weights.erase("fc.w");
  EXPECT_THROW(write_onnx(broken, path), std::runtime_error);
  EXPECT_EQ(read_onnx(path).nodes.size(), 15U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder), {}), 1);
  std::filesystem::remove_all(folder);
}

}  // namespace
