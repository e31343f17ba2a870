#include "compress/prune.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "compress/compress.hpp"
#include "compress/logits_comparison.hpp"
#include "compress/nets_builder.hpp"
#include "compress/prune_target.hpp"
#include "graph/onnx_io.hpp"
#include "reference/float_engine.hpp"
#include "support/error_of.hpp"
#include "unit/compress/tiny_problem.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using testing::ElementsAre;
using testing::HasSubstr;

Graph two_conv_net(uint64_t seed) {
  NetBuilder net("two", {1, 8, 8}, seed);
  net.conv("conv1", 8, {3, 1, 1});
  net.relu("relu1");
  net.conv("conv2", 6, {3, 1, 1});
  net.relu("relu2");
  net.flatten("flatten");
  net.gemm("fc", 4);
  return net.finish({{0.3F}, {0.3F}});
}

/// Makes channel `copy` of conv1 `factor` times its channel `original`.
void make_copy(Graph& net, size_t copy, size_t original, float factor) {
  auto& weight = net.weights.at("conv1.weight").data;
  for (size_t i = 0; i < 9; ++i) weight[copy * 9 + i] = factor * weight[original * 9 + i];
  auto& bias = net.weights.at("conv1.bias").data;
  bias[copy] = factor * bias[original];
}

PruneOptions halving(Criterion criterion) {
  PruneOptions options;
  options.criterion = criterion;
  options.ratio = 0.5;
  options.images = 32;
  return options;
}

Graph prune(const Graph& net, const PruneOptions& options, int threads = 2) {
  return prune(net, options, "r.yaml", corner_images(64, 1), nullptr, threads, {});
}

double distance(const Graph& a, const Graph& b) {
  const data::Dataset set = corner_images(16, 9);
  double sum = 0;
  for (int64_t i = 0; i < set.count; ++i) {
    const auto x = run_float(a, reference::normalize(a, set.image(i)));
    const auto y = run_float(b, reference::normalize(b, set.image(i)));
    for (size_t k = 0; k < x.size(); ++k) sum += (x[k] - y[k]) * (x[k] - y[k]);
  }
  return std::sqrt(sum);
}

std::vector<size_t> channels_of(const ChannelMap& map, const std::string& tensor,
                                const std::vector<size_t>& groups) {
  std::vector<size_t> channels;
  const auto& of = map.group_of.at(tensor);
  for (const size_t group : groups) {
    for (size_t i = 0; i < of.size(); ++i) {
      if (of[i] == group) channels.push_back(i);
    }
  }
  return channels;
}

TEST(Prune, every_layer_but_the_last_loses_its_share_of_channels) {
  const Graph net = two_conv_net(1);
  PruneOptions options = halving(Criterion::kL1);
  options.layers = {{"conv2", 0.34, 7}};
  const Graph small = prune(net, options);
  EXPECT_THAT(small.shapes.at("conv1_out"), ElementsAre(4, 8, 8));
  EXPECT_THAT(small.shapes.at("conv2_out"), ElementsAre(4, 8, 8));
  EXPECT_THAT(small.shapes.at(small.output), ElementsAre(4));
  EXPECT_EQ(small.weights.at("fc.weight").data.size(), 4U * 4 * 64);
  options.multiple = 3;
  options.min_channels = 5;
  const Graph rounded = prune(net, options);
  EXPECT_EQ(rounded.shapes.at("conv1_out")[0], 6);
  EXPECT_EQ(rounded.shapes.at("conv2_out")[0], 6);
}

TEST(Prune, steps_end_with_the_same_number_of_channels) {
  const Graph net = two_conv_net(2);
  for (const int steps : {1, 2, 3, 5}) {
    PruneOptions options = halving(Criterion::kReconstruction);
    options.ratio = 0.6;
    options.steps = steps;
    const Graph small = prune(net, options);
    EXPECT_EQ(small.shapes.at("conv1_out")[0], 4) << steps;
    EXPECT_EQ(small.shapes.at("conv2_out")[0], 3) << steps;
  }
}

TEST(Prune, magnitudes_are_those_of_rows_and_norms) {
  NetBuilder builder("norms", {1, 4, 4}, 1);
  builder.conv_bn("conv1", 3, {1, 1, 0});
  builder.flatten("flatten");
  builder.gemm("fc", 2);
  Graph net = builder.finish({{0}, {1}});
  net.weights.at("conv1.weight").data = {1, -2, 3};
  net.weights.at("conv1.bn.scale").data = {4, -1, 0.5F};
  const ChannelMap map = find_channel_groups(net);
  const auto& groups = map.group_of.at("conv1_out");
  const auto l1 = channel_magnitudes(net, map, Criterion::kL1);
  const auto l2 = channel_magnitudes(net, map, Criterion::kL2);
  EXPECT_THAT((std::vector<double>{l1[groups[0]], l1[groups[1]], l1[groups[2]]}),
              ElementsAre(4, 2, 1.5));
  EXPECT_THAT((std::vector<double>{l2[groups[0]], l2[groups[1]], l2[groups[2]]}),
              ElementsAre(16, 4, 2.25));
}

TEST(Prune, a_scaled_copy_of_a_channel_goes_and_nothing_is_lost) {
  Graph net = two_conv_net(3);
  make_copy(net, 5, 2, 1.5F);
  make_copy(net, 7, 0, 0.5F);
  const ChannelMap map = find_channel_groups(net);
  const FeatureMap features = observe_features(net, corner_images(64, 1), 32, 2);
  const std::vector<size_t> family = channel_families(net, map).front();
  const auto reconstructed =
      channels_of(map, "conv1_out", reconstructible_channels(map, features, family, 2));
  const auto similar = channels_of(map, "conv1_out", similar_channels(map, features, family, 2));
  for (const auto& channels : {reconstructed, similar}) {
    ASSERT_EQ(channels.size(), 2U);
    const auto has = [&](size_t a, size_t b) {
      return std::count(channels.begin(), channels.end(), a) +
                 std::count(channels.begin(), channels.end(), b) ==
             1;
    };
    EXPECT_TRUE(has(5, 2)) << channels[0] << " " << channels[1];
    EXPECT_TRUE(has(7, 0)) << channels[0] << " " << channels[1];
  }

  for (const Criterion criterion : {Criterion::kReconstruction, Criterion::kSimilarity}) {
    PruneOptions options = halving(criterion);
    options.ratio = 0;
    options.layers = {{"conv1", 0.25, 1}};
    const double compensated = distance(net, prune(net, options));
    options.compensate = false;
    const double plain = distance(net, prune(net, options));
    EXPECT_LT(compensated, 0.01 * plain) << static_cast<int>(criterion);
  }
}

TEST(Prune, compensation_is_the_least_squares_solution) {
  const Graph net = two_conv_net(4);
  const ChannelMap map = find_channel_groups(net);
  const data::Dataset set = corner_images(32, 1);
  const FeatureMap features = observe_features(net, set, set.count, 1);
  std::vector<bool> removed(map.groups.size(), false);
  for (const size_t c : {1, 4}) removed[map.group_of.at("relu1_out")[c]] = true;
  Graph compensated = net;
  compensate(compensated, map, removed, features);

  // Any other combination of the kept channels replaces the lost ones worse, summed over pixels.
  const auto error = [&](const Graph& changed, size_t k) {
    const auto& before = net.weights.at("conv2.weight").data;
    const auto& after = changed.weights.at("conv2.weight").data;
    const auto& moments = features.at("relu1_out").moments;
    double sum = 0;
    for (size_t tap = 0; tap < 9; ++tap) {
      std::vector<double> difference(8);
      for (size_t c = 0; c < 8; ++c) {
        const size_t at = (k * 8 + c) * 9 + tap;
        difference[c] = (c == 1 || c == 4 ? 0 : after[at]) - before[at];
      }
      for (size_t i = 0; i < 8; ++i) {
        for (size_t j = 0; j < 8; ++j) sum += difference[i] * difference[j] * moments[i * 8 + j];
      }
    }
    return sum;
  };
  for (size_t k = 0; k < 6; ++k) {
    const double best = error(compensated, k);
    EXPECT_LT(best, error(net, k));
    for (const size_t c : {0, 2, 3, 5, 6, 7}) {
      for (const float nudge : {-0.02F, 0.02F}) {
        Graph nudged = compensated;
        for (size_t tap = 0; tap < 9; ++tap) {
          nudged.weights.at("conv2.weight").data[(k * 8 + c) * 9 + tap] += nudge;
        }
        EXPECT_GT(error(nudged, k), best);
      }
    }
  }
}

TEST(Prune, the_first_channel_to_go_is_the_one_whose_best_replacement_costs_least) {
  const Graph net = two_conv_net(5);
  const ChannelMap map = find_channel_groups(net);
  const FeatureMap features = observe_features(net, corner_images(32, 1), 32, 1);
  const std::vector<size_t> family = channel_families(net, map).front();
  const auto& moments = features.at("relu1_out").moments;
  const auto& energy = features.at("relu1_out").read_energy;
  size_t best = 0;
  double least = 1e300;
  for (size_t c = 0; c < 8; ++c) {
    // The residual of channel c given the others, by projecting them out one after the other.
    std::vector<double> m = moments;
    for (size_t i = 0; i < 8; ++i) m[i * 8 + i] *= 1 + 1e-6;
    for (size_t i = 0; i < 8; ++i) {
      if (i == c) continue;
      const std::vector<double> old = m;
      for (size_t a = 0; a < 8; ++a) {
        for (size_t b = 0; b < 8; ++b) {
          m[a * 8 + b] = old[a * 8 + b] - old[a * 8 + i] * old[i * 8 + b] / old[i * 8 + i];
        }
      }
      for (size_t a = 0; a < 8; ++a) m[a * 8 + i] = m[i * 8 + a] = a == i ? 1 : 0;
    }
    if (m[c * 8 + c] * energy[c] < least) {
      least = m[c * 8 + c] * energy[c];
      best = c;
    }
  }
  EXPECT_THAT(channels_of(map, "relu1_out", reconstructible_channels(map, features, family, 1)),
              ElementsAre(best));

  Graph louder = net;
  std::vector<float>& weights = louder.weights.at("conv2.weight").data;
  for (size_t i = 0; i < weights.size(); ++i) weights[i] *= i / 9 % 8 == best ? 1000 : 1;
  const FeatureMap loud = observe_features(louder, corner_images(32, 1), 32, 1);
  EXPECT_THAT(channels_of(map, "relu1_out", reconstructible_channels(map, loud, family, 7)),
              testing::Not(testing::Contains(best)))
      << "what readers weigh most must stay longest";
}

TEST(Prune, features_do_not_depend_on_threads) {
  const Graph net = two_conv_net(6);
  const data::Dataset set = corner_images(37, 1);
  const FeatureMap one = observe_features(net, set, 37, 1),
                   three = observe_features(net, set, 37, 3);
  EXPECT_EQ(one.at("relu1_out").moments, three.at("relu1_out").moments);
}

TEST(Prune, sparsity_takes_the_smallest_weights_and_spares_the_logits) {
  Graph net = tiny_net(1);
  const auto before = net.weights.at("fc1.weight").data;
  sparsify_fully_connected(net, 0.75);
  const auto& after = net.weights.at("fc1.weight").data;
  float largest_gone = 0, smallest_left = 1e9F;
  size_t zeros = 0;
  for (size_t i = 0; i < after.size(); ++i) {
    if (after[i] == 0) {
      ++zeros;
      largest_gone = std::max(largest_gone, std::fabs(before[i]));
    } else {
      EXPECT_EQ(after[i], before[i]);
      smallest_left = std::min(smallest_left, std::fabs(before[i]));
    }
  }
  EXPECT_EQ(zeros, before.size() * 3 / 4);
  EXPECT_LE(largest_gone, smallest_left);
  EXPECT_EQ(net.weights.at("fc2.weight").data, tiny_net(1).weights.at("fc2.weight").data);
}

TEST(Prune, a_pruned_network_is_quantised_and_counted_against_the_one_given) {
  const Recipe recipe = parse_recipe(
      "name: t\nweights: {bits: 8}\nactivations: {bits: 8}\nprune: {ratio: 0.5, images: 32}\n",
      "r");
  Graph net = two_conv_net(7);
  const CompressResult result =
      compress(net, recipe, corner_images(64, 1), corner_images(20, 2), {});
  EXPECT_EQ(result.report.layers[0].weights, 4 * 9);
  EXPECT_EQ(result.report.layers[1].weights, 3 * 4 * 9);
  EXPECT_EQ(result.report.parameters, 80 + 8 * 6 * 9 + 6 + 6 * 64 * 4 + 4);
  EXPECT_EQ(result.report.pruned_parameters, 40 + 4 * 3 * 9 + 3 + 3 * 64 * 4 + 4);
  EXPECT_EQ(result.report.float_size_bytes, 4 * result.report.parameters);
  EXPECT_EQ(result.report.float_bit_operations, 1024 * graph::mac_count(net));
  EXPECT_TRUE(result.report.pruned_top1_percent.has_value());
}

std::string error_of(const std::string& prune_keys) {
  try {
    const Recipe recipe = parse_recipe(
        "name: t\nweights: {bits: 8}\nactivations: {bits: 8}\nprune: " + prune_keys + "\n",
        "r.yaml");
    compress(two_conv_net(1), recipe, corner_images(8, 1), corner_images(8, 2), {});
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Prune, recipes_that_ask_for_the_impossible_are_refused) {
  EXPECT_THAT(error_of("{criterion: guess, ratio: 0.5}"), HasSubstr("r.yaml:4: prune.criterion"));
  EXPECT_THAT(error_of("{ratio: 1}"), HasSubstr("r.yaml:4: prune.ratio"));
  EXPECT_THAT(error_of("{steps: 2}"), HasSubstr("nothing else is pruned"));
  EXPECT_THAT(error_of("{ratios: 0.5}"), HasSubstr("ratios"));
  EXPECT_THAT(error_of("{layers: [{match: conv9, ratio: 0.5}]}"),
              AllOf(HasSubstr("r.yaml:4: match conv9"), HasSubstr("conv1, conv2")));
  EXPECT_THAT(error_of("{layers: [{match: fc, ratio: 0.5}]}"), HasSubstr("match fc"))
      << "the logits are all there is";
  EXPECT_THAT(error_of("{ratio: 0.5, retrain: {epochs: 1}}"), HasSubstr("prune.retrain needs"));
  EXPECT_THAT(error_of("{ratio: 0.5, criterion: taylor}"), HasSubstr("taylor needs libtorch"));
}

/// Loss of the logits that a search for ratios looks at.
double loss_of(const Graph& net, const Graph& pruned, const PruneOptions& options) {
  return LogitsComparison(net, LogitsLoss::kSquaredError, options.images, corner_images(64, 1), 1)
      .loss(pruned);
}

TEST(PruneTarget, is_met_and_channels_that_cost_nothing_go_first) {
  Graph net = two_conv_net(3);
  // Half of conv1's channels are copies of the others.
  for (size_t i = 0; i < 4; ++i) make_copy(net, 4 + i, i, 1.0F);
  PruneOptions options;
  options.images = 32;
  options.target = PruneTarget{PruneGoal::kMacs, 1.6, 3};
  const Graph pruned = prune(net, options);
  EXPECT_LE(graph::mac_count(pruned), graph::mac_count(net) * 10 / 16);
  EXPECT_EQ(pruned.shapes.at("conv1_out")[0], 4);
  EXPECT_EQ(pruned.shapes.at("conv2_out")[0], 6);
  EXPECT_LT(loss_of(net, pruned, options), 1e-6);
}

TEST(PruneTarget, size_counts_parameters_and_rules_win) {
  const Graph net = two_conv_net(2);
  PruneOptions options;
  options.images = 32;
  options.target = PruneTarget{PruneGoal::kSize, 2, 3};
  options.layers = {{"conv1", 0.25, 7}};
  const Graph pruned = prune(net, options);
  EXPECT_LE(parameter_count(pruned), parameter_count(net) / 2);
  EXPECT_EQ(pruned.shapes.at("conv1_out")[0], 6);
}

TEST(PruneTarget, of_a_network_of_one_family_takes_no_more_than_it_must) {
  const Graph net = two_conv_net(2);
  PruneOptions options;
  options.images = 32;
  options.layers = {{"conv2", 0, 7}};
  for (const double ratio : {1.1, 1.5, 2.5, 4.0}) {
    options.target = PruneTarget{PruneGoal::kMacs, ratio, 3};
    const Graph pruned = prune(net, options);
    const int64_t kept = pruned.shapes.at("conv1_out")[0];
    // conv1: 9 MACs a channel and pixel, conv2: 54; fc stays.
    const auto macs = [&](int64_t channels) { return 64 * channels * (9 + 54) + 64 * 6 * 4; };
    EXPECT_EQ(graph::mac_count(pruned), macs(kept));
    const double budget = static_cast<double>(graph::mac_count(net)) / ratio;
    EXPECT_LE(static_cast<double>(macs(kept)), budget);
    EXPECT_GT(static_cast<double>(macs(kept + 1)), budget);
  }
}

TEST(PruneTarget, of_latency_asks_the_chip) {
  const Graph net = two_conv_net(2);
  PruneOptions options;
  options.images = 16;
  options.target = PruneTarget{PruneGoal::kLatency, 2, 3};
  // A chip that takes a cycle for every output channel of a convolution.
  const GraphCost cycles = [](const Graph& graph) {
    return graph.shapes.at("conv1_out")[0] + graph.shapes.at("conv2_out")[0];
  };
  const Graph pruned =
      prune(net, options, "r.yaml", corner_images(64, 1), nullptr, 1, {}, nullptr, cycles);
  EXPECT_EQ(cycles(pruned), 7);
}

TEST(PruneTarget, out_of_reach_names_file_line_and_key) {
  PruneOptions options;
  options.images = 16;
  options.target = PruneTarget{PruneGoal::kMacs, 1000, 3};
  EXPECT_THAT(test::error_of([&] { prune(two_conv_net(2), options); }),
              HasSubstr("r.yaml:3: prune.target.macs asks for"));
}

TEST(PruneTarget, removals_read_back_from_their_text) {
  const RemovalPlan plan = plan_by_ratios(two_conv_net(1), halving(Criterion::kL1), "r.yaml");
  const RemovalPlan back = parse_removals(to_text(plan));
  ASSERT_EQ(back.size(), 2U);
  EXPECT_EQ(back.at({"conv1"}).before, 8U);
  EXPECT_EQ(back.at({"conv1"}).kept, 4U);
  EXPECT_EQ(back.at({"conv2"}).kept, 3U);
}

}  // namespace
}  // namespace tessera::compress
