#include "compress/width_plan.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "compress/calibrate.hpp"
#include "compress/huffman.hpp"
#include "compress/nets_builder.hpp"
#include "support/error_of.hpp"
#include "unit/compress/tiny_problem.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using test::error_of;
using testing::ElementsAre;
using testing::HasSubstr;

Recipe recipe_of(const std::string& allocate, const std::string& more = "") {
  return parse_recipe(
      "name: t\nweights: {bits: 8}\nactivations: {bits: 8}\nallocate: " + allocate + "\n" + more,
      "r.yaml");
}

/// A tiny network, and what planning needs to know of it.
struct Fixture {
  explicit Fixture(const Recipe& given, Graph graph = tiny_net(3))
      : net(std::move(graph)), recipe(given) {
    if (net.normalization.mean.empty()) net.normalization = {{0}, {0.5F}};
    const auto groups = activation_groups(net, recipe, layer_formats(net, recipe));
    observations = observe(net, groups, images, recipe);
  }
  QuantizationProblem problem() const { return make_problem(net, recipe, observations); }
  /// Losses that fall with the width, drawn at random.
  WidthLosses random_losses(unsigned seed) const {
    std::mt19937 random(seed);
    std::uniform_real_distribution<double> uniform(0.1, 10);
    const auto falling = [&](size_t count) {
      std::vector<double> values;
      for (size_t i = 0; i < count; ++i) values.push_back(uniform(random) / std::exp2(2 * i));
      return values;
    };
    WidthLosses losses;
    const QuantizationProblem p = problem();
    for (size_t i = 0; i < p.formats.size(); ++i) {
      losses.weights.push_back(falling(recipe.allocate->weights.size()));
    }
    for (size_t g = 0; g < p.groups.size(); ++g) {
      losses.activations.push_back(falling(recipe.allocate->activation_bits.size()));
    }
    return losses;
  }

  data::Dataset images = corner_images(32, 1);
  Graph net;
  Recipe recipe;
  Observations observations;
};

std::vector<std::string> weights_of(const WidthPlan& plan) {
  std::vector<std::string> result;
  for (const PlannedLayer& layer : plan.layers) result.push_back(to_string(layer.weight));
  return result;
}

// tiny_net: conv 36 weights and 4 channels, fc1 768 and 12, fc2 48 and 4; 20 channels are 140
// bytes.
constexpr int64_t kFixedBytes = 7 * 20;

TEST(WidthPlan, the_layer_that_loses_least_a_byte_becomes_narrow) {
  // In 8 bit: 852 bytes of weights. A budget that is met exactly when fc1 has 2 bit.
  const Fixture f(recipe_of("{weight_bits: [2, 8], budget: {bytes: " +
                            std::to_string(36 + 192 + 48 + kFixedBytes) + "}}"));
  WidthLosses losses;
  losses.weights = {{5, 0}, {90, 0}, {5, 0}};
  losses.activations.resize(f.problem().groups.size());
  const WidthPlan plan = plan_widths(f.problem(), losses, {}, nullptr);
  EXPECT_THAT(weights_of(plan), ElementsAre("8", "2", "8"));
  EXPECT_EQ(plan.cost, plan.budget);
  EXPECT_EQ(plan.loss, 90);
  EXPECT_THAT((std::vector<int64_t>{plan.layers[0].cost, plan.layers[1].cost, plan.layers[2].cost}),
              ElementsAre(36 + 28, 192 + 84, 48 + 28));
}

TEST(WidthPlan, size_and_bops_are_ratios_to_the_network_as_given) {
  const OriginalCosts original{10000, 5000000};
  const Fixture size(recipe_of("{weight_bits: [2, 8], budget: {size: 12.5}}"));
  EXPECT_EQ(plan_widths(size.problem(), size.random_losses(1), original, nullptr).budget, 800);
  const Fixture bops(recipe_of("{weight_bits: [2, 8], budget: {bops: 40}}"));
  const WidthPlan plan = plan_widths(bops.problem(), bops.random_losses(1), original, nullptr);
  EXPECT_EQ(plan.budget, 125000);
  // 64 * 36, 768 and 48 MACs at 8-bit activations.
  int64_t cost = 0;
  const int64_t macs[] = {64 * 36, 768, 48};
  for (size_t i = 0; i < 3; ++i) cost += macs[i] * plan.layers[i].weight.bits * 8;
  EXPECT_EQ(plan.cost, cost);
  EXPECT_LE(plan.cost, plan.budget);
}

/// Least loss within the budget over all widths of weights and of the activations that the three
/// layers of tiny_net read, costed by formula.
double least_loss(const Fixture& f, const WidthLosses& losses, int64_t budget) {
  const AllocateOptions& o = *f.recipe.allocate;
  const QuantizationProblem p = f.problem();
  const int64_t macs[] = {64 * 36, 768, 48};
  size_t groups[3] = {};
  const std::string inputs[] = {"image", "flatten_out", "fc1_relu_out"};
  for (size_t g = 0; g < p.groups.size(); ++g) {
    for (size_t i = 0; i < 3; ++i) {
      for (const std::string& tensor : p.groups[g].observed) {
        if (tensor == inputs[i]) groups[i] = g;
      }
    }
  }
  const size_t nw = o.weights.size(), na = o.activation_bits.size();
  double best = std::numeric_limits<double>::infinity();
  for (size_t code = 0; code < nw * nw * nw * na * na * na; ++code) {
    size_t rest = code;
    int64_t cost = 0;
    double loss = 0;
    for (size_t i = 0; i < 3; ++i) {
      const size_t w = rest % nw;
      rest /= nw;
      const size_t a = rest % na;
      rest /= na;
      cost += macs[i] * o.weights[w].bits * o.activation_bits[a];
      loss += losses.weights[i][w] + losses.activations[groups[i]][a];
    }
    if (cost <= budget) best = std::min(best, loss);
  }
  return best;
}

TEST(WidthPlan, widths_of_weights_and_activations_are_those_that_enumeration_finds) {
  const Fixture f(
      recipe_of("{weight_bits: [2, 4, 8, 16], activation_bits: [2, 4, 8], budget: {bops: 10}}"));
  for (unsigned seed = 1; seed <= 20; ++seed) {
    const WidthLosses losses = f.random_losses(seed);
    const OriginalCosts original{0, 100000 + 300000 * static_cast<int64_t>(seed % 7)};
    if (original.bit_operations / 10 < (64 * 36 + 768 + 48) * 4) continue;
    const WidthPlan plan = plan_widths(f.problem(), losses, original, nullptr);
    EXPECT_LE(plan.cost, plan.budget) << "seed " << seed;
    const double least = least_loss(f, losses, plan.budget);
    EXPECT_NEAR(plan.loss, least, 1e-9 * least) << "seed " << seed;
  }
}

/// Two convolutions that read the same map, and an addition of what they compute.
Graph forked_net() {
  NetBuilder net("forked", {1, 8, 8}, 5);
  net.conv("stem", 4, {3, 1, 1});
  net.relu("relu");
  const std::string map = net.last();
  net.conv("left", 4, {3, 1, 1});
  const std::string left = net.last();
  net.from(map);
  net.conv("right", 4, {3, 1, 1});
  net.add("add", left);
  net.flatten("flatten");
  net.gemm("fc", 4);
  return net.finish({{0}, {0.5F}});
}

TEST(WidthPlan, layers_that_read_the_same_map_share_its_width_and_its_loss) {
  const Fixture f(recipe_of("{weight_bits: [8], activation_bits: [2, 16], budget: {bops: 1}}"),
                  forked_net());
  const QuantizationProblem p = f.problem();
  WidthLosses losses;
  losses.weights.assign(4, {0});
  losses.activations.assign(p.groups.size(), {1, 0});
  // Room for 16-bit activations everywhere but at the fork.
  const int64_t stem = 64 * 36 * 8, fork = 2 * 64 * 144 * 8, fc = 64 * 4 * 4 * 8;
  const int64_t budget = (stem + fc) * 16 + fork * 2;
  const WidthPlan plan = plan_widths(p, losses, {0, budget}, nullptr);
  EXPECT_EQ(plan.cost, budget);
  EXPECT_EQ(plan.loss, 1);
  for (const PlannedLayer& layer : plan.layers) {
    const bool forked = layer.name == "left" || layer.name == "right";
    EXPECT_EQ(layer.activation_bits, forked ? 2 : 16) << layer.name;
  }
}

TEST(WidthPlan, rules_of_the_recipe_win) {
  const Fixture f(recipe_of("{weight_bits: [2, p4, 8], activation_bits: [2, 4], budget: {size: 1}}",
                            "layers: [{match: fc1, weight_bits: 5, activation_bits: 7}]\n"));
  WidthLosses losses;
  losses.weights.assign(3, {3, 2, 1});
  losses.activations.assign(f.problem().groups.size(), {2, 1});
  const WidthPlan plan = plan_widths(f.problem(), losses, {100000, 0}, nullptr);
  EXPECT_THAT(weights_of(plan), ElementsAre("8", "5", "8"));
  EXPECT_EQ(plan.layers[1].activation_bits, 7);
  EXPECT_EQ(plan.layers[0].activation_bits, 4);
  EXPECT_EQ(plan.layers[1].weight_loss + plan.layers[1].activation_loss, 0);
}

/// Cycles a layer by its widths, and a number for every change of width from layer to layer, which
/// no sum over layers knows.
LatencyModel stepped_latency(int64_t change_cycles) {
  LatencyModel model;
  model.chip = "stepped";
  model.estimate = [=](const Graph& graph) {
    Costs costs;
    const graph::IntegerNetwork network = graph::lower(graph);
    int before = 0;
    for (const graph::IntegerLayer& layer : network.layers) {
      if (layer.op != graph::IntegerOp::kConv) {
        costs.layers.emplace_back(layer.name, 10);
      } else {
        const int64_t change = before != 0 && before != layer.weight_bits ? change_cycles : 0;
        costs.layers.emplace_back(layer.name, bit_operations(network, layer) / 256 + change);
        before = layer.weight_bits;
      }
      costs.total += costs.layers.back().second;
    }
    return costs;
  };
  return model;
}

TEST(WidthPlan, a_latency_budget_holds_for_the_network_as_a_whole) {
  const LatencyModel model = stepped_latency(100);
  const Fixture f(recipe_of("{weight_bits: [2, 4, 8, 16], budget: {latency: 3}}"));
  const int64_t slow = model.estimate(quickly_quantized(f.problem(), 16)).total;
  for (unsigned seed = 1; seed <= 10; ++seed) {
    const WidthPlan plan = plan_widths(f.problem(), f.random_losses(seed), {}, &model);
    EXPECT_EQ(plan.budget, slow / 3);
    EXPECT_LE(plan.cost, plan.budget) << "seed " << seed;
    QuantizationProblem p = f.problem();
    apply_plan(plan, p.formats);
    EXPECT_EQ(model.estimate(quickly_quantized(p)).total, plan.cost) << "seed " << seed;
  }
}

/// conv is quickest at 8 bit, the others at 2; every change of width costs more than either.
LatencyModel fickle_latency() {
  LatencyModel model;
  model.estimate = [](const Graph& graph) {
    Costs costs;
    int before = 0;
    for (const graph::IntegerLayer& layer : graph::lower(graph).layers) {
      if (layer.op != graph::IntegerOp::kConv) continue;
      const int best = layer.name == "conv" ? 8 : 2;
      const int64_t change = before != 0 && before != layer.weight_bits ? 1000 : 0;
      costs.layers.emplace_back(layer.name, (layer.weight_bits == best ? 100 : 200) + change);
      costs.total += costs.layers.back().second;
      before = layer.weight_bits;
    }
    return costs;
  };
  return model;
}

TEST(WidthPlan, where_no_sum_of_layers_can_be_trusted_one_width_for_all_is_left) {
  const LatencyModel model = fickle_latency();  // 16 bit: 600 cycles, 8 bit: 500, 2 bit: 400
  WidthLosses losses;
  losses.weights.assign(3, {2, 1});
  for (const auto& [ratio, bits] : std::map<std::string, std::string>{{"1.5", "2"}, {"1.2", "8"}}) {
    const Fixture f(recipe_of("{weight_bits: [2, 8], budget: {latency: " + ratio + "}}"));
    losses.activations.resize(f.problem().groups.size());
    const WidthPlan plan = plan_widths(f.problem(), losses, {}, &model);
    EXPECT_THAT(weights_of(plan), ElementsAre(bits, bits, bits));
    EXPECT_LE(plan.cost, plan.budget);
  }
  const Fixture f(recipe_of("{weight_bits: [2, 8], budget: {latency: 1.6}}"));
  EXPECT_THAT(error_of([&] { plan_widths(f.problem(), losses, {}, &model); }),
              HasSubstr("r.yaml:4: allocate.budget.latency allows 375 cycles"));
}

TEST(WidthPlan, budgets_that_nothing_meets_name_file_line_and_key) {
  const Fixture f(recipe_of("{weight_bits: [4, 8], budget: {bytes: 500}}"));
  EXPECT_THAT(error_of([&] { plan_widths(f.problem(), f.random_losses(1), {}, nullptr); }),
              HasSubstr("r.yaml:4: allocate.budget.bytes allows 500 bytes, the network of the "
                        "cheapest widths needs 566"));
}

TEST(WidthPlan, its_text_reads_back) {
  const Fixture f(recipe_of("{weight_bits: [2, p4, 8], budget: {bytes: 700}}"));
  const WidthPlan plan = plan_widths(f.problem(), f.random_losses(9), {}, nullptr);
  const std::string text = to_text(plan);
  EXPECT_EQ(to_text(parse_plan(text)), text);
  EXPECT_EQ(parse_plan(text).loss, plan.loss);
  EXPECT_THAT(error_of([&] { parse_plan(text.substr(0, text.size() / 2)); }), HasSubstr("cut off"));
}

TEST(WidthLosses, measured_ones_fall_with_the_width_and_vanish_for_weights_on_the_grid) {
  Fixture f(
      recipe_of("{weight_bits: [2, 4, 8], activation_bits: [2, 4, 8], "
                "budget: {size: 1}, sensitivity: mse, images: 16}"));
  for (float& weight : f.net.weights.at("fc2.weight").data) weight = weight < 0 ? -0.5F : 0.5F;
  const WidthLosses losses =
      measure_width_losses(f.problem(), *f.recipe.allocate, f.images, nullptr, 2, {});
  ASSERT_EQ(losses.weights.size(), 3U);
  for (const std::vector<double>& each : {losses.weights[0], losses.weights[1]}) {
    EXPECT_GT(each[0], each[1]);
    EXPECT_GT(each[1], each[2]);
    EXPECT_GT(each[2], 0);
  }
  EXPECT_LT(losses.weights[2][0], 1e-12);
  for (size_t g = 0; g + 1 < f.problem().groups.size(); ++g) {
    EXPECT_GT(losses.activations[g][0], losses.activations[g][2]);
  }
}

/// Traces that are given.
class GivenTraces : public FineTuner {
 public:
  explicit GivenTraces(std::map<std::string, double> traces) : traces_(std::move(traces)) {}
  void fine_tune(Graph&, const Graph&, const data::Dataset&, const FineTuneOptions&,
                 const std::function<void(double)>&) override {}
  void retrain(Graph&, const Graph&, const data::Dataset&, const FineTuneOptions&,
               const std::function<void(double)>&) override {}
  JointResult learn_gates(Graph&, const Graph&, const std::map<std::string, int>&,
                          const data::Dataset&, const JointOptions&,
                          const std::function<void(double)>&) override {
    return {};
  }
  std::map<std::string, std::vector<double>> sensitivities(const Graph&,
                                                           const std::vector<std::string>&,
                                                           const data::Dataset&, int64_t) override {
    return {};
  }
  std::map<std::string, double> hessian_traces(const Graph&, const data::Dataset&, int64_t, int,
                                               uint64_t) override {
    return traces_;
  }

 private:
  std::map<std::string, double> traces_;
};

TEST(WidthLosses, hessian_ones_are_half_the_mean_eigenvalue_times_the_squared_error) {
  Fixture f(recipe_of("{weight_bits: [4], budget: {size: 1}, images: 4}"));
  f.recipe.weight_threshold = Threshold::kMax;
  f.recipe.per_channel = false;
  auto& fc2 = f.net.weights.at("fc2.weight").data;  // 48 weights; the grid's step is 1
  std::fill(fc2.begin(), fc2.end(), 3.0F);
  fc2[0] = 7;
  fc2[1] = 2.25F;
  fc2[2] = -4.5F;
  GivenTraces tuner({{"conv.weight", -3}, {"fc1.weight", 1}, {"fc2.weight", 96}});
  const WidthLosses losses =
      measure_width_losses(f.problem(), *f.recipe.allocate, f.images, &tuner, 1, {});
  EXPECT_THAT(losses.sensitivities, ElementsAre(0, 1 / 768.0, 2));
  EXPECT_NEAR(losses.weights[2][0], 2 * (0.0625 + 0.25) / 2, 1e-9);
  EXPECT_EQ(losses.weights[0][0], 0);
}

TEST(Huffman, lengths_and_size_are_those_computed_by_hand) {
  EXPECT_THAT(huffman_lengths({1, 1, 2, 4}), ElementsAre(3, 3, 2, 1));
  EXPECT_THAT(huffman_lengths({9}), ElementsAre(0));
  // 4 zeros (1 bit), 2 ones (2), 2 others (3): 14 bits; 1 bit of form; a table of 4 values.
  const std::vector<int16_t> values = {0, 0, 0, 0, 1, 1, -3, 7};
  EXPECT_EQ(huffman_size_bits(values, 8), 14 + 1 + 9 + 4 * (8 + 6));
  EXPECT_EQ(huffman_size_bits(values, 4), 14 + 1 + 5 + 4 * (4 + 6));
  EXPECT_EQ(huffman_size_bits({1, 0, -1, -2}, 2), 8 + 1 + 3 * 0 + 4 * 6);
  EXPECT_EQ(huffman_size_bits({}, 8), 1 + 9);
}

TEST(Huffman, codes_fill_the_tree_and_stay_near_the_entropy) {
  std::mt19937 random(11);
  for (int round = 0; round < 50; ++round) {
    std::vector<int64_t> counts;
    for (size_t i = 0; i < 2 + random() % 60; ++i)
      counts.push_back(1 + (random() % 1000) % (1 + random() % 1000));
    const std::vector<int> lengths = huffman_lengths(counts);
    double kraft = 0, bits = 0, entropy = 0, total = 0;
    for (const int64_t count : counts) total += static_cast<double>(count);
    for (size_t i = 0; i < counts.size(); ++i) {
      kraft += std::exp2(-lengths[i]);
      bits += static_cast<double>(counts[i]) * lengths[i];
      entropy -= static_cast<double>(counts[i]) * std::log2(static_cast<double>(counts[i]) / total);
    }
    EXPECT_EQ(kraft, 1);
    EXPECT_GE(bits, entropy - 1e-6);
    EXPECT_LT(bits, entropy + total);
  }
}

}  // namespace
}  // namespace tessera::compress
