/// The RTL output path against npu::rescale: values, saturation flags, latency, back-pressure.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

#include "chip/array_timing.hpp"
#include "output_path_driver.hpp"

namespace tessera::rtl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr int64_t kLargestAccumulator = (int64_t{1} << 47) - 1;
constexpr int64_t kSmallestAccumulator = -(int64_t{1} << 47);

struct Range {
  int32_t low;
  int32_t high;
};

constexpr Range kRanges[] = {{-32768, 65535}, {0, 255},         {-128, 127},   {-32768, 32767},
                             {0, 65535},      {0, 0},           {5, 5},        {-7, -3},
                             {1, 6},          {-32768, -32768}, {65535, 65535}};

/// TESSERA_TEST_SEED, or a fixed seed.
uint64_t test_seed() {
  const char* text = std::getenv("TESSERA_TEST_SEED");
  return text == nullptr ? 12U : std::strtoull(text, nullptr, 0);
}

uint64_t pick(Random& random, uint64_t low, uint64_t high) {
  return std::uniform_int_distribution<uint64_t>(low, high)(random);
}

template <typename Values>
auto one_of(Random& random, const Values& values) {
  return values[pick(random, 0, std::size(values) - 1)];
}

/// Of any magnitude, small ones as likely as large ones.
int64_t random_signed(Random& random, unsigned bits) {
  const auto kept = static_cast<unsigned>(pick(random, 1, bits));
  return static_cast<int64_t>(random()) >> (64 - kept);
}

int64_t corner_accumulator(Random& random) {
  constexpr int64_t kCorners[] = {0,
                                  1,
                                  -1,
                                  kLargestAccumulator,
                                  kSmallestAccumulator,
                                  kLargestAccumulator - 1,
                                  kSmallestAccumulator + 1};
  return one_of(random, kCorners);
}

/// An accumulator whose sum with the bias, times 1, lies at the middle between two values, or one
/// beside it.
int64_t near_half(Random& random, const abi::ChannelParameters& parameters) {
  const int64_t value = random_signed(random, 18);
  const int64_t half = parameters.shift == 0 ? 0 : int64_t{1} << (parameters.shift - 1);
  const int64_t beside = static_cast<int64_t>(pick(random, 0, 2)) - 1;
  const int64_t sum = value * (int64_t{1} << parameters.shift) + half + beside - parameters.bias;
  return std::clamp(sum, kSmallestAccumulator, kLargestAccumulator);
}

abi::ChannelParameters random_parameters(Random& random, int shift) {
  constexpr int32_t kBiases[] = {0, 1, -1, INT32_MAX, INT32_MIN};
  constexpr uint16_t kMultipliers[] = {0, 1, 2, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF};
  abi::ChannelParameters parameters{};
  parameters.bias = pick(random, 0, 1) == 0 ? one_of(random, kBiases)
                                            : static_cast<int32_t>(random_signed(random, 32));
  parameters.multiplier = pick(random, 0, 1) == 0
                              ? one_of(random, kMultipliers)
                              : static_cast<uint16_t>(random() >> pick(random, 48, 63));
  parameters.shift = static_cast<uint8_t>(shift);
  return parameters;
}

PathColumn random_column(Random& random, int shift) {
  PathColumn column;
  column.channel = static_cast<uint32_t>(random() >> pick(random, 32, 63));
  column.position = static_cast<uint32_t>(random() >> pick(random, 32, 63));
  for (std::size_t row = 0; row < kPathRows; ++row) {
    abi::ChannelParameters& parameters = column.parameters[row];
    // Rows with shifts of their own, so that none can take another's.
    parameters =
        random_parameters(random, row == 0 ? shift : static_cast<int>(pick(random, 0, 47)));
    switch (pick(random, 0, 3)) {
      case 0:
        column.accumulators[row] = corner_accumulator(random);
        break;
      case 1:
        parameters.multiplier = 1;
        column.accumulators[row] = near_half(random, parameters);
        break;
      default:
        column.accumulators[row] = random_signed(random, 48);
    }
  }
  return column;
}

npu::Rescaling random_rescaling(Random& random, bool stochastic) {
  const Range range = one_of(random, kRanges);
  npu::Rescaling rescaling;
  rescaling.stochastic = stochastic;
  rescaling.seed = static_cast<uint32_t>(random());
  rescaling.channel_first = static_cast<uint32_t>(random() >> pick(random, 32, 63));
  rescaling.low = range.low;
  rescaling.high = range.high;
  return rescaling;
}

PathResult expected(const npu::Rescaling& rescaling, const PathColumn& column) {
  PathResult result;
  for (std::size_t row = 0; row < kPathRows; ++row) {
    result.saturated[row] =
        npu::rescale(rescaling, column.parameters[row], column.channel + row,
                     &column.accumulators[row], &column.position, 1, &result.values[row]) != 0;
  }
  return result;
}

class OutputPathCosim : public testing::TestWithParam<bool> {
 protected:
  OutputPathCosim() : random_(test_seed()) { RecordProperty("seed", std::to_string(test_seed())); }

  /// Runs and compares; returns how many values were compared.
  std::size_t compare(const npu::Rescaling& rescaling, const std::vector<PathColumn>& columns,
                      const PathStalls& stalls) {
    const PathRun run = path_.run(rescaling, columns, stalls, random_);
    EXPECT_THAT(run.violations, IsEmpty());
    EXPECT_EQ(run.results.size(), columns.size());
    for (std::size_t i = 0; i < run.results.size(); ++i) {
      const PathResult want = expected(rescaling, columns[i]);
      EXPECT_EQ(run.results[i].tag, static_cast<uint16_t>(i));
      for (std::size_t row = 0; row < kPathRows; ++row) {
        const abi::ChannelParameters& parameters = columns[i].parameters[row];
        EXPECT_TRUE(run.results[i].values[row] == want.values[row] &&
                    run.results[i].saturated[row] == want.saturated[row])
            << "accumulator " << columns[i].accumulators[row] << ", bias " << parameters.bias
            << ", multiplier " << parameters.multiplier << ", shift "
            << static_cast<int>(parameters.shift) << ", clamp " << rescaling.low << " to "
            << rescaling.high << ", row " << row << ": got " << run.results[i].values[row]
            << ", not " << want.values[row] << "; saturated " << run.results[i].saturated[row]
            << ", not " << want.saturated[row];
        saturations_ += want.saturated[row];
        inside_ += want.values[row] > rescaling.low && want.values[row] < rescaling.high;
      }
    }
    return run.results.size() * kPathRows;
  }

  testing::ScopedTrace seed_trace_{__FILE__, __LINE__,
                                   "TESSERA_TEST_SEED=" + std::to_string(test_seed())};
  Random random_;
  OutputPathDriver path_;
  uint64_t saturations_ = 0;
  uint64_t inside_ = 0;
};

TEST_P(OutputPathCosim, every_shift_gives_the_models_values_and_saturations) {
  std::size_t compared = 0;
  for (int shift = 0; shift <= 47; ++shift) {
    for (int i = 0; i < 30; ++i) {
      std::vector<PathColumn> columns;
      for (int n = 0; n < 40; ++n) columns.push_back(random_column(random_, shift));
      compared += compare(random_rescaling(random_, GetParam()), columns, {});
      ASSERT_FALSE(HasFailure());
    }
  }
  EXPECT_EQ(compared, 48U * 30U * 40U * kPathRows);
  EXPECT_GT(saturations_, compared / 10);
  EXPECT_GT(inside_, compared / 10);
}

TEST_P(OutputPathCosim, every_pair_of_extreme_operands_gives_the_models_values) {
  constexpr int64_t kAccumulators[] = {kSmallestAccumulator, -1, 0, 1, kLargestAccumulator};
  constexpr int32_t kBiases[] = {INT32_MIN, -1, 0, 1, INT32_MAX};
  constexpr uint16_t kMultipliers[] = {0, 1, 0x8000, 0xFFFF};
  std::vector<PathColumn> columns;
  for (int shift = 0; shift <= 47; ++shift) {
    for (const int64_t accumulator : kAccumulators) {
      for (const int32_t bias : kBiases) {
        PathColumn column;
        column.accumulators.fill(accumulator);
        for (std::size_t row = 0; row < kPathRows; ++row) {
          column.parameters[row] = {bias, kMultipliers[row], static_cast<uint8_t>(shift), 0};
        }
        column.position = static_cast<uint32_t>(random_());
        columns.push_back(column);
      }
    }
  }
  for (const Range& range : kRanges) {
    npu::Rescaling rescaling = random_rescaling(random_, GetParam());
    rescaling.low = range.low;
    rescaling.high = range.high;
    compare(rescaling, columns, {});
    ASSERT_FALSE(HasFailure());
  }
}

TEST_P(OutputPathCosim, stalls_lose_no_column_and_change_no_value) {
  uint64_t waited = 0;
  for (int i = 0; i < 100; ++i) {
    std::vector<PathColumn> columns;
    for (int n = 0; n < 60; ++n) {
      columns.push_back(random_column(random_, static_cast<int>(pick(random_, 0, 47))));
    }
    PathStalls stalls;
    stalls.column_percent = static_cast<unsigned>(pick(random_, 0, 1) * pick(random_, 0, 90));
    stalls.result_percent = static_cast<unsigned>(pick(random_, 0, 90));
    compare(random_rescaling(random_, GetParam()), columns, stalls);
    ASSERT_FALSE(HasFailure());
    waited += stalls.result_percent;
  }
  EXPECT_GT(waited, 1000U);
}

TEST_P(OutputPathCosim, a_column_a_cycle_comes_out_four_cycles_after_it_is_taken) {
  std::vector<PathColumn> columns;
  for (int n = 0; n < 50; ++n) columns.push_back(random_column(random_, 20));
  const PathRun run = path_.run(random_rescaling(random_, GetParam()), columns, {}, random_);
  ASSERT_EQ(run.results.size(), columns.size());
  for (std::size_t i = 0; i < run.results.size(); ++i) {
    EXPECT_EQ(run.results[i].taken_cycle, i);
    EXPECT_EQ(run.results[i].shown_cycle, i + chip::kOutputPathCycles);
    EXPECT_EQ(run.results[i].stored_cycle, i + chip::kOutputPathCycles);
  }
}

INSTANTIATE_TEST_SUITE_P(Rounding, OutputPathCosim, testing::Bool(),
                         [](const auto& info) { return info.param ? "stochastic" : "half_up"; });

/// Four rows of the same channel parameters.
PathColumn column_of(const std::array<int64_t, kPathRows>& accumulators, int32_t bias,
                     uint16_t multiplier, uint8_t shift) {
  PathColumn column;
  column.accumulators = accumulators;
  column.parameters.fill({bias, multiplier, shift, 0});
  return column;
}

PathResult single(const npu::Rescaling& rescaling, const PathColumn& column) {
  OutputPathDriver path;
  Random random(1);
  const PathRun run = path.run(rescaling, {column}, {}, random);
  return run.results.at(0);
}

TEST(OutputPath, rounds_halves_up) {
  npu::Rescaling rescaling;
  rescaling.low = -128;
  rescaling.high = 127;
  // 2.5, -2.5, 2.25, -2.75
  const PathResult result = single(rescaling, column_of({10, -10, 9, -11}, 0, 1, 2));
  EXPECT_THAT(result.values, ElementsAre(3, -2, 2, -3));
}

TEST(OutputPath, flags_a_saturation_but_not_a_lower_bound_of_zero) {
  npu::Rescaling rescaling;
  rescaling.low = 0;
  rescaling.high = 255;
  const PathColumn column = column_of({-1000, 1000, 255, 0}, 0, 1, 0);
  PathResult result = single(rescaling, column);
  EXPECT_THAT(result.values, ElementsAre(0, 255, 255, 0));
  EXPECT_THAT(result.saturated, ElementsAre(false, true, false, false));
  rescaling.low = 1;
  result = single(rescaling, column);
  EXPECT_THAT(result.values, ElementsAre(1, 255, 255, 1));
  EXPECT_THAT(result.saturated, ElementsAre(true, true, false, true));
}

TEST(OutputPath, adds_the_bias_before_it_scales) {
  npu::Rescaling rescaling;
  rescaling.low = -32768;
  rescaling.high = 65535;
  const PathResult result = single(rescaling, column_of({0, 1, -7, 100}, 7, 3, 1));
  EXPECT_THAT(result.values, ElementsAre(11, 12, 0, 161));  // 10.5, 12, 0, 160.5
}

TEST(OutputPath, rounds_stochastically_up_as_often_as_the_fraction_says) {
  npu::Rescaling rescaling;
  rescaling.stochastic = true;
  rescaling.seed = 77;
  rescaling.low = -128;
  rescaling.high = 127;
  std::vector<PathColumn> columns;
  for (uint32_t position = 0; position < 4000; ++position) {
    columns.push_back(column_of({4, 5, 6, -5}, 0, 1, 2));  // 1, 1.25, 1.5, -1.25
    columns.back().position = position;
  }
  OutputPathDriver path;
  Random random(1);
  const PathRun run = path.run(rescaling, columns, {}, random);
  std::array<int, kPathRows> sums{};
  for (const PathResult& result : run.results) {
    for (std::size_t row = 0; row < kPathRows; ++row) sums[row] += result.values[row];
  }
  EXPECT_EQ(sums[0], 4000);
  EXPECT_NEAR(sums[1], 5000, 150);
  EXPECT_NEAR(sums[2], 6000, 150);
  EXPECT_NEAR(sums[3], -5000, 150);
}

TEST(OutputPath, forgets_its_columns_on_reset) {
  OutputPathDriver path;
  EXPECT_FALSE(path.shows_a_result_after_reset(column_of({1, 2, 3, 4}, 0, 1, 0)));
}

}  // namespace
}  // namespace tessera::rtl
