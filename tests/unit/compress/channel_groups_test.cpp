#include "compress/channel_groups.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <stdexcept>

#include "compress/nets.hpp"
#include "compress/nets_builder.hpp"
#include "reference/float_engine.hpp"
#include "support/error_of.hpp"
#include "unit/compress/tiny_problem.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;
using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;

/// Small integers everywhere, so that float arithmetic is exact in any order.
Graph with_integer_weights(Graph net, unsigned seed) {
  std::mt19937 random(seed);
  for (auto& [name, tensor] : net.weights) {
    for (float& value : tensor.data) value = static_cast<float>(random() % 5) - 2;
  }
  return net;
}

std::vector<float> integer_image(const Graph& net, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> image(static_cast<size_t>(graph::element_count(net.shapes.at(net.input))));
  for (float& value : image) value = static_cast<float>(random() % 5) - 2;
  return image;
}

/// The definition: behind every node, the channels that go are multiplied by zero.
Graph with_zeroed_channels(const Graph& net, const ChannelMap& map,
                           const std::vector<bool>& removed) {
  Graph result = net;
  result.nodes.clear();
  std::map<std::string, std::string> masked;
  for (Node node : net.nodes) {
    for (std::string& input : node.inputs) {
      if (masked.count(input) != 0) input = masked.at(input);
    }
    const std::string plain = node.output;
    result.nodes.push_back(node);
    if (plain == net.output) continue;
    Node mask;
    mask.op = Op::kBatchNorm;
    mask.name = plain + "/mask";
    mask.inputs = {plain, plain + "/gain", plain + "/zero"};
    mask.output = plain + "/masked";
    graph::Tensor gain{{net.shapes.at(plain)[0]}, {}};
    for (const size_t group : map.group_of.at(plain)) gain.data.push_back(removed[group] ? 0 : 1);
    result.weights[mask.inputs[1]] = gain;
    for (float& value : gain.data) value = 0;
    result.weights[mask.inputs[2]] = gain;
    masked[plain] = mask.output;
    result.nodes.push_back(mask);
  }
  graph::infer_shapes(result);
  return result;
}

/// Removes random groups until nothing can go, and compares every smaller network with the zeroed
/// one.
void expect_removal_is_zeroing(const Graph& net, unsigned seed, double tolerance = 0) {
  SCOPED_TRACE(net.name + ", seed " + std::to_string(seed));
  std::mt19937 random(seed);
  const ChannelMap map = find_channel_groups(net);
  const std::vector<float> image = integer_image(net, seed + 1);
  int compared = 0;
  for (int trial = 0; trial < 12; ++trial) {
    std::vector<bool> removed(map.groups.size(), false);
    size_t count = 0;
    for (size_t i = 0; i < removed.size(); ++i) {
      if (map.groups[i].fixed || random() % 12 > static_cast<unsigned>(trial)) continue;
      removed[i] = true;
      ++count;
    }
    if (count == 0) continue;
    Graph smaller;
    try {
      smaller = remove_channels(net, map, removed);
    } catch (const std::runtime_error& error) {
      EXPECT_THAT(error.what(), HasSubstr("no channel"));
      continue;
    }
    size_t before = 0, after = 0;
    for (const auto& [name, tensor] : net.weights) before += tensor.data.size();
    for (const auto& [name, tensor] : smaller.weights) after += tensor.data.size();
    EXPECT_LT(after, before);
    const std::vector<float> expected = run_float(with_zeroed_channels(net, map, removed), image);
    const std::vector<float> actual = run_float(smaller, image);
    ASSERT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < actual.size(); ++i) {
      EXPECT_NEAR(actual[i], expected[i], tolerance) << i;
    }
    ++compared;
  }
  EXPECT_GT(compared, 2);
}

Graph residual_net() {
  NetBuilder net("residual", {2, 6, 6}, 1);
  net.conv_bn("conv1", 6, {3, 1, 1});
  net.relu("relu1");
  const std::string shortcut = net.last();
  net.conv_bn("conv2", 4, {3, 1, 1});
  net.relu("relu2");
  net.conv_bn("conv3", 6, {3, 1, 1});
  net.add("add", shortcut);
  net.relu("relu3");
  net.conv("conv4", 3, {1, 1, 0});
  net.global_average_pool("pool");
  net.flatten("flatten");
  net.gemm("fc", 3);
  return net.finish({{0}, {1}});
}

Graph padded_residual_net() {
  NetBuilder net("padded residual", {2, 8, 8}, 1);
  net.conv_bn("conv1", 4, {3, 1, 1});
  net.relu("relu1");
  const std::string before = net.last();
  net.padded_shortcut("shortcut", 8, 2);
  const std::string shortcut = net.last();
  net.from(before);
  net.conv_bn("conv2", 8, {3, 2, 1});
  net.add("add", shortcut);
  net.relu("relu2");
  net.flatten("flatten");
  net.gemm("fc", 3);
  Graph graph = net.finish({{0}, {1}});
  for (Node& node : graph.nodes) {
    if (node.op != Op::kPadChannels) continue;
    node.pad_before = 1;
    node.pad_after = 3;
  }
  return graph;
}

Graph concat_net() {
  NetBuilder net("concat", {3, 6, 6}, 1);
  net.conv("conv1", 5, {3, 1, 1});
  net.relu("relu1");
  const std::string shared = net.last();
  net.conv("left", 4, {1, 1, 0});
  const std::string left = net.last();
  net.from(shared);
  net.conv("right", 3, {3, 1, 1});
  net.concat("concat", {left, net.last(), shared});
  net.max_pool("pool", {2, 2, 0});
  net.conv("conv2", 4, {3, 1, 1});
  net.flatten("flatten");
  net.gemm("fc", 3);
  return net.finish({{0}, {1}});
}

Graph depthwise_net() {
  NetBuilder net("depthwise", {2, 6, 6}, 1);
  net.conv_bn("conv1", 6, {3, 1, 1});
  net.relu6("relu1");
  net.conv_bn("depthwise", 6, {3, 1, 1}, 6);
  net.relu6("relu2");
  net.conv_bn("doubling", 12, {3, 1, 1}, 6);
  net.conv_bn("pointwise", 5, {1, 1, 0});
  net.flatten("flatten");
  net.gemm("fc", 3);
  return net.finish({{0}, {1}});
}

Graph grouped_net() {
  NetBuilder net("grouped", {2, 6, 6}, 1);
  net.conv_bn("conv1", 8, {3, 1, 1});
  net.relu("relu1");
  net.conv_bn("grouped", 6, {3, 1, 1}, 2);
  net.relu("relu2");
  net.conv("conv2", 4, {1, 1, 0});
  net.flatten("flatten");
  net.gemm("fc", 3);
  return net.finish({{0}, {1}});
}

Graph flatten_net() {
  NetBuilder net("flatten", {2, 6, 6}, 1);
  net.conv("conv1", 5, {3, 1, 1});
  net.max_pool("pool", {2, 2, 0});
  net.flatten("flatten");
  net.gemm("fc1", 7);
  net.relu("relu");
  net.gemm("fc2", 3);
  return net.finish({{0}, {1}});
}

TEST(ChannelGroups, removing_channels_computes_what_zeroing_them_computes) {
  unsigned seed = 100;
  for (const Graph& net : {residual_net(), padded_residual_net(), concat_net(), depthwise_net(),
                           grouped_net(), flatten_net()}) {
    expect_removal_is_zeroing(with_integer_weights(net, seed), seed);
    seed += 10;
  }
}

TEST(ChannelGroups, networks_of_the_field_shrink_exactly_too) {
  for (const char* name : {"resnet20-cifar10", "mobilenet-v2-cifar10"}) {
    const Graph net = build_net(name, 1);
    const ChannelMap map = find_channel_groups(net);
    std::mt19937 random(5);
    std::vector<bool> removed;
    for (const ChannelGroup& group : map.groups) {
      removed.push_back(!group.fixed && random() % 2 == 0);
    }
    const std::vector<float> image = random_values(3 * 32 * 32, 3);
    const auto expected = run_float(with_zeroed_channels(net, map, removed), image);
    const auto actual = run_float(remove_channels(net, map, removed), image);
    for (size_t i = 0; i < actual.size(); ++i) EXPECT_NEAR(actual[i], expected[i], 1e-4) << name;
  }
}

TEST(ChannelGroups, an_addition_couples_both_sides) {
  const ChannelMap map = find_channel_groups(residual_net());
  const auto& shortcut = map.group_of.at("relu1_out");
  EXPECT_EQ(shortcut, map.group_of.at("add_out"));
  EXPECT_EQ(shortcut, map.group_of.at("conv3_out"));
  EXPECT_THAT(map.groups[shortcut[2]].layers, ElementsAre("conv1", "conv3"));
  EXPECT_NE(shortcut[0], shortcut[1]);
  EXPECT_THAT(map.groups[map.group_of.at("conv2_out")[0]].layers, ElementsAre("conv2"));
}

TEST(ChannelGroups, a_flattened_channel_is_all_of_its_pixels) {
  const ChannelMap map = find_channel_groups(flatten_net());
  const auto& pixels = map.group_of.at("flatten_out");
  ASSERT_EQ(pixels.size(), 45U);
  for (size_t i = 0; i < pixels.size(); ++i) {
    EXPECT_EQ(pixels[i], map.group_of.at("conv1_out")[i / 9]);
  }
}

TEST(ChannelGroups, input_logits_and_what_would_not_stay_zero_are_fixed) {
  Graph net = flatten_net();
  ChannelMap map = find_channel_groups(net);
  for (const size_t group : map.group_of.at(net.input)) EXPECT_TRUE(map.groups[group].fixed);
  for (const size_t group : map.group_of.at(net.output)) EXPECT_TRUE(map.groups[group].fixed);
  for (const size_t group : map.group_of.at("conv1_out")) EXPECT_FALSE(map.groups[group].fixed);
  Node& relu = net.nodes[4];
  ASSERT_EQ(relu.op, Op::kRelu);
  relu.op = Op::kClip;
  relu.clip_low = 1;
  relu.clip_high = 6;
  map = find_channel_groups(net);
  for (const size_t group : map.group_of.at("fc1_out")) EXPECT_TRUE(map.groups[group].fixed);
}

TEST(ChannelGroups, what_cannot_go_is_refused) {
  Graph net = flatten_net();
  const ChannelMap map = find_channel_groups(net);
  std::vector<bool> removed(map.groups.size(), false);
  removed[map.group_of.at(net.output)[0]] = true;
  EXPECT_THAT(error_of([&] { remove_channels(net, map, removed); }),
              HasSubstr("cannot be removed"));
  removed.assign(map.groups.size(), false);
  for (const size_t group : map.group_of.at("conv1_out")) removed[group] = true;
  EXPECT_THAT(error_of([&] { remove_channels(net, map, removed); }), HasSubstr("conv1"));
  net.quantizations["conv1.weight"] = {};
  EXPECT_THAT(error_of([&] { remove_channels(net, map, removed); }), HasSubstr("quantised"));
}

}  // namespace
}  // namespace tessera::compress
