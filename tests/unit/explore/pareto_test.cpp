/// The Pareto front against its definition.

#include "explore/pareto.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>
#include <random>

namespace tessera::explore {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// By the definition, pair by pair.
std::vector<size_t> brute_force(const std::vector<std::vector<double>>& rows) {
  std::vector<size_t> front;
  for (size_t i = 0; i < rows.size(); ++i) {
    bool dominated = false;
    for (size_t j = 0; j < rows.size() && !dominated; ++j) {
      size_t no_larger = 0;
      size_t smaller = 0;
      for (size_t k = 0; k < rows[i].size(); ++k) {
        no_larger += rows[j][k] <= rows[i][k] ? 1U : 0U;
        smaller += rows[j][k] < rows[i][k] ? 1U : 0U;
      }
      dominated = no_larger == rows[i].size() && smaller > 0;
    }
    if (!dominated) front.push_back(i);
  }
  return front;
}

TEST(pareto_front, of_nothing_is_nothing) { EXPECT_THAT(pareto_front({}), IsEmpty()); }

TEST(pareto_front, of_one_objective_is_the_smallest_with_its_equals) {
  EXPECT_THAT(pareto_front({{3}, {1}, {2}, {1}}), ElementsAre(1, 3));
}

TEST(pareto_front, leaves_out_what_is_worse_in_one_objective_and_better_in_none) {
  EXPECT_THAT(pareto_front({{1, 9}, {9, 1}, {5, 5}, {5, 6}, {9, 9}}), ElementsAre(0, 1, 2));
}

TEST(pareto_front, of_random_points_with_ties_is_that_of_brute_force) {
  const unsigned seed = std::random_device()();
  std::cout << "seed " << seed << "\n";
  std::mt19937 random(seed);
  size_t members = 0;
  for (int round = 0; round < 400; ++round) {
    const size_t objectives = 1 + random() % 4;
    const size_t distinct = 2 + random() % 30;
    std::vector<std::vector<double>> rows(random() % 120, std::vector<double>(objectives));
    for (auto& row : rows) {
      for (double& value : row) value = static_cast<double>(random() % distinct) - 5;
    }
    const auto front = pareto_front(rows);
    ASSERT_EQ(front, brute_force(rows)) << "round " << round;
    members += front.size();
  }
  EXPECT_GT(members, 400U);
}

}  // namespace
}  // namespace tessera::explore
