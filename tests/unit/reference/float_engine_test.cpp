#include "reference/float_engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace {

using namespace tessera::graph;
using tessera::reference::FloatEngine;
using testing::ElementsAre;
using testing::FloatNear;
using testing::Pointwise;

/// A graph of one node from x to y.
Graph single(Op op, const Shape& x) {
  Graph graph;
  graph.input = "x";
  graph.output = "y";
  graph.shapes["x"] = x;
  Node node;
  node.name = "node";
  node.op = op;
  node.inputs = {"x"};
  node.output = "y";
  graph.nodes = {node};
  return graph;
}

std::vector<float> run(const Graph& graph, const std::vector<float>& x) {
  return FloatEngine(graph).run(x);
}

std::vector<float> count_up(size_t n) {
  std::vector<float> values;
  for (size_t i = 0; i < n; ++i) values.push_back(static_cast<float>(i + 1));
  return values;
}

TEST(FloatEngine, convolves_with_stride_padding_and_bias) {
  Graph graph = single(Op::kConv, {1, 3, 3});
  graph.nodes[0].inputs = {"x", "w", "b"};
  graph.nodes[0].window = {2, 2, 2, 2, 1, 1, 1, 1, 0, 0};
  graph.weights["w"] = {{1, 1, 2, 2}, {1, 10, 100, 1000}};
  graph.weights["b"] = {{1}, {0.5F}};
  // windows of the map padded above and to the left: {0 0 / 0 1}, {0 0 / 2 3}, {0 4 / 0 7}, {5 6 /
  // 8 9}
  EXPECT_THAT(run(graph, count_up(9)), ElementsAre(1000.5F, 3200.5F, 7040.5F, 9865.5F));
}

TEST(FloatEngine, convolves_groups_apart_and_dilated) {
  Graph graph = single(Op::kConv, {2, 1, 3});
  graph.nodes[0].inputs = {"x", "w"};
  graph.nodes[0].groups = 2;
  graph.nodes[0].window.kernel_w = 2;
  graph.nodes[0].window.dilation_w = 2;
  graph.weights["w"] = {{2, 1, 1, 2}, {1, 10, 100, 1000}};
  EXPECT_THAT(run(graph, count_up(6)), ElementsAre(31, 6400));
}

TEST(FloatEngine, equals_a_plain_loop_on_a_convolution_of_several_blocks) {
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  Graph graph = single(Op::kConv, {16, 40, 37});
  graph.nodes[0].inputs = {"x", "w"};
  graph.nodes[0].window = {3, 3, 1, 1, 1, 1, 1, 1, 1, 1};
  Tensor w{{5, 16, 3, 3}, {}};
  for (int i = 0; i < 5 * 16 * 9; ++i) w.data.push_back(normal(random));
  std::vector<float> x;
  for (int i = 0; i < 16 * 40 * 37; ++i) x.push_back(normal(random));
  std::vector<float> expected;
  for (int k = 0; k < 5; ++k) {
    for (int oy = 0; oy < 40; ++oy) {
      for (int ox = 0; ox < 37; ++ox) {
        double sum = 0;
        for (int c = 0; c < 16; ++c) {
          for (int i = 0; i < 9; ++i) {
            const int iy = oy + i / 3 - 1, ix = ox + i % 3 - 1;
            if (iy < 0 || iy >= 40 || ix < 0 || ix >= 37) continue;
            sum += double{x[static_cast<size_t>((c * 40 + iy) * 37 + ix)]} *
                   double{w.data[static_cast<size_t>((k * 16 + c) * 9 + i)]};
          }
        }
        expected.push_back(static_cast<float>(sum));
      }
    }
  }
  graph.weights["w"] = w;
  EXPECT_THAT(run(graph, x), Pointwise(FloatNear(1e-4F), expected));
}

TEST(FloatEngine, multiplies_matrix_and_vector) {
  Graph graph = single(Op::kGemm, {3});
  graph.nodes[0].inputs = {"x", "w", "b"};
  graph.weights["w"] = {{2, 3}, {1, 2, 3, 4, 5, 6}};
  graph.weights["b"] = {{2}, {100, 200}};
  EXPECT_THAT(run(graph, {1, 10, 100}), ElementsAre(421, 854));
}

TEST(FloatEngine, scales_and_shifts_channels) {
  Graph graph = single(Op::kBatchNorm, {2, 1, 2});
  graph.nodes[0].inputs = {"x", "s", "b"};
  graph.weights["s"] = {{2}, {2, -1}};
  graph.weights["b"] = {{2}, {10, 20}};
  EXPECT_THAT(run(graph, {1, 2, 3, 4}), ElementsAre(12, 14, 17, 16));
}

TEST(FloatEngine, clamps) {
  EXPECT_THAT(run(single(Op::kRelu, {3}), {-1, 0, 2}), ElementsAre(0, 0, 2));
  Graph graph = single(Op::kClip, {3});
  graph.nodes[0].clip_low = -2;
  graph.nodes[0].clip_high = 6;
  EXPECT_THAT(run(graph, {-3, 1, 7}), ElementsAre(-2, 1, 6));
}

TEST(FloatEngine, padding_never_wins_a_maximum) {
  Graph graph = single(Op::kMaxPool, {1, 2, 2});
  graph.nodes[0].window = {2, 2, 1, 1, 1, 1, 1, 1, 1, 1};
  EXPECT_THAT(run(graph, {-4, -3, -2, -1}), ElementsAre(-4, -3, -3, -2, -1, -1, -2, -1, -1));
}

TEST(FloatEngine, averages_count_padding_only_if_told_to) {
  Graph graph = single(Op::kAveragePool, {1, 2, 2});
  graph.nodes[0].window = {2, 2, 2, 2, 1, 1, 1, 1, 1, 1};
  EXPECT_THAT(run(graph, {4, 8, 12, 16}), ElementsAre(4, 8, 12, 16));
  graph.nodes[0].count_include_pad = true;
  EXPECT_THAT(run(graph, {4, 8, 12, 16}), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(run(single(Op::kGlobalAveragePool, {2, 1, 2}), {1, 2, 3, 5}), ElementsAre(1.5F, 4));
}

TEST(FloatEngine, adds_and_concatenates) {
  Graph graph = single(Op::kAdd, {2, 1, 1});
  graph.nodes[0].inputs = {"x", "x"};
  EXPECT_THAT(run(graph, {1, 2}), ElementsAre(2, 4));
  graph.nodes[0].op = Op::kConcat;
  graph.nodes[0].inputs = {"x", "x", "x"};
  EXPECT_THAT(run(graph, {1, 2}), ElementsAre(1, 2, 1, 2, 1, 2));
}

TEST(FloatEngine, subsamples_and_pads_channels) {
  Graph graph = single(Op::kSubsample, {1, 3, 3});
  graph.nodes[0].window.stride_h = graph.nodes[0].window.stride_w = 2;
  EXPECT_THAT(run(graph, count_up(9)), ElementsAre(1, 3, 7, 9));
  graph = single(Op::kPadChannels, {1, 1, 2});
  graph.nodes[0].pad_before = 1;
  graph.nodes[0].pad_after = 2;
  EXPECT_THAT(run(graph, {5, 6}), ElementsAre(0, 0, 5, 6, 0, 0, 0, 0));
}

TEST(FloatEngine, normalises_over_neighbouring_channels) {
  Graph graph = single(Op::kLrn, {3, 1, 1});
  graph.nodes[0].lrn_size = 2;  // the channel itself and the one after it
  graph.nodes[0].lrn_alpha = 2;
  graph.nodes[0].lrn_beta = 1;
  graph.nodes[0].lrn_bias = 1;
  EXPECT_THAT(run(graph, {1, 2, 3}), ElementsAre(1 / 6.F, 2 / 14.F, 3 / 10.F));
}

TEST(FloatEngine, softmax_sums_to_one_however_large_the_logits) {
  const std::vector<float> y = run(single(Op::kSoftmax, {2}), {1000, 1000 + std::log(3.F)});
  EXPECT_NEAR(y[0], 0.25, 1e-4);
  EXPECT_NEAR(y[1], 0.75, 1e-4);
}

TEST(FloatEngine, rounds_weights_and_activations_that_have_a_grid) {
  Graph graph = single(Op::kGemm, {2});
  graph.nodes[0].inputs = {"x", "w"};
  graph.weights["w"] = {{1, 2}, {0.9F, 2.2F}};
  EXPECT_THAT(run(graph, {1.2F, 1}), ElementsAre(FloatNear(3.28F, 1e-5F)));
  graph.quantizations["w"] = {4, true, {1}, WeightCode::kTwosComplement};
  EXPECT_THAT(run(graph, {1.2F, 1}), ElementsAre(FloatNear(3.2F, 1e-5F)));
  graph.quantizations["x"] = {8, true, {0.5F}, WeightCode::kTwosComplement};
  EXPECT_THAT(run(graph, {1.2F, 1}), ElementsAre(3));
  graph.quantizations["y"] = {2, true, {1}, WeightCode::kTwosComplement};
  EXPECT_THAT(run(graph, {1.2F, 1}), ElementsAre(1));
}

TEST(FloatEngine, shows_every_tensor_to_the_observer_as_its_readers_see_it) {
  Graph graph = single(Op::kRelu, {2});
  graph.quantizations["x"] = {8, true, {0.5F}, WeightCode::kTwosComplement};
  std::map<std::string, std::vector<float>> seen;
  FloatEngine(graph).run(
      {1.2F, -3},
      [&](const std::string& name, const std::vector<float>& values) { seen[name] = values; });
  EXPECT_THAT(seen.at("x"), ElementsAre(1, -3));
  EXPECT_THAT(seen.at("y"), ElementsAre(1, 0));
}

TEST(FloatEngine, a_batch_on_several_threads_equals_image_by_image) {
  Graph graph = single(Op::kRelu, {2});
  const FloatEngine engine(graph);
  std::vector<std::vector<float>> inputs;
  for (int i = 0; i < 100; ++i) inputs.push_back({static_cast<float>(i), static_cast<float>(-i)});
  const auto outputs = engine.run_batch(inputs, 3);
  for (size_t i = 0; i < inputs.size(); ++i) EXPECT_EQ(outputs[i], engine.run(inputs[i]));
  inputs[50] = {1};
  EXPECT_THROW(engine.run_batch(inputs, 3), std::runtime_error);
}

TEST(Normalize, follows_mean_and_standard_deviation_of_the_channel) {
  Graph graph = single(Op::kRelu, {2, 1, 1});
  graph.normalization = {{0.5F, 0.F}, {0.25F, 0.5F}};
  const uint8_t bytes[] = {255, 51};
  EXPECT_THAT(tessera::reference::normalize(graph, bytes), ElementsAre(2, FloatNear(0.4F, 1e-6F)));
}

}  // namespace
