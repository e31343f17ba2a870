#include "compress/allocate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <stdexcept>

namespace tessera::compress {
namespace {

using Layers = std::vector<std::vector<Choice>>;
using testing::ElementsAre;
using testing::HasSubstr;

Layers random_layers(std::mt19937& random, size_t count, size_t choices, int64_t largest_cost) {
  std::uniform_real_distribution<double> loss(-1, 10);
  Layers layers(count);
  for (auto& layer : layers) {
    const size_t size = 1 + random() % choices;
    for (size_t i = 0; i < size; ++i) {
      const auto cost = static_cast<int64_t>(random() % static_cast<uint64_t>(largest_cost + 1));
      // Equal losses and costs occur too.
      layer.push_back({cost, random() % 4 == 0 ? 2 : loss(random)});
    }
  }
  return layers;
}

/// Tries everything; loss infinite if nothing fits.
Allocation enumerated(const Layers& layers, int64_t budget) {
  Allocation best;
  best.loss = std::numeric_limits<double>::infinity();
  std::vector<size_t> chosen(layers.size(), 0);
  for (;;) {
    Allocation now;
    for (size_t i = 0; i < layers.size(); ++i) {
      now.cost += layers[i][chosen[i]].cost;
      now.loss += layers[i][chosen[i]].loss;
    }
    const bool better =
        now.loss < best.loss - 1e-12 || (now.loss < best.loss + 1e-12 && now.cost < best.cost);
    if (now.cost <= budget && better) best = now;
    size_t i = 0;
    while (i < layers.size() && ++chosen[i] == layers[i].size()) chosen[i++] = 0;
    if (i == layers.size()) return best;
  }
}

/// Table over every cost up to the budget.
double least_loss_by_table(const Layers& layers, int64_t budget) {
  std::vector<double> table(static_cast<size_t>(budget) + 1, 0);
  for (const auto& layer : layers) {
    std::vector<double> next(table.size(), std::numeric_limits<double>::infinity());
    for (const Choice& choice : layer) {
      for (size_t cost = static_cast<size_t>(choice.cost); cost < table.size(); ++cost) {
        const double loss = table[cost - static_cast<size_t>(choice.cost)] + choice.loss;
        next[cost] = std::min(next[cost], loss);
      }
    }
    table = next;
  }
  return table.back();
}

TEST(Allocate, is_as_good_as_trying_everything) {
  const unsigned seed = 4711;
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  int solved = 0;
  for (int trial = 0; trial < 400; ++trial) {
    const Layers layers = random_layers(random, 1 + random() % 6, 5, trial % 2 == 0 ? 9 : 1000000);
    const auto budget = static_cast<int64_t>(random() % (trial % 2 == 0 ? 40 : 4000000));
    const Allocation expected = enumerated(layers, budget);
    if (expected.loss > 1e300) {
      EXPECT_THROW(allocate(layers, budget), std::runtime_error);
      continue;
    }
    ++solved;
    const Allocation actual = allocate(layers, budget);
    EXPECT_NEAR(actual.loss, expected.loss, 1e-9) << trial;
    EXPECT_EQ(actual.cost, expected.cost) << trial;
    int64_t cost = 0;
    for (size_t i = 0; i < layers.size(); ++i) cost += layers[i][actual.chosen[i]].cost;
    EXPECT_EQ(cost, actual.cost);
    EXPECT_LE(actual.cost, budget);
  }
  EXPECT_GT(solved, 200);
}

TEST(Allocate, is_exact_for_as_many_layers_as_networks_have) {
  std::mt19937 random(99);
  for (int trial = 0; trial < 5; ++trial) {
    const Layers layers = random_layers(random, 60, 6, 50);
    const int64_t budget = 900 + 100 * trial;
    EXPECT_NEAR(allocate(layers, budget).loss, least_loss_by_table(layers, budget), 1e-9);
  }
}

TEST(Allocate, takes_what_is_best_if_the_budget_allows_it) {
  const Layers layers = {{{8, 0.5}, {16, 0.1}}, {{4, 3}, {8, 1}, {16, 1}}};
  EXPECT_THAT(allocate(layers, 1000).chosen, ElementsAre(1, 1));
  EXPECT_THAT(allocate(layers, 24).chosen, ElementsAre(1, 1));
  EXPECT_THAT(allocate(layers, 23).chosen, ElementsAre(0, 1));
  EXPECT_THAT(allocate(layers, 12).chosen, ElementsAre(0, 0));
  EXPECT_TRUE(allocate({}, 0).chosen.empty());
}

TEST(Allocate, says_what_a_budget_lacks) {
  try {
    allocate({{{8, 0}}, {{5, 1}, {4, 2}}}, 11);
    FAIL();
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("budget is 11, the cheapest choices need 12"));
  }
  EXPECT_THROW(allocate({{}}, 11), std::runtime_error);
}

}  // namespace
}  // namespace tessera::compress
