#include "fuzz/network/random_graph.hpp"

#include <gtest/gtest.h>

#include <set>

#include "graph/integer_network.hpp"
#include "reference/integer_engine.hpp"

namespace tessera {
namespace {

using graph::IntegerOp;

constexpr uint64_t kSeeds = 120;

TEST(RandomGraph, the_same_seed_is_the_same_network) {
  for (uint64_t seed : {3U, 4U}) {
    const auto a = graph::lower(fuzz::random_graph(seed));
    const auto b = graph::lower(fuzz::random_graph(seed));
    ASSERT_EQ(a.layers.size(), b.layers.size());
    for (size_t i = 0; i < a.layers.size(); ++i)
      EXPECT_EQ(a.layers[i].weights, b.layers[i].weights);
  }
  EXPECT_NE(graph::lower(fuzz::random_graph(3)).layers.back().weights,
            graph::lower(fuzz::random_graph(4)).layers.back().weights);
}

TEST(RandomGraph, the_seeds_cover_every_operator_width_and_rounding) {
  std::set<IntegerOp> operators;
  std::set<int> activation_bits, weight_bits;
  int p4 = 0, stochastic = 0, grouped = 0, dilated = 0, padded_pools = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto net = graph::lower(fuzz::random_graph(seed));
    for (const auto& tensor : net.tensors) activation_bits.insert(tensor.bits);
    for (const auto& layer : net.layers) {
      operators.insert(layer.op);
      if (layer.op == IntegerOp::kMaxPool) padded_pools += layer.window.pad_top > 0 ? 1 : 0;
      if (layer.op != IntegerOp::kConv) continue;
      weight_bits.insert(layer.weight_bits);
      p4 += layer.p4 ? 1 : 0;
      stochastic += layer.rounding == graph::Rounding::kStochastic ? 1 : 0;
      grouped += layer.groups > 1 ? 1 : 0;
      dilated += layer.window.dilation_h > 1 ? 1 : 0;
    }
  }
  EXPECT_EQ(operators.size(), 5U);
  EXPECT_EQ(activation_bits, (std::set<int>{2, 4, 8, 16}));
  EXPECT_EQ(weight_bits, (std::set<int>{2, 4, 8, 16}));
  for (const int count : {p4, stochastic, grouped, dilated, padded_pools}) EXPECT_GT(count, 5);
}

TEST(RandomGraph, most_networks_answer_differently_to_different_images) {
  uint64_t lively = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    const auto graph = fuzz::random_graph(seed);
    const auto net = graph::lower(graph);
    const reference::IntegerEngine engine(net);
    fuzz::Random random(seed);
    const auto logits = [&] {
      return engine.run(graph::quantize_input(net, fuzz::random_image(graph, random).data()));
    };
    const auto first = logits();
    if (first != logits() || first != logits()) ++lively;
  }
  EXPECT_GT(lively, kSeeds * 3 / 4);
}

}  // namespace
}  // namespace tessera
