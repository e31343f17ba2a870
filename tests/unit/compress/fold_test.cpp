#include "compress/fold.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "unit/compress/tiny_problem.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Op;

std::vector<float> ramp(size_t count, float start) {
  std::vector<float> values(count);
  for (size_t i = 0; i < count; ++i) values[i] = start + 0.25F * static_cast<float>(i);
  return values;
}

void add_norm(Graph& net, const std::string& name, const std::string& input,
              const std::string& output, int64_t channels) {
  const auto count = static_cast<size_t>(channels);
  net.weights[name + ".scale"] = {{channels}, ramp(count, -0.5F)};
  net.weights[name + ".shift"] = {{channels}, ramp(count, 1.0F)};
  graph::Node node;
  node.name = name;
  node.op = Op::kBatchNorm;
  node.inputs = {input, name + ".scale", name + ".shift"};
  node.output = output;
  net.nodes.push_back(node);
}

int count_of(const Graph& net, Op op) {
  int count = 0;
  for (const graph::Node& node : net.nodes) count += node.op == op ? 1 : 0;
  return count;
}

void expect_same_function(const Graph& before, const Graph& after, size_t inputs) {
  for (unsigned seed = 0; seed < 4; ++seed) {
    const std::vector<float> image = random_values(inputs, seed);
    const std::vector<float> expected = run_float(before, image);
    const std::vector<float> got = run_float(after, image);
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_NEAR(got[i], expected[i], 1e-5 * (1 + std::fabs(expected[i])));
    }
  }
}

TEST(Fold, a_norm_after_a_convolution_moves_into_it) {
  for (const bool with_bias : {true, false}) {
    Graph net = one_conv_net({2, 5, 5}, 3, with_bias);
    add_norm(net, "norm", "conv_out", "y", 3);
    net.output = "y";
    graph::infer_shapes(net);
    Graph folded = net;
    fold_batch_norm(folded);
    EXPECT_EQ(count_of(folded, Op::kBatchNorm), 0);
    EXPECT_EQ(folded.nodes.size(), 1U);
    EXPECT_EQ(folded.weights.count("norm.scale"), 0U);
    expect_same_function(net, folded, 50);
  }
}

TEST(Fold, a_norm_that_shares_its_input_becomes_a_depthwise_convolution) {
  Graph net = one_conv_net({2, 5, 5}, 3, true);
  add_norm(net, "norm", "conv_out", "normed", 3);
  graph::Node add;
  add.name = "add";
  add.op = Op::kAdd;
  add.inputs = {"conv_out", "normed"};
  add.output = "y";
  net.nodes.push_back(add);
  net.output = "y";
  graph::infer_shapes(net);
  Graph folded = net;
  fold_batch_norm(folded);
  EXPECT_EQ(count_of(folded, Op::kBatchNorm), 0);
  EXPECT_EQ(folded.nodes.size(), 3U);
  EXPECT_EQ(folded.nodes[1].groups, 3);
  graph::infer_shapes(folded);
  expect_same_function(net, folded, 50);
}

TEST(Fold, two_norms_in_a_row_and_one_after_a_gemm_fold) {
  Graph net = one_conv_net({2, 1, 1}, 3, true);
  graph::Node flatten;
  flatten.name = "flatten";
  flatten.op = Op::kFlatten;
  flatten.inputs = {"conv_out"};
  flatten.output = "flat";
  net.nodes.push_back(flatten);
  graph::Node gemm;
  gemm.name = "fc";
  gemm.op = Op::kGemm;
  gemm.inputs = {"flat", "fc.weight"};
  gemm.output = "fc_out";
  net.weights["fc.weight"] = {{4, 3}, ramp(12, -1)};
  net.nodes.push_back(gemm);
  add_norm(net, "norm1", "fc_out", "n1", 4);
  add_norm(net, "norm2", "n1", "n2", 4);
  net.output = "n2";
  graph::infer_shapes(net);
  Graph folded = net;
  fold_batch_norm(folded);
  EXPECT_EQ(folded.nodes.size(), 3U);
  expect_same_function(net, folded, 2);
}

TEST(Fold, weights_that_two_layers_share_are_not_scaled_twice) {
  Graph net = one_conv_net({3, 4, 4}, 3, true);
  graph::Node second = net.nodes[0];
  second.name = "conv2";
  second.inputs[0] = "conv_out";
  second.output = "conv2_out";
  net.nodes.push_back(second);
  add_norm(net, "norm", "conv2_out", "y", 3);
  net.output = "y";
  graph::infer_shapes(net);
  Graph folded = net;
  fold_batch_norm(folded);
  expect_same_function(net, folded, 48);
}

TEST(Fold, a_norm_of_a_vector_without_a_layer_before_it_is_named) {
  Graph net;
  net.input = "x";
  net.shapes["x"] = {4};
  add_norm(net, "lonely", "x", "y", 4);
  net.output = "y";
  graph::infer_shapes(net);
  try {
    fold_batch_norm(net);
    FAIL() << "must be refused";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("node lonely"));
  }
}

}  // namespace
}  // namespace tessera::compress
