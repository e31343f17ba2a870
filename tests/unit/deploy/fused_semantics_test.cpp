#include <gtest/gtest.h>

#include "deploy/fusion.hpp"
#include "fuzz/network/random_graph.hpp"
#include "reference/integer_engine.hpp"
#include "unit/deploy/naive_chip.hpp"
#include "unit/deploy/network_builder.hpp"

// What the fused layers compute, against the network they came from.

namespace tessera::deploy {
namespace {

using graph::IntegerOp;
using test::NetworkBuilder;

/// Every tensor that a group writes, not only the last.
void expect_same_results(const graph::IntegerNetwork& original, const std::vector<int32_t>& input) {
  const auto expected = reference::IntegerEngine(original).trace(input);
  graph::IntegerNetwork net = original;
  const auto groups = fuse(net);
  const auto got = test::run_groups(net, groups, input);
  for (size_t t = 0; t < original.tensors.size(); ++t) {
    if (got[t].empty()) continue;
    ASSERT_EQ(got[t], expected.tensors[t]) << "tensor " << original.tensors[t].name;
  }
  ASSERT_FALSE(got[static_cast<size_t>(net.output)].empty()) << "nobody writes the output";
}

void expect_same_results(const graph::IntegerNetwork& net) {
  expect_same_results(net, test::some_input(net));
}

TEST(FusedSemantics, residual_blocks_with_pools_keep_their_values) {
  NetworkBuilder b(8, 6, 6);
  const int stem = b.conv(0, 8, 3);
  const int left = b.conv(stem, 8, 3);
  const int sum = b.add(left, stem);
  const int pooled = b.pool(sum, IntegerOp::kAveragePool, 2, 2);
  b.add(b.conv(pooled, 8), b.conv(pooled, 8, 3));
  expect_same_results(b.net);
}

TEST(FusedSemantics, additions_and_pools_without_a_convolution_of_their_own_keep_their_values) {
  NetworkBuilder b(8, 6, 6);
  const int pooled = b.pool(0, IntegerOp::kMaxPool, 3, 1, 1);
  const int sum = b.add(pooled, 0);
  b.pool(b.add(sum, sum), IntegerOp::kAveragePool, 3, 2, 1);
  expect_same_results(b.net);
}

TEST(FusedSemantics, an_average_pool_of_a_signed_map_counts_its_padding_as_zeros) {
  NetworkBuilder b(4, 5, 5, 8, true);
  b.pool(b.conv(0, 4), IntegerOp::kAveragePool, 3, 2, 1);
  expect_same_results(b.net);
}

TEST(FusedSemantics, an_addition_waits_for_a_concatenation_that_is_complete_later) {
  NetworkBuilder b(8, 4, 4);
  const int early = b.conv(0, 8);
  const int late = b.concat({b.conv(0, 4), b.conv(0, 4)});
  b.add(early, late);
  expect_same_results(b.net);
}

TEST(FusedSemantics, an_addition_of_two_concatenations_keeps_its_values) {
  NetworkBuilder b(8, 4, 4);
  const int left = b.concat({b.conv(0, 4), b.conv(0, 4)});
  const int right = b.concat({b.conv(0, 6), b.conv(0, 2)});
  b.add(left, right);
  expect_same_results(b.net);
}

TEST(FusedSemantics, a_copy_for_a_concatenation_comes_before_its_readers) {
  for (const bool pool : {false, true}) {
    NetworkBuilder b(8, 4, 4);
    const int x = b.conv(0, 8);
    const int both = b.concat({b.conv(x, 8), x});
    const int read = b.conv(both, 8);
    // An identity of x that runs after the concatenation's reader.
    const int other = pool ? b.pool(x, IntegerOp::kMaxPool, 3, 1, 1) : b.add(x, read);
    b.add(other, read);
    expect_same_results(b.net);
  }
}

TEST(FusedSemantics, concatenations_of_concatenations_and_of_the_input_keep_their_values) {
  NetworkBuilder b(8, 4, 4);
  const int inner = b.concat({0, b.conv(0, 8)});
  const int outer = b.concat({inner, b.conv(inner, 8), 0});
  b.conv(outer, 8);
  expect_same_results(b.net);
}

TEST(FusedSemantics, a_concatenation_can_be_the_networks_output) {
  NetworkBuilder b(8, 4, 4);
  const int x = b.conv(0, 8);
  b.concat({x, b.conv(x, 8)});
  expect_same_results(b.net);
}

class FusedNetworks : public testing::TestWithParam<uint64_t> {};

TEST_P(FusedNetworks, compute_what_the_integer_reference_computes) {
  for (uint64_t seed = GetParam() * 100; seed < GetParam() * 100 + 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto net = graph::lower(fuzz::random_graph(seed));
    expect_same_results(net, test::some_input(net, seed));
    if (HasFatalFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, FusedNetworks, testing::Range<uint64_t>(0, 4));

}  // namespace
}  // namespace tessera::deploy
