#include "graph/graph.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace {

using namespace tessera::graph;
using testing::ElementsAre;
using testing::HasSubstr;

std::string error_of(Graph graph) {
  try {
    infer_shapes(graph);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

Node conv(const std::string& x, const std::string& w, const std::string& y, int64_t kernel) {
  Node node;
  node.name = "conv";
  node.op = Op::kConv;
  node.inputs = {x, w};
  node.output = y;
  node.window.kernel_h = node.window.kernel_w = kernel;
  return node;
}

Graph one_conv(const Shape& x, const Shape& w) {
  Graph graph;
  graph.input = "x";
  graph.output = "y";
  graph.shapes["x"] = x;
  graph.weights["w"] = {w, std::vector<float>(static_cast<size_t>(element_count(w)))};
  graph.nodes = {conv("x", "w", "y", w.size() > 2 ? w[2] : 1)};
  return graph;
}

TEST(Quantize, rounds_half_to_even_and_clamps_to_the_grid) {
  const Quantization grid{8, true, {0.5F}, WeightCode::kTwosComplement};
  EXPECT_EQ(quantize(0.25F, 0.5F, grid), 0);
  EXPECT_EQ(quantize(0.75F, 0.5F, grid), 2);
  EXPECT_EQ(quantize(-0.75F, 0.5F, grid), -2);
  EXPECT_EQ(quantize(1000, 0.5F, grid), 127);
  EXPECT_EQ(quantize(-1000, 0.5F, grid), -128);
  EXPECT_EQ(quantize(std::numeric_limits<float>::infinity(), 0.5F, grid), 127);
}

TEST(Quantize, reproduces_every_grid_point_of_every_width) {
  for (int bits = 2; bits <= 16; ++bits) {
    for (const bool is_signed : {false, true}) {
      const Quantization grid{bits, is_signed, {0.0123F}, WeightCode::kTwosComplement};
      for (int32_t q = grid.min(); q <= grid.max(); ++q) {
        ASSERT_EQ(quantize(0.0123F * static_cast<float>(q), 0.0123F, grid), q) << bits;
      }
    }
  }
}

TEST(Quantize, takes_the_nearest_power_of_two_in_the_linear_domain) {
  const Quantization grid{4, true, {1}, WeightCode::kPowerOfTwo};
  const std::pair<float, int> cases[] = {{0.F, 0},   {0.49F, 0},   {0.5F, 1},  {1.49F, 1},
                                         {1.5F, 2},  {2.99F, 2},   {3.F, 4},   {47.9F, 32},
                                         {48.F, 64}, {1000.F, 64}, {-6.F, -8}, {-5.9F, -4}};
  for (const auto& [value, q] : cases) EXPECT_EQ(quantize(value, 1, grid), q) << value;
}

TEST(Shapes, follow_kernel_stride_padding_and_dilation) {
  Graph graph = one_conv({3, 10, 9}, {4, 3, 3, 3});
  graph.nodes[0].window = {3, 3, 2, 1, 1, 2, 1, 0, 0, 1};
  infer_shapes(graph);
  EXPECT_THAT(graph.shapes.at("y"), ElementsAre(4, 5, 6));  // (10+1-3)/2+1, (9+1-5)/1+1
  EXPECT_EQ(mac_count(graph), 4 * 5 * 6 * 27);
}

TEST(Shapes, count_the_multiplications_of_grouped_and_fully_connected_layers) {
  Graph graph = one_conv({6, 4, 4}, {6, 1, 3, 3});
  graph.nodes[0].groups = 6;
  graph.output = "z";
  graph.weights["m"] = {{10, 24}, std::vector<float>(240)};
  Node flatten;
  flatten.name = "flatten";
  flatten.op = Op::kFlatten;
  flatten.inputs = {"y"};
  flatten.output = "f";
  Node gemm;
  gemm.name = "gemm";
  gemm.op = Op::kGemm;
  gemm.inputs = {"f", "m"};
  gemm.output = "z";
  graph.nodes.push_back(flatten);
  graph.nodes.push_back(gemm);
  infer_shapes(graph);
  EXPECT_EQ(mac_count(graph), 6 * 2 * 2 * 9 + 240);
}

TEST(Shapes, a_conflict_names_the_node_and_both_shapes) {
  EXPECT_THAT(error_of(one_conv({3, 8, 8}, {4, 5, 3, 3})),
              testing::AllOf(HasSubstr("'conv' (Conv)"), HasSubstr("{4, 5, 3, 3}"),
                             HasSubstr("{3, 8, 8}")));
  EXPECT_THAT(error_of(one_conv({3, 2, 2}, {4, 3, 3, 3})), HasSubstr("window spans 3"));
}

TEST(Shapes, huge_zero_and_negative_dimensions_are_refused) {
  EXPECT_THAT(error_of(one_conv({3, int64_t{1} << 40, int64_t{1} << 40}, {4, 3, 1, 1})),
              HasSubstr("exceeds"));
  EXPECT_THAT(error_of(one_conv({3, 0, 8}, {4, 3, 1, 1})), HasSubstr("below 1"));
  EXPECT_THAT(error_of(one_conv({3, -5, 8}, {4, 3, 1, 1})), HasSubstr("below 1"));
  EXPECT_THROW(element_count({int64_t{1} << 40, int64_t{1} << 40}), std::runtime_error);
}

TEST(Shapes, a_missing_input_or_weight_is_named) {
  Graph graph = one_conv({3, 8, 8}, {4, 3, 3, 3});
  graph.nodes[0].inputs[0] = "ghost";
  EXPECT_THAT(error_of(graph), HasSubstr("'ghost'"));
  graph = one_conv({3, 8, 8}, {4, 3, 3, 3});
  graph.weights.clear();
  EXPECT_THAT(error_of(graph), HasSubstr("weights 'w' are missing"));
  graph = one_conv({3, 8, 8}, {4, 3, 3, 3});
  graph.weights["w"].data.pop_back();
  EXPECT_THAT(error_of(graph), HasSubstr("107 values"));
}

TEST(Grids, of_impossible_parameters_are_refused) {
  const auto error = [](const Quantization& grid) {
    try {
      check_quantization(grid, 1, "t");
    } catch (const std::runtime_error& e) {
      return std::string(e.what());
    }
    return std::string("no error");
  };
  EXPECT_EQ(error({8, true, {1}, WeightCode::kTwosComplement}), "no error");
  EXPECT_THAT(error({17, true, {1}, WeightCode::kTwosComplement}), HasSubstr("2..16"));
  EXPECT_THAT(error({8, true, {0}, WeightCode::kTwosComplement}), HasSubstr("positive"));
  EXPECT_THAT(error({8, true, {NAN}, WeightCode::kTwosComplement}), HasSubstr("positive"));
  EXPECT_THAT(error({8, true, {1, 1}, WeightCode::kTwosComplement}), HasSubstr("2 scales"));
  EXPECT_THAT(error({8, true, {1}, WeightCode::kPowerOfTwo}), HasSubstr("power-of-two"));
}

}  // namespace
