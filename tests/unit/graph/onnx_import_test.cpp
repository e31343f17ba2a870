#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>

#include "graph/integer_network.hpp"
#include "graph/onnx_io.hpp"
#include "onnx_builder.hpp"

namespace {

using namespace tessera::graph;
using tessera::test::OnnxBuilder;
using testing::ElementsAre;

Graph parse(const OnnxBuilder& builder) { return parse_onnx(builder.bytes(), "test.onnx"); }

std::vector<Op> ops(const Graph& graph) {
  std::vector<Op> found;
  for (const Node& node : graph.nodes) found.push_back(node.op);
  return found;
}

const Tensor& weight(const Graph& graph, size_t node, size_t input) {
  return graph.weights.at(graph.nodes.at(node).inputs.at(input));
}

TEST(Import, reads_convolution_attributes) {
  OnnxBuilder b({-1, 4, 9, 9});
  b.floats("w", {6, 2, 3, 2}, std::vector<float>(72, 0.5F));
  b.floats("bias", {6}, {1, 2, 3, 4, 5, 6});
  auto& conv = b.node("Conv", {"x", "w", "bias"}, "y");
  b.ints(b.ints(b.ints(conv, "pads", {1, 2, 3, 4}), "strides", {2, 1}), "dilations", {1, 3});
  b.integer(conv, "group", 2);
  const Graph graph = parse(b);
  const Window& w = graph.nodes[0].window;
  EXPECT_EQ(graph.nodes[0].groups, 2);
  EXPECT_EQ(w.kernel_h, 3);
  EXPECT_EQ(w.kernel_w, 2);
  EXPECT_EQ(w.stride_h, 2);
  EXPECT_EQ(w.dilation_w, 3);
  EXPECT_EQ(w.pad_left, 2);
  EXPECT_EQ(w.pad_bottom, 3);
  EXPECT_THAT(graph.shapes.at("y"), ElementsAre(6, 6, 12));
  EXPECT_THAT(weight(graph, 0, 2).data, ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(Import, puts_the_odd_padding_where_auto_pad_says) {
  for (const bool upper : {true, false}) {
    OnnxBuilder b({1, 1, 6, 6});
    b.floats("w", {1, 1, 3, 3}, std::vector<float>(9, 1));
    auto& conv = b.node("Conv", {"x", "w"}, "y");
    b.ints(conv, "strides", {2, 2});
    b.text(conv, "auto_pad", upper ? "SAME_UPPER" : "SAME_LOWER");
    const Graph graph = parse(b);
    EXPECT_EQ(graph.nodes[0].window.pad_top, upper ? 0 : 1);
    EXPECT_EQ(graph.nodes[0].window.pad_bottom, upper ? 1 : 0);
    EXPECT_THAT(graph.shapes.at("y"), ElementsAre(1, 3, 3));
  }
}

TEST(Import, reduces_batch_normalisation_to_scale_and_shift) {
  OnnxBuilder b({1, 2, 1, 1});
  b.floats("s", {2}, {2, 3});
  b.floats("b", {2}, {1, -1});
  b.floats("m", {2}, {4, 5});
  b.floats("v", {2}, {3, 0});
  b.real(b.node("BatchNormalization", {"x", "s", "b", "m", "v"}, "y"), "epsilon", 1);
  const Graph graph = parse(b);
  EXPECT_THAT(weight(graph, 0, 1).data, ElementsAre(1, 3));     // 2/sqrt(3+1), 3/sqrt(0+1)
  EXPECT_THAT(weight(graph, 0, 2).data, ElementsAre(-3, -16));  // 1-4*1, -1-5*3
}

TEST(Import, evaluates_shape_gather_concat_reshape_to_a_flattening) {
  OnnxBuilder b({-1, 2, 3, 3});
  b.integers("zero", {0});
  b.integers("rest", {-1});
  b.graph().mutable_initializer(0)->clear_dims();  // the index is a scalar
  b.integers("axes", {0});
  b.node("Shape", {"x"}, "shape");
  b.node("Gather", {"shape", "zero"}, "batch_scalar");
  b.node("Unsqueeze", {"batch_scalar", "axes"}, "batch");
  b.integer(b.node("Concat", {"batch", "rest"}, "target"), "axis", 0);
  b.node("Reshape", {"x", "target"}, "flat");
  b.floats("w", {2, 18}, std::vector<float>(36, 1));
  b.integer(b.node("Gemm", {"flat", "w"}, "y"), "transB", 1);
  const Graph graph = parse(b);
  EXPECT_THAT(ops(graph), ElementsAre(Op::kFlatten, Op::kGemm));
  EXPECT_THAT(graph.shapes.at("flat"), ElementsAre(18));
}

TEST(Import, gemm_takes_over_transposition_alpha_and_beta) {
  OnnxBuilder b({-1, 2});
  b.floats("w", {2, 3}, {1, 2, 3, 4, 5, 6});
  b.floats("c", {1, 3}, {1, 2, 3});
  b.real(b.real(b.node("Gemm", {"x", "w", "c"}, "y"), "alpha", 2), "beta", 0.5F);
  const Graph graph = parse(b);
  EXPECT_THAT(weight(graph, 0, 1).shape, ElementsAre(3, 2));
  EXPECT_THAT(weight(graph, 0, 1).data, ElementsAre(2, 8, 4, 10, 6, 12));
  EXPECT_THAT(weight(graph, 0, 2).data, ElementsAre(0.5F, 1, 1.5F));
}

TEST(Import, matmul_and_add_become_one_gemm_with_bias) {
  OnnxBuilder b({-1, 2});
  b.floats("w", {2, 3}, {1, 2, 3, 4, 5, 6});
  b.floats("c", {3}, {7, 8, 9});
  b.node("MatMul", {"x", "w"}, "product");
  b.node("Add", {"product", "c"}, "y");
  const Graph graph = parse(b);
  EXPECT_THAT(ops(graph), ElementsAre(Op::kGemm));
  EXPECT_THAT(weight(graph, 0, 1).data, ElementsAre(1, 4, 2, 5, 3, 6));
  EXPECT_THAT(weight(graph, 0, 2).data, ElementsAre(7, 8, 9));
  EXPECT_EQ(graph.output, "y");
}

TEST(Import, constant_arithmetic_becomes_scale_and_shift) {
  OnnxBuilder b({-1, 2, 1, 1});
  b.floats("mean", {1, 2, 1, 1}, {1, 2});
  b.floats("std", {}, {4});
  b.node("Sub", {"x", "mean"}, "centred");
  b.node("Div", {"centred", "std"}, "y");
  const Graph graph = parse(b);
  EXPECT_THAT(ops(graph), ElementsAre(Op::kBatchNorm, Op::kBatchNorm));
  EXPECT_THAT(weight(graph, 0, 2).data, ElementsAre(-1, -2));
  EXPECT_THAT(weight(graph, 1, 1).data, ElementsAre(0.25F, 0.25F));
}

TEST(Import, slices_and_pads_of_an_option_a_shortcut_become_subsample_and_pad_channels) {
  OnnxBuilder b({-1, 2, 5, 6});
  constexpr int64_t kEnd = std::numeric_limits<int64_t>::max();
  b.integers("zero", {0});
  b.integers("end", {kEnd});
  b.integers("two", {2});
  b.integers("three", {3});
  b.node("Slice", {"x", "zero", "end", "two", "two"}, "rows");
  b.node("Slice", {"rows", "zero", "end", "three", "two"}, "both");
  b.integers("pads", {0, 1, 0, 0, 0, 3, 0, 0});
  b.text(b.node("Pad", {"both", "pads", ""}, "y"), "mode", "constant");
  const Graph graph = parse(b);
  EXPECT_THAT(ops(graph), ElementsAre(Op::kSubsample, Op::kPadChannels));
  EXPECT_EQ(graph.nodes[0].window.stride_h, 2);
  EXPECT_EQ(graph.nodes[0].window.stride_w, 2);
  EXPECT_EQ(graph.nodes[1].pad_before, 1);
  EXPECT_EQ(graph.nodes[1].pad_after, 3);
  EXPECT_THAT(graph.shapes.at("y"), ElementsAre(6, 3, 3));
}

/// The pads arrive as pairs from the last dimension to the first and are turned around by
/// Reshape, a Slice with step -1, and Transpose.
TEST(Import, evaluates_the_pad_arithmetic_of_pytorch) {
  OnnxBuilder b({-1, 2, 4, 4});
  b.integers("given", {0, 0, 0, 0, 1, 2});
  b.integers("two", {2});
  auto& filler = b.node("ConstantOfShape", {"two"}, "fill");
  auto& value = *filler.add_attribute();
  value.set_name("value");
  value.set_type(onnx::AttributeProto::TENSOR);
  value.mutable_t()->set_data_type(onnx::TensorProto::INT64);
  value.mutable_t()->add_dims(1);
  value.mutable_t()->add_int64_data(0);
  b.integer(b.node("Concat", {"given", "fill"}, "all"), "axis", 0);
  b.integers("pairs_shape", {-1, 2});
  b.node("Reshape", {"all", "pairs_shape"}, "pairs");
  b.integers("minus", {-1});
  b.integers("lowest", {std::numeric_limits<int64_t>::min() + 1});
  b.integers("zero", {0});
  b.node("Slice", {"pairs", "minus", "lowest", "zero", "minus"}, "reversed");
  b.ints(b.node("Transpose", {"reversed"}, "columns"), "perm", {1, 0});
  b.node("Reshape", {"columns", "minus"}, "pads");
  b.integer(b.node("Cast", {"pads"}, "cast"), "to", onnx::TensorProto::INT64);
  b.node("Pad", {"x", "cast"}, "y");
  const Graph graph = parse(b);
  ASSERT_THAT(ops(graph), ElementsAre(Op::kPadChannels));
  EXPECT_EQ(graph.nodes[0].pad_before, 1);
  EXPECT_EQ(graph.nodes[0].pad_after, 2);
}

TEST(Import, a_spatial_pad_moves_into_the_convolution_behind_it) {
  OnnxBuilder b({-1, 1, 4, 4});
  b.integers("pads", {0, 0, 1, 2, 0, 0, 3, 4});
  b.floats("w", {1, 1, 3, 3}, std::vector<float>(9, 1));
  b.node("Pad", {"x", "pads"}, "padded");
  b.ints(b.node("Conv", {"padded", "w"}, "y"), "pads", {1, 1, 1, 1});
  const Graph graph = parse(b);
  ASSERT_THAT(ops(graph), ElementsAre(Op::kConv));
  EXPECT_EQ(graph.nodes[0].window.pad_top, 2);
  EXPECT_EQ(graph.nodes[0].window.pad_right, 5);
}

TEST(Import, clip_bounds_come_from_inputs_or_attributes) {
  OnnxBuilder b({-1, 3});
  b.floats("low", {}, {0});
  b.floats("high", {}, {6});
  b.node("Clip", {"x", "low", "high"}, "y");
  const Graph graph = parse(b);
  EXPECT_EQ(graph.nodes[0].clip_low, 0);
  EXPECT_EQ(graph.nodes[0].clip_high, 6);
  OnnxBuilder old({-1, 3}, 7);
  old.real(old.real(old.node("Clip", {"x"}, "y"), "min", -1), "max", 2);
  EXPECT_EQ(parse(old).nodes[0].clip_low, -1);
  EXPECT_EQ(parse(old).nodes[0].clip_high, 2);
}

TEST(Import, ceil_mode_adds_the_padding_of_a_partial_window) {
  OnnxBuilder b({-1, 1, 6, 7});
  auto& pool = b.node("MaxPool", {"x"}, "y");
  b.ints(b.ints(pool, "kernel_shape", {3, 3}), "strides", {2, 2});
  b.integer(pool, "ceil_mode", 1);
  const Graph graph = parse(b);
  EXPECT_THAT(graph.shapes.at("y"), ElementsAre(1, 3, 3));
  EXPECT_EQ(graph.nodes[0].window.pad_bottom, 1);
  EXPECT_EQ(graph.nodes[0].window.pad_right, 0);
}

TEST(Import, identities_and_dead_branches_disappear) {
  OnnxBuilder b({-1, 4});
  b.node("Identity", {"x"}, "same");
  b.node("Dropout", {"same"}, "kept");
  b.node("Relu", {"kept"}, "r");
  b.node("NonMaxSuppression", {"r"}, "unused");
  b.node("Identity", {"r"}, "y");
  const Graph graph = parse(b);
  EXPECT_THAT(ops(graph), ElementsAre(Op::kRelu));
  EXPECT_EQ(graph.output, "y");
  EXPECT_EQ(graph.nodes[0].output, "y");
}

TEST(Import, reduce_mean_is_a_global_average_pool) {
  OnnxBuilder b({-1, 4, 5, 5});
  b.integer(b.ints(b.node("ReduceMean", {"x"}, "y"), "axes", {-1, -2}), "keepdims", 0);
  const Graph graph = parse(b);
  EXPECT_THAT(ops(graph), ElementsAre(Op::kGlobalAveragePool, Op::kFlatten));
  EXPECT_THAT(graph.shapes.at("y"), ElementsAre(4));
}

TEST(Import, nodes_may_come_in_any_order) {
  OnnxBuilder b({-1, 4});
  b.node("Softmax", {"r"}, "y");
  b.node("Relu", {"x"}, "r");
  EXPECT_THAT(ops(parse(b)), ElementsAre(Op::kRelu, Op::kSoftmax));
}

TEST(Import, half_precision_weights_are_widened) {
  OnnxBuilder b({-1, 2});
  b.small_integers("w", {3, 2}, onnx::TensorProto::FLOAT16,
                   {0x3C00, 0xC000, 0x0001, 0, 0x7BFF, 0x3555});
  b.integer(b.node("Gemm", {"x", "w"}, "y"), "transB", 1);
  EXPECT_THAT(weight(parse(b), 0, 1).data,
              ElementsAre(1, -2, std::ldexp(1.F, -24), 0, 65504, 0.333251953125F));
}

TEST(Import, reads_qdq_weights_and_activations) {
  OnnxBuilder b({-1, 2});
  b.floats("xs", {}, {0.5F});
  b.small_integers("xz", {}, onnx::TensorProto::UINT8, {0});
  b.node("QuantizeLinear", {"x", "xs", "xz"}, "xq");
  b.node("DequantizeLinear", {"xq", "xs", "xz"}, "xd");
  b.small_integers("w", {2, 2}, onnx::TensorProto::INT8, {1, -2, 3, 127});
  b.floats("ws", {2}, {0.25F, 2});
  b.small_integers("wz", {2}, onnx::TensorProto::INT8, {0, 0});
  b.integer(b.node("DequantizeLinear", {"w", "ws", "wz"}, "wd"), "axis", 0);
  b.small_integers("bias", {2}, onnx::TensorProto::INT32, {100, -3});
  b.floats("bs", {2}, {0.125F, 1});
  b.integer(b.node("DequantizeLinear", {"bias", "bs"}, "bd"), "axis", 0);
  b.integer(b.node("Gemm", {"xd", "wd", "bd"}, "g"), "transB", 1);
  b.floats("ys", {}, {4});
  b.small_integers("yz", {}, onnx::TensorProto::INT8, {0});
  b.node("QuantizeLinear", {"g", "ys", "yz"}, "gq");
  b.node("DequantizeLinear", {"gq", "ys", "yz"}, "y");
  const Graph graph = parse(b);
  ASSERT_THAT(ops(graph), ElementsAre(Op::kGemm));
  const Quantization& x = graph.quantizations.at("x");
  EXPECT_EQ(x.bits, 8);
  EXPECT_FALSE(x.is_signed);
  EXPECT_THAT(x.scales, ElementsAre(0.5F));
  EXPECT_TRUE(graph.quantizations.at("y").is_signed);
  EXPECT_THAT(weight(graph, 0, 1).data, ElementsAre(0.25F, -0.5F, 6, 254));
  EXPECT_THAT(weight(graph, 0, 2).data, ElementsAre(12.5F, -3));
  const IntegerNetwork network = lower(graph);
  EXPECT_THAT(network.layers[0].weights, ElementsAre(1, -2, 3, 127));
  EXPECT_THAT(network.layers[0].bias, ElementsAre(100, -3));
}

TEST(Import, reads_qonnx_quant_nodes_of_any_width) {
  OnnxBuilder b({-1, 2});
  b.floats("zero", {}, {0});
  b.floats("three", {}, {3});
  b.floats("xs", {}, {0.5F});
  b.integer(b.node("Quant", {"x", "xs", "zero", "three"}, "xq"), "signed", 0);
  b.floats("w", {2, 2}, {1.1F, -9, 3, 4});
  b.floats("ws", {2, 1}, {1, 2});
  b.integer(b.node("Quant", {"w", "ws", "zero", "three"}, "wq"), "narrow", 1);
  b.integer(b.node("Gemm", {"xq", "wq"}, "y"), "transB", 1);
  for (auto& node : *b.graph().mutable_node()) {
    if (node.op_type() == "Quant") node.set_domain("qonnx.custom_op.general");
  }
  Graph graph = parse(b);
  EXPECT_EQ(graph.quantizations.at("x").bits, 3);
  EXPECT_EQ(graph.quantizations.at("x").max(), 7);
  EXPECT_THAT(graph.quantizations.at("w").scales, ElementsAre(1, 2));
  graph.quantizations[graph.output] = {16, true, {1}, WeightCode::kTwosComplement};
  // narrow: -9 stops at -3, not at -4
  EXPECT_THAT(lower(graph).layers[0].weights, ElementsAre(1, -3, 2, 2));
}

TEST(Import, reads_normalisation_and_rounding_from_the_metadata) {
  OnnxBuilder b({-1, 3, 1, 1});
  b.node("Relu", {"x"}, "y");
  const auto put = [&](const char* key, const char* value) {
    auto& entry = *b.model.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  };
  put("tessera.input_mean", "0.5,0.25,0.125");
  put("tessera.input_std", "2");
  put("tessera.stochastic_rounding", "Relu_of_y\n");
  const Graph graph = parse(b);
  EXPECT_THAT(graph.normalization.mean, ElementsAre(0.5F, 0.25F, 0.125F));
  EXPECT_THAT(graph.normalization.std, ElementsAre(2));
  EXPECT_EQ(graph.nodes[0].rounding, Rounding::kStochastic);
}

TEST(Import, reads_external_data_beside_the_model) {
  const auto folder = std::filesystem::temp_directory_path() / "tessera_external_data_test";
  std::filesystem::create_directories(folder);
  const float values[] = {9, 9, 3, 4};
  std::ofstream(folder / "weights.bin", std::ios::binary)
      .write(reinterpret_cast<const char*>(values), sizeof values);
  OnnxBuilder b({-1, 2});
  auto& w = b.floats("w", {1, 2}, {});
  w.set_data_location(onnx::TensorProto::EXTERNAL);
  const auto put = [&](const char* key, const char* value) {
    auto& entry = *w.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  };
  put("location", "weights.bin");
  put("offset", "8");
  b.integer(b.node("Gemm", {"x", "w"}, "y"), "transB", 1);
  const Graph graph = parse_onnx(b.bytes(), (folder / "net.onnx").string());
  EXPECT_THAT(weight(graph, 0, 1).data, ElementsAre(3, 4));
  std::filesystem::remove_all(folder);
}

TEST(Import, a_real_resnet20_with_option_a_shortcuts) {
  const char* data = std::getenv("TESSERA_DATA_DIR");
  const std::string path =
      std::string(data == nullptr ? "." : data) + "/../models/resnet20-cifar10.onnx";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not here";
  const Graph graph = read_onnx(path);
  EXPECT_EQ(mac_count(graph), 40551040);  // 40.55 M, He et al. 2016
  EXPECT_EQ(std::count_if(graph.nodes.begin(), graph.nodes.end(),
                          [](const Node& n) { return n.op == Op::kSubsample; }),
            2);
}

}  // namespace
