#include "fuzz/network/random_graph.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

#include "fuzz/network/describe.hpp"
#include "fuzz/network/shrink.hpp"
#include "graph/integer_network.hpp"
#include "reference/integer_engine.hpp"

namespace tessera::fuzz {
namespace {

constexpr uint64_t kSeeds = 500;  // those of network_fuzz_test

TEST(RandomGraph, the_same_seed_is_the_same_network) {
  EXPECT_EQ(describe(random_graph(3)), describe(random_graph(3)));
  EXPECT_NE(describe(random_graph(3)), describe(random_graph(4)));
  EXPECT_EQ(random_graph(5).weights.begin()->second.data,
            random_graph(5).weights.begin()->second.data);
}

/// What must occur among the seeds, each in at least this many networks.
TEST(RandomGraph, the_seeds_cover_every_operator_width_rounding_and_branch) {
  std::map<std::string, int> covered;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) {
    for (const auto& [feature, count] : features_of(random_graph(seed))) ++covered[feature];
  }
  for (const auto& [feature, count] : covered) std::printf("%4d %s\n", count, feature.c_str());
  std::vector<std::string> wanted{"depthwise",
                                  "grouped",
                                  "dilated",
                                  "stochastic",
                                  "read twice",
                                  "not square",
                                  "uneven strides",
                                  "without bias",
                                  "ends in a map",
                                  "ends in a vector",
                                  "weights p4",
                                  "Conv padded unevenly",
                                  "MaxPool padded unevenly",
                                  "AveragePool padded unevenly"};
  for (const char* op :
       {"Conv", "Gemm", "Relu", "Clip", "MaxPool", "AveragePool", "GlobalAveragePool", "Add",
        "Concat", "PadChannels", "Subsample", "Flatten", "Softmax"}) {
    wanted.push_back(std::string("op ") + op);
  }
  for (const int bits : {2, 3, 4, 5, 6, 7, 8, 9, 12, 16}) {
    wanted.push_back("activations " + std::to_string(bits) + " bit signed");
    wanted.push_back("activations " + std::to_string(bits) + " bit unsigned");
  }
  for (const int bits : {2, 3, 4, 5, 6, 7, 8, 12, 16}) {
    wanted.push_back("weights " + std::to_string(bits) + " bit signed");
  }
  for (const int side : {1, 2, 3, 4, 5}) {
    wanted.push_back("kernel " + std::to_string(side) + " high");
    wanted.push_back("kernel " + std::to_string(side) + " wide");
  }
  for (const std::string& feature : wanted) EXPECT_GE(covered[feature], 5) << feature;
}

/// Whether three random images give different logits; not if the network is refused.
bool is_lively(uint64_t seed) {
  const auto graph = random_graph(seed);
  graph::IntegerNetwork net;
  try {
    net = graph::lower(graph);
  } catch (const std::runtime_error&) {
    return false;
  }
  const reference::IntegerEngine engine(net);
  Random random(seed);
  const auto logits = [&] {
    return engine.run(graph::quantize_input(net, random_image(graph, random).data()));
  };
  const auto first = logits();
  return first != logits() || first != logits();
}

TEST(RandomGraph, most_networks_answer_differently_to_different_images) {
  uint64_t lively = 0;
  for (uint64_t seed = 0; seed < kSeeds; ++seed) lively += is_lively(seed) ? 1 : 0;
  std::printf("%llu of %llu networks\n", static_cast<unsigned long long>(lively),
              static_cast<unsigned long long>(kSeeds));
  EXPECT_GT(lively, kSeeds * 3 / 4);
}

TEST(Shrink, leaves_the_node_that_is_looked_for_and_a_valid_network) {
  const auto has_clip = [](const graph::Graph& graph) {
    return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                       [](const graph::Node& node) { return node.op == graph::Op::kClip; });
  };
  int shrunk = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    const graph::Graph graph = random_graph(seed);
    if (!has_clip(graph)) continue;
    const graph::Graph smallest = shrink(graph, has_clip);
    EXPECT_LE(smallest.nodes.size(), 2U) << describe(smallest);
    EXPECT_TRUE(has_clip(smallest));
    EXPECT_EQ(smallest.nodes.back().output, smallest.output);
    ++shrunk;
  }
  EXPECT_GT(shrunk, 5);
}

}  // namespace
}  // namespace tessera::fuzz
