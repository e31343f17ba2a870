#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>

#include "graph/integer_network.hpp"

namespace {

using namespace tessera::graph;
using testing::ElementsAre;
using testing::HasSubstr;

Quantization grid(int bits, bool is_signed, float scale) {
  return {bits, is_signed, {scale}, WeightCode::kTwosComplement};
}

Node node(const std::string& name, Op op, std::vector<std::string> inputs, const std::string& out) {
  Node n;
  n.name = name;
  n.op = op;
  n.inputs = std::move(inputs);
  n.output = out;
  return n;
}

/// x {2,1,1} on a grid -> 1x1 convolution with one output channel -> y.
Graph small_conv() {
  Graph graph;
  graph.input = "x";
  graph.output = "y";
  graph.shapes["x"] = {2, 1, 1};
  graph.weights["w"] = {{1, 2, 1, 1}, {0.5F, -0.25F}};
  graph.weights["b"] = {{1}, {0.375F}};
  graph.nodes = {node("conv", Op::kConv, {"x", "w", "b"}, "y")};
  graph.quantizations["x"] = grid(8, false, 0.5F);
  graph.quantizations["w"] = grid(4, true, 0.125F);
  graph.quantizations["y"] = grid(8, true, 0.25F);
  return graph;
}

std::string error_of(const Graph& graph) {
  try {
    lower(graph);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Rescale, is_a_pure_shift_for_powers_of_two) {
  for (int s = 0; s <= 47; ++s) {
    const Rescale r = make_rescale(std::ldexp(1.0, -s));
    EXPECT_EQ(r.multiplier, 1) << s;
    EXPECT_EQ(r.shift, s) << s;
  }
  EXPECT_EQ(make_rescale(4).multiplier, 32768);
  EXPECT_EQ(make_rescale(4).shift, 13);
}

TEST(Rescale, errs_by_less_than_one_part_in_65535_where_16_bits_can_be_used) {
  const unsigned seed = 1;
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  std::uniform_real_distribution<double> exponent(-31, 15.9);
  for (int i = 0; i < 100000; ++i) {
    const double factor = std::exp2(exponent(random));
    const Rescale r = make_rescale(factor);
    const double value = std::ldexp(static_cast<double>(r.multiplier), -int{r.shift});
    ASSERT_LE(std::abs(value - factor) / factor, 1.0 / 65535) << factor;
    ASSERT_TRUE(r.shift == 47 || r.multiplier == 1 || r.multiplier >= 32767) << factor;
  }
}

TEST(Rescale, refuses_factors_it_cannot_represent) {
  EXPECT_EQ(make_rescale(65535).multiplier, 65535);
  EXPECT_EQ(make_rescale(std::ldexp(1.0, -48)).multiplier, 1);
  for (const double factor : {65535.5, 0.0, -1.0, std::ldexp(1.0, -49), double{NAN}}) {
    EXPECT_THROW(make_rescale(factor), std::runtime_error) << factor;
  }
}

TEST(Lower, turns_scales_into_integers_multiplier_and_shift) {
  const IntegerNetwork network = lower(small_conv());
  ASSERT_EQ(network.layers.size(), 1U);
  const IntegerLayer& layer = network.layers[0];
  EXPECT_THAT(layer.weights, ElementsAre(4, -2));
  EXPECT_THAT(layer.bias, ElementsAre(6));    // 0.375 / (0.5 * 0.125)
  EXPECT_EQ(layer.rescale[0].multiplier, 1);  // 0.0625 / 0.25
  EXPECT_EQ(layer.rescale[0].shift, 2);
  EXPECT_EQ(layer.low, -128);
  EXPECT_EQ(layer.high, 127);
  EXPECT_EQ(layer.weight_bits, 4);
  EXPECT_EQ(network.tensors[0].bits, 8);
  EXPECT_FALSE(network.tensors[0].is_signed);
  EXPECT_EQ(network.input_high, 255);
}

TEST(Lower, stores_odd_widths_in_the_next_width_up_and_keeps_their_range) {
  Graph graph = small_conv();
  graph.quantizations["x"] = grid(3, false, 0.5F);
  graph.quantizations["w"] = grid(6, true, 0.125F);
  graph.quantizations["y"] = grid(11, true, 0.25F);
  const IntegerNetwork network = lower(graph);
  EXPECT_EQ(network.tensors[0].bits, 4);
  EXPECT_EQ(network.input_high, 7);
  EXPECT_EQ(network.layers[0].weight_bits, 8);
  EXPECT_EQ(network.tensors[1].bits, 16);
  EXPECT_EQ(network.layers[0].high, 1023);
}

TEST(Lower, joins_relu_and_clip_to_the_layer_before_them) {
  Graph graph = small_conv();
  graph.output = "r";
  graph.quantizations.erase("y");
  graph.nodes.push_back(node("relu", Op::kRelu, {"y"}, "r"));
  graph.quantizations["r"] = grid(8, true, 0.25F);
  IntegerNetwork network = lower(graph);
  ASSERT_EQ(network.layers.size(), 1U);
  EXPECT_EQ(network.layers[0].low, 0);
  EXPECT_EQ(network.layers[0].high, 127);
  graph.nodes[1].op = Op::kClip;
  graph.nodes[1].clip_high = 6;
  network = lower(graph);
  ASSERT_EQ(network.layers.size(), 1U);
  EXPECT_EQ(network.layers[0].high, 24);
}

TEST(Lower, keeps_two_roundings_apart_where_the_grid_changes_scale) {
  Graph graph = small_conv();
  graph.output = "r";
  graph.nodes.push_back(node("relu", Op::kRelu, {"y"}, "r"));
  graph.quantizations["r"] = grid(8, false, 0.3F);
  const IntegerNetwork network = lower(graph);
  ASSERT_EQ(network.layers.size(), 2U);
  EXPECT_EQ(network.layers[1].name, "relu");
  EXPECT_THAT(network.layers[1].weights, ElementsAre(1));
  EXPECT_EQ(network.layers[1].low, 0);
}

TEST(Lower, a_fully_connected_layer_behind_a_map_becomes_a_convolution_of_its_size) {
  Graph graph;
  graph.input = "x";
  graph.output = "p";
  graph.shapes["x"] = {2, 2, 3};
  graph.weights["w"] = {{4, 12}, std::vector<float>(48, 1)};
  graph.nodes = {node("flatten", Op::kFlatten, {"x"}, "f"), node("fc", Op::kGemm, {"f", "w"}, "y"),
                 node("softmax", Op::kSoftmax, {"y"}, "p")};
  graph.quantizations["x"] = grid(8, false, 1);
  graph.quantizations["w"] = grid(8, true, 1);
  graph.quantizations["y"] = grid(16, true, 1);
  const IntegerNetwork network = lower(graph);
  ASSERT_EQ(network.layers.size(), 1U);
  EXPECT_EQ(network.layers[0].window.kernel_h, 2);
  EXPECT_EQ(network.layers[0].window.kernel_w, 3);
  EXPECT_EQ(network.tensors[static_cast<size_t>(network.output)].channels, 4);
  EXPECT_THAT(network.layers[0].bias, ElementsAre(0, 0, 0, 0));
}

TEST(Lower, subsampling_and_channel_padding_become_one_convolution_of_zeros_and_ones) {
  Graph graph;
  graph.input = "x";
  graph.output = "p";
  graph.shapes["x"] = {2, 4, 4};
  graph.nodes = {node("sub", Op::kSubsample, {"x"}, "s"),
                 node("pad", Op::kPadChannels, {"s"}, "p")};
  graph.nodes[0].window.stride_h = graph.nodes[0].window.stride_w = 2;
  graph.nodes[1].pad_before = 1;
  graph.quantizations["x"] = grid(8, true, 0.1F);
  const IntegerNetwork network = lower(graph);
  ASSERT_EQ(network.layers.size(), 1U);
  EXPECT_THAT(network.layers[0].weights, ElementsAre(0, 0, 1, 0, 0, 1));
  EXPECT_EQ(network.layers[0].rescale[2].multiplier, 1);
  EXPECT_EQ(network.layers[0].rescale[2].shift, 0);
  EXPECT_EQ(network.layers[0].window.stride_h, 2);
}

TEST(Lower, gives_every_layer_a_seed_of_its_own_that_never_changes) {
  Graph graph = small_conv();
  graph.output = "z";
  graph.weights["v"] = {{1, 1, 1, 1}, {0.5F}};
  graph.quantizations["v"] = grid(4, true, 0.125F);
  graph.quantizations["z"] = grid(8, true, 0.25F);
  graph.nodes.push_back(node("conv2", Op::kConv, {"y", "v"}, "z"));
  graph.nodes[1].rounding = Rounding::kStochastic;
  const IntegerNetwork network = lower(graph);
  EXPECT_EQ(network.layers[0].rounding, Rounding::kHalfUp);
  EXPECT_EQ(network.layers[1].rounding, Rounding::kStochastic);
  EXPECT_NE(network.layers[0].seed, network.layers[1].seed);
  EXPECT_EQ(network.layers[1].seed, lower(graph).layers[1].seed);
}

TEST(Lower, an_addition_takes_the_largest_shift_that_16_bits_allow) {
  Graph graph;
  graph.input = "x";
  graph.output = "y";
  graph.shapes["x"] = {1, 1, 1};
  graph.nodes = {node("add", Op::kAdd, {"x", "x"}, "y")};
  graph.quantizations["x"] = grid(8, true, 1);
  graph.quantizations["y"] = grid(8, true, 3);
  const IntegerNetwork network = lower(graph);
  EXPECT_EQ(network.layers[0].add_multiplier[0], 43691);  // 2^17 / 3
  EXPECT_EQ(network.layers[0].add_multiplier[1], 43691);
  EXPECT_EQ(network.layers[0].add_shift, 17);
}

TEST(Lower, p4_weights_keep_their_powers_of_two) {
  Graph graph = small_conv();
  graph.quantizations["w"] = {4, true, {0.0078125F}, WeightCode::kPowerOfTwo};
  const IntegerNetwork network = lower(graph);
  EXPECT_TRUE(network.layers[0].p4);
  EXPECT_EQ(network.layers[0].weight_bits, 4);
  EXPECT_THAT(network.layers[0].weights, ElementsAre(64, -32));
}

TEST(Lower, says_which_tensor_is_on_no_grid) {
  Graph graph = small_conv();
  graph.quantizations.erase("y");
  EXPECT_THAT(error_of(graph), testing::AllOf(HasSubstr("'conv'"), HasSubstr("'y'")));
  graph = small_conv();
  graph.quantizations.erase("w");
  EXPECT_THAT(error_of(graph), HasSubstr("weights 'w' are on no integer grid"));
  graph = small_conv();
  graph.quantizations.erase("x");
  EXPECT_THAT(error_of(graph), HasSubstr("'x'"));
}

TEST(Lower, refuses_a_bias_that_32_bits_do_not_hold) {
  Graph graph = small_conv();
  graph.weights["b"].data[0] = 1e9F;
  EXPECT_THAT(error_of(graph), HasSubstr("bias of channel 0"));
}

TEST(Lower, refuses_what_the_chip_cannot_do) {
  Graph graph = small_conv();
  graph.output = "z";
  graph.weights["s"] = {{1}, {1}};
  graph.nodes.push_back(node("bn", Op::kBatchNorm, {"y", "s", "s"}, "z"));
  graph.quantizations["z"] = grid(8, true, 1);
  EXPECT_THAT(error_of(graph), HasSubstr("fold it"));
  graph.nodes[1] = node("lrn", Op::kLrn, {"y"}, "z");
  EXPECT_THAT(error_of(graph), AllOf(HasSubstr("'lrn' (LRN)"), HasSubstr("merge: {lrn: true}")));
  graph.nodes[1] = node("add", Op::kAdd, {"y", "y"}, "z");
  graph.nodes[1].rounding = Rounding::kStochastic;
  EXPECT_THAT(error_of(graph), HasSubstr("stochastically"));
  graph.nodes[1] = node("pool", Op::kMaxPool, {"y"}, "z");
  EXPECT_THAT(error_of(graph), HasSubstr("grid differs"));
  graph.nodes[1] = node("mean", Op::kAveragePool, {"y"}, "z");
  graph.nodes[1].window = {2, 2, 1, 1, 1, 1, 1, 1, 0, 0};
  EXPECT_THAT(error_of(graph), HasSubstr("count_include_pad"));
}

TEST(QuantizeInput, rounds_the_normalised_byte_half_up_and_clamps) {
  IntegerNetwork network;
  network.tensors = {{"x", 2, 1, 2, 8, true, 0.01}};
  network.input_low = -128;
  network.input_high = 127;
  network.normalization = {{0.5F, 0.F}, {0.25F, 1.F}};
  const uint8_t bytes[] = {0, 255, 0, 3};
  // (0 - .5) / .25 / .01 = -200; (1 - .5) / .25 / .01 = 200; 0; 3 / 255 / .01 = 1.18
  EXPECT_THAT(quantize_input(network, bytes), ElementsAre(-128, 127, 0, 1));
}

}  // namespace
