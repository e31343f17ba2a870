#include "compress/widths.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "compress/fold.hpp"
#include "compress/nets.hpp"
#include "unit/compress/tiny_problem.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Op;
using testing::ElementsAre;

Recipe recipe_of(const std::string& layers) {
  return parse_recipe(
      "name: t\nweights: {bits: 8}\nactivations: {bits: 6}\nlayers: [" + layers + "]\n", "r.yaml");
}

const ActivationGroup& group_with(const std::vector<ActivationGroup>& groups,
                                  const std::string& tensor) {
  for (const ActivationGroup& group : groups) {
    for (const std::string& placed : group.placed) {
      if (placed == tensor) return group;
    }
  }
  throw std::logic_error("no group carries its grid at " + tensor);
}

TEST(Widths, later_rules_win_and_selectors_pick_their_layers) {
  const Graph net = lenet5(1);
  const auto formats = layer_formats(
      net,
      recipe_of("{match: fc, weight_bits: 4}, {match: first, weight_bits: 16, activation_bits: 12},"
                "{match: last, weight_bits: 7}, {match: fc2, code: power-of-two}"));
  std::vector<int> bits, activations;
  for (const LayerFormat& format : formats) {
    bits.push_back(format.weight_bits);
    activations.push_back(format.activation_bits);
  }
  EXPECT_THAT(bits, ElementsAre(16, 8, 4, 4, 7));
  EXPECT_THAT(activations, ElementsAre(12, 6, 6, 6, 6));
  EXPECT_EQ(formats[3].code, graph::WeightCode::kPowerOfTwo);
  EXPECT_EQ(formats[2].code, graph::WeightCode::kTwosComplement);
}

TEST(Widths, a_rule_for_a_layer_that_is_not_there_names_line_and_layers) {
  try {
    layer_formats(lenet5(1), recipe_of("{match: conv9, weight_bits: 4}"));
    FAIL() << "must be refused";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::StartsWith("r.yaml:4: match conv9 names no layer"));
    EXPECT_THAT(error.what(), testing::HasSubstr("conv1, conv2, fc1, fc2, fc3"));
  }
}

TEST(Widths, lenet_has_one_grid_a_crossing) {
  Graph net = lenet5(1);
  net.normalization = {{0}, {0.35F}};
  const Recipe recipe = recipe_of("{match: conv2, activation_bits: 9}");
  const auto groups = activation_groups(net, recipe, layer_formats(net, recipe));
  ASSERT_EQ(groups.size(), 6U);
  EXPECT_FALSE(group_with(groups, "image").is_signed);
  const ActivationGroup& first = group_with(groups, "relu1_out");
  EXPECT_EQ(first.bits, 9);
  EXPECT_FALSE(first.is_signed);
  EXPECT_THAT(first.placed, ElementsAre("relu1_out"));
  EXPECT_THAT(first.observed, ElementsAre("pool1_out"));
  EXPECT_THAT(group_with(groups, "relu2_out").observed, ElementsAre("flatten_out"));
  const ActivationGroup& logits = group_with(groups, "logits");
  EXPECT_EQ(logits.bits, 16);
  EXPECT_TRUE(logits.is_signed);
}

TEST(Widths, logits_are_signed_even_behind_a_relu) {
  Graph net = one_conv_net({2, 4, 4}, 2, true);
  graph::Node relu;
  relu.name = "relu";
  relu.inputs = {"conv_out"};
  relu.output = net.output = "y";
  net.nodes.push_back(relu);
  graph::infer_shapes(net);
  const Recipe recipe = recipe_of("");
  const auto groups = activation_groups(net, recipe, layer_formats(net, recipe));
  EXPECT_TRUE(group_with(groups, "y").is_signed);
  EXPECT_EQ(group_with(groups, "y").bits, 16);
}

TEST(Widths, an_input_that_may_be_negative_is_signed) {
  Graph net = lenet5(1);
  net.normalization = {{0.28F}, {0.35F}};
  const Recipe recipe = recipe_of("");
  EXPECT_TRUE(
      group_with(activation_groups(net, recipe, layer_formats(net, recipe)), "image").is_signed);
}

TEST(Widths, additions_and_averages_have_grids_of_their_own) {
  Graph net = tiny_residual_net(1);
  net.normalization = {{0}, {1}};
  fold_batch_norm(net);
  const Recipe recipe =
      recipe_of("{match: fc1, activation_bits: 3}, {match: conv2, activation_bits: 11}");
  const auto groups = activation_groups(net, recipe, layer_formats(net, recipe));
  EXPECT_EQ(group_with(groups, "relu1_out").bits, 11);
  EXPECT_TRUE(group_with(groups, "conv2_out").is_signed);
  EXPECT_EQ(group_with(groups, "conv2_out").bits, 6) << "read by no layer: the general width";
  EXPECT_FALSE(group_with(groups, "relu2_out").is_signed);
  EXPECT_EQ(group_with(groups, "pool_out").bits, 3);
  EXPECT_THROW(group_with(groups, "add_out"), std::logic_error) << "the ReLU joins the addition";
  EXPECT_THROW(group_with(groups, "conv1_out"), std::logic_error);
}

TEST(Widths, what_a_concatenation_joins_shares_its_grid_unless_others_read_it) {
  Graph net = one_conv_net({2, 4, 4}, 2, true);
  const auto append = [&](Op op, const std::string& name, const std::vector<std::string>& inputs) {
    graph::Node node;
    node.name = name;
    node.op = op;
    node.inputs = inputs;
    node.output = name + "_out";
    net.nodes.push_back(node);
    net.output = node.output;
  };
  append(Op::kRelu, "relu_a", {"conv_out"});
  append(Op::kMaxPool, "pool", {"relu_a_out"});
  append(Op::kRelu, "relu_b", {"x"});
  append(Op::kConcat, "concat", {"pool_out", "relu_b_out"});
  append(Op::kAdd, "add", {"relu_b_out", "relu_b_out"});
  append(Op::kConcat, "concat2", {"concat_out", "add_out"});
  append(Op::kGlobalAveragePool, "mean", {"concat2_out"});
  graph::infer_shapes(net);
  const Recipe recipe = recipe_of("");
  const auto groups = activation_groups(net, recipe, layer_formats(net, recipe));
  const ActivationGroup& joined = group_with(groups, "concat_out");
  EXPECT_THAT(joined.placed, ElementsAre("concat_out", "concat2_out"));
  EXPECT_EQ(&group_with(groups, "concat2_out"), &joined);
  EXPECT_NE(&group_with(groups, "relu_b_out"), &joined);
  EXPECT_TRUE(group_with(groups, "x").is_signed);
  EXPECT_FALSE(joined.is_signed);
}

}  // namespace
}  // namespace tessera::compress
