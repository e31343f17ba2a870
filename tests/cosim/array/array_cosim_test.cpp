/// The RTL array against npu::ModelArray (values) and chip::run_cycles (cycles).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "array_driver.hpp"
#include "pe/mode.hpp"

namespace tessera::rtl {
namespace {

using testing::IsEmpty;

using Size = std::pair<uint32_t, uint32_t>;

/// TESSERA_TEST_SEED, or a fixed seed.
uint64_t test_seed() {
  const char* text = std::getenv("TESSERA_TEST_SEED");
  return text == nullptr ? 11U : std::strtoull(text, nullptr, 0);
}

/// Everything but the cycles.
void expect_same_values(const TestRun& run, const Observed& observed, const Expected& expected) {
  EXPECT_THAT(observed.violations, IsEmpty()) << run.name();
  EXPECT_EQ(observed.accumulators, expected.accumulators) << run.name();
  EXPECT_EQ(observed.values, expected.values) << run.name();
  EXPECT_EQ(observed.saturations, expected.saturations) << run.name();
}

class ArrayCosim : public testing::TestWithParam<Size> {
 protected:
  ArrayCosim() : array_(GetParam().first, GetParam().second), random_(test_seed()) {
    RecordProperty("seed", std::to_string(test_seed()));
  }

  TestRun any_run(const abi::PeMode& mode) {
    return random_run(mode, random_shape(array_.rows(), array_.columns(), random_), random_);
  }

  Observed observe(const TestRun& run, const Stalls& stalls = {}) {
    start_run(array_, run);
    return finish_run(array_, run, stalls, random_);
  }

  testing::ScopedTrace seed_trace_{__FILE__, __LINE__,
                                   "TESSERA_TEST_SEED=" + std::to_string(test_seed())};
  VerilatedArray array_;
  Random random_;
};

TEST_P(ArrayCosim, every_mode_gives_the_models_values_in_the_models_cycles) {
  for (const abi::PeMode& mode : pe::all_modes()) {
    for (int i = 0; i < 30; ++i) {
      const TestRun run = any_run(mode);
      const Expected expected = expected_of(run);
      const Observed observed = observe(run);
      expect_same_values(run, observed, expected);
      ASSERT_EQ(observed.cycles, expected.cycles.total) << run.name();
      ASSERT_EQ(observed.cycles, chip::run_cycles(run.shape).total) << run.name();
      ASSERT_FALSE(HasFailure());
    }
  }
}

TEST_P(ArrayCosim, every_small_shape_takes_the_cycles_of_the_closed_form) {
  const abi::PeMode mode{8, 8, true, false};
  const uint32_t rows = array_.rows();
  const uint32_t columns = array_.columns();
  for (uint64_t channels : {1U, rows, rows + 1, 2 * rows + 1}) {
    for (uint64_t pixels = 1; pixels <= 2 * columns + 1; ++pixels) {
      for (uint64_t steps = 1; steps <= columns + 2; ++steps) {
        const TestRun run = random_run(mode, {rows, columns, channels, pixels, steps}, random_);
        const Observed observed = observe(run);
        ASSERT_THAT(observed.violations, IsEmpty()) << run.name();
        ASSERT_EQ(observed.cycles, chip::run_cycles(run.shape).total) << run.name();
      }
    }
  }
}

TEST_P(ArrayCosim, operands_that_bank_conflicts_delay_cost_the_cycles_of_the_recurrence) {
  uint64_t bank = 0;
  for (const abi::PeMode& mode : pe::all_modes()) {
    for (int i = 0; i < 5; ++i) {
      const TestRun run = any_run(mode);
      Stalls stalls;
      for (uint64_t group = 0; group < run.shape.groups(); ++group) {
        stalls.bank_cycles.push_back(
            static_cast<uint32_t>(pick(random_, 0, 2 * run.shape.steps + 3)));
      }
      const Expected expected = expected_of(run, stalls.bank_cycles);
      const Observed observed = observe(run, stalls);
      expect_same_values(run, observed, expected);
      ASSERT_EQ(observed.cycles, expected.cycles.total) << run.name();
      ASSERT_FALSE(HasFailure());
      bank += expected.cycles.bank;
    }
  }
  EXPECT_GT(bank, 1000U);
}

TEST_P(ArrayCosim, stalls_change_no_value_and_delay_the_run_by_no_more_than_they_last) {
  uint64_t feed_stalls = 0;
  uint64_t parameter_stalls = 0;
  uint64_t result_stalls = 0;
  for (const abi::PeMode& mode : pe::all_modes()) {
    for (int i = 0; i < 8; ++i) {
      const TestRun run = any_run(mode);
      Stalls stalls;
      stalls.feed_percent = static_cast<unsigned>(pick(random_, 0, 1) * pick(random_, 0, 90));
      stalls.parameter_percent = static_cast<unsigned>(pick(random_, 0, 1) * pick(random_, 0, 90));
      stalls.result_percent = static_cast<unsigned>(pick(random_, 0, 1) * pick(random_, 0, 90));
      const Expected expected = expected_of(run);
      const Observed observed = observe(run, stalls);
      expect_same_values(run, observed, expected);
      ASSERT_GE(observed.cycles, expected.cycles.total) << run.name();
      ASSERT_LE(observed.cycles, expected.cycles.total + observed.feed_stalls +
                                     observed.parameter_stalls + observed.result_stalls)
          << run.name();
      ASSERT_FALSE(HasFailure());
      feed_stalls += observed.feed_stalls;
      parameter_stalls += observed.parameter_stalls;
      result_stalls += observed.result_stalls;
    }
  }
  EXPECT_GT(feed_stalls, 1000U);
  EXPECT_GT(parameter_stalls, 1000U);
  EXPECT_GT(result_stalls, 1000U);
}

TEST_P(ArrayCosim, random_parameters_reach_values_within_the_clamp_and_beyond) {
  uint64_t inside = 0;
  uint64_t all = 0;
  uint64_t saturations = 0;
  uint64_t stochastic = 0;
  for (const abi::PeMode& mode : pe::all_modes()) {
    const TestRun run = any_run(mode);
    const Expected expected = expected_of(run);
    for (const int32_t value : expected.values) {
      inside += value > run.rescaling.low && value < run.rescaling.high;
    }
    all += expected.values.size();
    saturations += expected.saturations;
    stochastic += run.rescaling.stochastic;
  }
  EXPECT_GT(inside, all / 4);
  EXPECT_GT(saturations, all / 20);
  EXPECT_GT(stochastic, 5U);
  EXPECT_LT(stochastic, pe::all_modes().size() - 5);
}

TEST_P(ArrayCosim, runs_follow_each_other_without_a_cycle_between_them) {
  const std::vector<abi::PeMode> modes = pe::all_modes();
  TestRun run = any_run(modes.front());
  start_run(array_, run);
  for (std::size_t i = 1; i <= modes.size(); ++i) {
    const TestRun next = any_run(modes[i % modes.size()]);
    const bool last = i == modes.size();
    const Observed observed = finish_run(array_, run, {}, random_, last ? nullptr : &next);
    expect_same_values(run, observed, expected_of(run));
    ASSERT_EQ(observed.cycles, chip::run_cycles(run.shape).total) << run.name();
    ASSERT_EQ(array_.outputs().busy, !last);
    run = next;
  }
}

TEST_P(ArrayCosim, runs_follow_each_other_through_stalls) {
  const Stalls stalls{20, 30, 40, {}};
  TestRun run = any_run(pe::all_modes().front());
  start_run(array_, run);
  for (const abi::PeMode& mode : pe::all_modes()) {
    const TestRun next = any_run(mode);
    expect_same_values(run, finish_run(array_, run, stalls, random_, &next), expected_of(run));
    ASSERT_FALSE(HasFailure());
    run = next;
  }
  expect_same_values(run, finish_run(array_, run, stalls, random_), expected_of(run));
}

TEST_P(ArrayCosim, an_accumulator_that_wraps_is_flagged_and_no_other) {
  // 2^16 products of -2^15 by -2^15 add up to 2^46; unsigned 65535 by -2^15 passes -2^47.
  const abi::PeMode mode{16, 16, false, false};
  TestRun run = random_run(mode, {array_.rows(), array_.columns(), 2, 3, 66000}, random_);
  const auto fill = [&](std::vector<int16_t>& elements, std::size_t row, int16_t value) {
    std::fill_n(elements.begin() + static_cast<std::ptrdiff_t>(row * run.stride), run.shape.steps,
                value);
  };
  fill(run.weights, 0, 1);
  fill(run.weights, 1, INT16_MIN);
  fill(run.activations, 0, 1);
  fill(run.activations, 1, -1);  // 65535
  fill(run.activations, 2, 3);
  const Expected expected = expected_of(run);
  const Observed observed = observe(run);
  expect_same_values(run, observed, expected);
  EXPECT_EQ(observed.overflows, (std::vector<bool>{false, false, false, false, true, false}));
  EXPECT_TRUE(expected.overflow.happened);
  EXPECT_EQ(expected.overflow.channel, 1U);
  EXPECT_GT(observed.accumulators[run.shape.pixels + 1], 0) << "the sum did not wrap";
}

TEST_P(ArrayCosim, random_shapes_reach_every_kind_of_tile) {
  std::set<std::string> kinds;
  for (int i = 0; i < 5000; ++i) {
    const chip::RunShape shape = random_shape(array_.rows(), array_.columns(), random_);
    const bool ragged_rows = shape.channels % shape.rows != 0;
    const bool ragged_columns = shape.last_columns() != shape.columns;
    kinds.insert(std::string(ragged_rows ? "ragged" : "whole") + " rows, " +
                 (ragged_columns ? "ragged" : "whole") + " columns, " +
                 (shape.steps < shape.columns ? "drain" : "steps") + " bound, " +
                 (shape.blocks() > 1 ? "blocks" : "one block") + ", " +
                 (shape.groups() > 1 ? "groups" : "one group"));
    if (shape.channels == 1 && shape.pixels == 1 && shape.steps == 1) kinds.insert("1x1x1");
  }
  EXPECT_EQ(kinds.size(), 33U);
}

std::string size_name(const testing::TestParamInfo<Size>& info) {
  return std::to_string(info.param.first) + "x" + std::to_string(info.param.second);
}

INSTANTIATE_TEST_SUITE_P(Sizes, ArrayCosim, testing::ValuesIn(VerilatedArray::sizes()), size_name);

}  // namespace
}  // namespace tessera::rtl
