#include "deploy/fusion.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "unit/deploy/naive_chip.hpp"
#include "unit/deploy/network_builder.hpp"

// Which layers share a pass of the chip.

namespace tessera::deploy {
namespace {

using graph::IntegerOp;
using test::NetworkBuilder;
using testing::HasSubstr;

/// A 1x1 convolution that hands its `channels` inputs through.
void expect_identity(const FusedLayer& group, int64_t channels) {
  const graph::IntegerLayer& conv = group.convolution;
  ASSERT_EQ(conv.weights.size(), static_cast<size_t>(channels * channels / conv.groups));
  EXPECT_EQ(conv.window.kernel_h * conv.window.kernel_w, 1);
  for (size_t k = 0; k < static_cast<size_t>(channels); ++k) {
    EXPECT_EQ(conv.bias[k], 0);
    EXPECT_EQ(conv.rescale[k].multiplier, 1);
    EXPECT_EQ(conv.rescale[k].shift, 0);
  }
}

TEST(Fusion, an_addition_joins_the_convolution_that_runs_last) {
  NetworkBuilder b(8, 4, 4);
  const int first = b.conv(0, 8);
  const int second = b.conv(first, 8, 3);
  const int sum = b.add(first, second);
  const auto groups = fuse(b.net);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_FALSE(groups[0].add);
  ASSERT_TRUE(groups[1].add);
  EXPECT_EQ(groups[1].own_operand, 1);
  EXPECT_EQ(groups[1].residual, first);
  EXPECT_EQ(groups[1].input, first);
  EXPECT_EQ(groups[1].output, sum);
}

TEST(Fusion, an_addition_of_two_convolutions_joins_the_second_whichever_operand_it_is) {
  NetworkBuilder b(8, 4, 4);
  const int left = b.conv(0, 8);
  const int right = b.conv(0, 8);
  b.add(right, left);
  const auto groups = fuse(b.net);
  ASSERT_EQ(groups.size(), 2U);
  ASSERT_TRUE(groups[1].add);
  EXPECT_EQ(groups[1].own_operand, 0);
  EXPECT_EQ(groups[1].residual, left);
}

TEST(Fusion, a_pool_joins_a_convolution_and_an_addition_before_it) {
  NetworkBuilder b(8, 4, 4);
  const int first = b.conv(0, 8);
  const int sum = b.add(b.conv(first, 8), first);
  const int pooled = b.pool(sum, IntegerOp::kMaxPool, 2, 2);
  const auto groups = fuse(b.net);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_TRUE(groups[1].add);
  ASSERT_TRUE(groups[1].pool);
  EXPECT_EQ(groups[1].output, pooled);
}

TEST(Fusion, a_pool_that_is_split_off_follows_an_identity_and_changes_no_value) {
  for (const IntegerOp op : {IntegerOp::kMaxPool, IntegerOp::kAveragePool}) {
    NetworkBuilder b(8, 4, 4);
    const int first = b.conv(0, 8);
    const int sum = b.add(b.conv(first, 8), first);
    const int pooled = b.pool(sum, op, 2, 2);
    const auto groups = fuse(b.net);
    const auto [without, pool] = split_pool(b.net, groups.back());
    EXPECT_TRUE(without.add);
    EXPECT_FALSE(without.pool);
    EXPECT_FALSE(without.inserted);
    EXPECT_EQ(without.output, sum);
    EXPECT_TRUE(pool.inserted);
    EXPECT_EQ(pool.input, sum);
    EXPECT_EQ(pool.output, pooled);
    expect_identity(pool, 8);
    const auto input = test::some_input(b.net);
    const auto fused = test::run_groups(b.net, groups, input);
    const auto split = test::run_groups(b.net, {groups[0], without, pool}, input);
    EXPECT_EQ(split[static_cast<size_t>(pooled)], fused[static_cast<size_t>(pooled)]);
  }
}

TEST(Fusion, an_addition_of_a_tensor_with_itself_follows_an_identity) {
  NetworkBuilder b(8, 4, 4);
  const int x = b.conv(0, 8);
  b.add(x, x);
  const auto groups = fuse(b.net);
  ASSERT_EQ(groups.size(), 2U);
  expect_identity(groups[1], 8);
  EXPECT_EQ(groups[1].input, x);
  EXPECT_EQ(groups[1].residual, x);
}

TEST(Fusion, a_pool_of_a_map_that_is_read_twice_follows_an_identity) {
  NetworkBuilder b(8, 4, 4);
  const int x = b.conv(0, 8);
  const int pooled = b.pool(x, IntegerOp::kAveragePool, 2, 2);
  b.conv(x, 4);
  const auto groups = fuse(b.net);
  ASSERT_EQ(groups.size(), 3U);
  EXPECT_FALSE(groups[0].pool);
  expect_identity(groups[1], 8);
  EXPECT_TRUE(groups[1].pool);
  EXPECT_EQ(groups[1].input, x);
  EXPECT_EQ(groups[1].output, pooled);
}

TEST(Fusion, a_pool_of_the_input_and_one_after_a_pool_follow_identities) {
  NetworkBuilder b(8, 8, 8);
  b.pool(b.pool(0, IntegerOp::kMaxPool, 2, 2), IntegerOp::kAveragePool, 2, 2);
  const auto groups = fuse(b.net);
  ASSERT_EQ(groups.size(), 2U);
  for (const auto& group : groups) {
    expect_identity(group, 8);
    EXPECT_TRUE(group.pool);
  }
}

TEST(Fusion, a_map_that_is_the_networks_output_is_not_swallowed) {
  NetworkBuilder b(8, 4, 4);
  const int x = b.conv(0, 8);
  b.pool(x, IntegerOp::kMaxPool, 2, 2);
  b.net.output = x;
  const auto groups = fuse(b.net);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].output, x);
}

TEST(Fusion, padding_of_a_pool_moves_to_an_identity_convolution) {
  for (const IntegerOp op : {IntegerOp::kMaxPool, IntegerOp::kAveragePool}) {
    NetworkBuilder b(8, 5, 5);
    b.pool(b.conv(0, 8), op, 3, 2, 1);
    const auto groups = fuse(b.net);
    ASSERT_EQ(groups.size(), 2U);
    expect_identity(groups[1], 8);
    const graph::Window& c = groups[1].convolution.window;
    EXPECT_EQ(c.pad_top + c.pad_left + c.pad_bottom + c.pad_right, 4);
    const graph::Window& p = groups[1].pool->window;
    EXPECT_EQ(p.pad_top + p.pad_left + p.pad_bottom + p.pad_right, 0);
  }
}

std::string message_of(graph::IntegerNetwork net) {
  try {
    fuse(net);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Fusion, maximum_pooling_of_a_signed_map_with_padding_is_refused_by_name) {
  NetworkBuilder b(8, 5, 5, 8, true);
  b.pool(b.conv(0, 8), IntegerOp::kMaxPool, 3, 2, 1);
  EXPECT_THAT(message_of(b.net), HasSubstr("layer pool1: "));
  EXPECT_THAT(message_of(b.net), HasSubstr("unsigned"));
}

TEST(Fusion, pooling_with_gaps_in_its_window_is_refused_by_name) {
  NetworkBuilder b(8, 5, 5);
  b.pool(b.conv(0, 8), IntegerOp::kMaxPool, 2, 1);
  b.last_layer().window.dilation_h = 2;
  b.net.tensors.back().height = 3;
  EXPECT_THAT(message_of(b.net), HasSubstr("layer pool1: "));
  EXPECT_THAT(message_of(b.net), HasSubstr("dilat"));
}

TEST(Fusion, operands_of_a_concatenation_that_nobody_else_reads_are_written_in_place) {
  NetworkBuilder b(8, 4, 4);
  const int x = b.conv(0, 8);
  const int left = b.conv(x, 3);
  const int right = b.conv(x, 5);
  const int both = b.concat({left, right});
  const size_t tensors = b.net.tensors.size();
  const auto groups = fuse(b.net);
  EXPECT_EQ(groups.size(), 3U);
  EXPECT_EQ(b.net.tensors.size(), tensors);
  const auto slices = concat_slices(b.net);
  ASSERT_EQ(slices.size(), 2U);
  EXPECT_EQ(slices[0].tensor, left);
  EXPECT_EQ(slices[0].channel, 0);
  EXPECT_EQ(slices[1].tensor, right);
  EXPECT_EQ(slices[1].channel, 3);
  EXPECT_EQ(slices[1].target, both);
}

TEST(Fusion, operands_that_others_read_and_repeated_ones_are_copied) {
  NetworkBuilder b(8, 4, 4);
  const int x = b.conv(0, 8);
  const int left = b.conv(x, 8);
  b.concat({left, x, x});
  const size_t tensors = b.net.tensors.size();
  const auto groups = fuse(b.net);
  ASSERT_EQ(groups.size(), 4U);
  EXPECT_EQ(b.net.tensors.size(), tensors + 2);
  const auto slices = concat_slices(b.net);
  ASSERT_EQ(slices.size(), 3U);
  EXPECT_EQ(slices[0].tensor, left);
  EXPECT_NE(slices[1].tensor, x);
  EXPECT_NE(slices[2].tensor, x);
  EXPECT_NE(slices[1].tensor, slices[2].tensor);
}

TEST(Fusion, operands_of_another_format_than_their_concatenation_are_refused) {
  NetworkBuilder b(8, 4, 4);
  const int left = b.conv(0, 8);
  const int right = b.conv(0, 8);
  b.concat({left, right});
  b.net.tensors[static_cast<size_t>(right)].bits = 4;
  EXPECT_THAT(message_of(b.net), HasSubstr("layer concat2: operand conv1"));
}

TEST(Fusion, operands_that_would_start_inside_a_byte_are_refused) {
  NetworkBuilder b(8, 4, 4, 4);
  b.concat({b.conv(0, 3), b.conv(0, 8)});
  EXPECT_THAT(message_of(b.net), HasSubstr("layer concat2: operand conv1"));
  EXPECT_THAT(message_of(b.net), HasSubstr("whole byte"));
}

}  // namespace
}  // namespace tessera::deploy
