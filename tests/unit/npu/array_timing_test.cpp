#include "chip/array_timing.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <stdexcept>

namespace tessera::chip {
namespace {

struct Tile {
  uint64_t cycles;  // of the array, operands included
  uint64_t columns;
};

std::vector<Tile> tiles_of(const RunShape& shape, const std::vector<uint32_t>& bank_cycles) {
  std::vector<Tile> tiles;
  for (uint64_t channel = 0; channel < shape.channels; channel += shape.rows) {
    for (uint64_t pixel = 0; pixel < shape.pixels; pixel += shape.columns) {
      const uint64_t bank =
          bank_cycles.empty() ? 0 : bank_cycles[tiles.size() % bank_cycles.size()];
      tiles.push_back(
          {std::max<uint64_t>(shape.steps, bank), std::min(shape.columns, shape.pixels - pixel)});
    }
  }
  return tiles;
}

/// The pipeline cycle by cycle: fill, array with its shadow registers, drain, output path.
uint64_t simulate(const std::vector<Tile>& tiles) {
  uint64_t fill_left = kFillCycles;
  std::size_t tile = 0;
  uint64_t array_left = tiles[0].cycles;
  uint64_t shadow_columns = 0;
  uint64_t columns_left = 0;
  for (const Tile& each : tiles) columns_left += each.columns;
  std::vector<bool> stages(kOutputPathCycles, false);
  uint64_t results_left = columns_left;
  uint64_t cycle = 0;
  for (; results_left != 0; ++cycle) {
    results_left -= stages.back();
    std::rotate(stages.rbegin(), stages.rbegin() + 1, stages.rend());
    stages.front() = shadow_columns != 0;
    if (shadow_columns != 0) --shadow_columns;
    if (fill_left != 0) {
      --fill_left;
      continue;
    }
    if (tile == tiles.size()) continue;
    if (array_left != 0) --array_left;
    if (array_left == 0 && shadow_columns == 0) {
      shadow_columns = tiles[tile].columns;
      if (++tile < tiles.size()) array_left = tiles[tile].cycles;
    }
  }
  return cycle;
}

RunShape random_shape(std::mt19937& random) {
  const auto pick = [&](uint64_t low, uint64_t high) {
    return std::uniform_int_distribution<uint64_t>(low, high)(random);
  };
  RunShape shape;
  shape.rows = uint64_t{1} << pick(1, 4);
  shape.columns = uint64_t{1} << pick(1, 4);
  shape.channels = pick(1, 50);
  shape.pixels = pick(1, 100);
  shape.steps = pick(1, 40);
  shape.sliced = shape.blocks() > 1 && pick(0, 1) != 0;
  return shape;
}

TEST(ArrayTiming, the_closed_form_equals_the_pipeline_simulated_cycle_by_cycle) {
  std::mt19937 random(1);
  SCOPED_TRACE("seed 1");
  for (int i = 0; i < 2000; ++i) {
    const RunShape shape = random_shape(random);
    const RunCycles cycles = run_cycles(shape);
    ASSERT_EQ(cycles.total, simulate(tiles_of(shape, {})))
        << shape.rows << "x" << shape.columns << ", " << shape.channels << " channels, "
        << shape.pixels << " pixels, " << shape.steps << " steps";
    ASSERT_EQ(cycles.bank, 0u);
  }
}

TEST(ArrayTiming, the_last_tile_ends_one_drain_and_one_output_path_before_the_run) {
  std::mt19937 random(5);
  SCOPED_TRACE("seed 5");
  for (int i = 0; i < 500; ++i) {
    const RunShape shape = random_shape(random);
    std::vector<uint32_t> banks(shape.fetches());
    for (auto& bank : banks) bank = std::uniform_int_distribution<uint32_t>(0, 60)(random);
    const auto ends = tile_ends(shape, banks);
    ASSERT_EQ(ends.size(), shape.tiles());
    ASSERT_EQ(ends.back() + shape.last_columns() + kOutputPathCycles,
              run_cycles(shape, banks).total);
    ASSERT_EQ(ends.front(), kFillCycles + std::max<uint64_t>(shape.steps, banks.front()));
  }
}

TEST(ArrayTiming, bank_conflicts_stretch_tiles_as_the_simulated_pipeline_does) {
  std::mt19937 random(2);
  SCOPED_TRACE("seed 2");
  uint64_t stalled = 0;
  for (int i = 0; i < 2000; ++i) {
    const RunShape shape = random_shape(random);
    std::vector<uint32_t> banks(shape.fetches());
    for (auto& cycles : banks) cycles = std::uniform_int_distribution<uint32_t>(0, 60)(random);
    const RunCycles cycles = run_cycles(shape, banks);
    ASSERT_EQ(cycles.total, simulate(tiles_of(shape, banks)));
    ASSERT_EQ(cycles.compute(), simulate(tiles_of(shape, {})));
    stalled += cycles.bank != 0;
  }
  EXPECT_GT(stalled, 1000u);
}

TEST(ArrayTiming, bank_demand_within_the_steps_costs_nothing) {
  std::mt19937 random(3);
  SCOPED_TRACE("seed 3");
  for (int i = 0; i < 200; ++i) {
    const RunShape shape = random_shape(random);
    const std::vector<uint32_t> banks(shape.fetches(), static_cast<uint32_t>(shape.steps));
    EXPECT_EQ(run_cycles(shape, banks).total, run_cycles(shape).total);
    EXPECT_EQ(run_cycles(shape, banks).bank, 0u);
  }
}

TEST(ArrayTiming, a_single_tile_is_fill_steps_drain_and_output_path) {
  const RunShape shape{16, 16, 16, 16, 100};
  EXPECT_EQ(run_cycles(shape).total, kFillCycles + 100 + 16 + kOutputPathCycles);
}

TEST(ArrayTiming, bank_entries_must_match_the_fetches) {
  const RunShape shape{16, 16, 16, 17, 100};
  EXPECT_THROW(run_cycles(shape, std::vector<uint32_t>{1}), std::invalid_argument);
  const RunShape sliced{16, 16, 32, 17, 100, true};
  EXPECT_THROW(run_cycles(sliced, std::vector<uint32_t>(2, 1)), std::invalid_argument);
  EXPECT_NO_THROW(run_cycles(sliced, std::vector<uint32_t>(4, 1)));
}

/// Lines of every (column, segment), byte by byte.
BankDemand count_bank_demand(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                             uint32_t columns, uint32_t banks) {
  BankDemand demand;
  std::vector<uint32_t> per_bank(banks, 0);
  uint32_t column = 0;
  const auto close_group = [&] {
    demand.cycles.push_back(*std::max_element(per_bank.begin(), per_bank.end()));
    std::fill(per_bank.begin(), per_bank.end(), 0);
    column = 0;
  };
  const uint64_t pixels = convolution_pixels(config, run);
  const uint64_t window = static_cast<uint64_t>(config.pool_h) * config.pool_w;
  const int64_t row_bytes = int64_t{run.input_columns} * config.input_pixel_pitch;
  for (int64_t n = 0; n < static_cast<int64_t>(pixels); ++n) {
    const auto w = static_cast<int64_t>(window);
    const int64_t block = n / w;
    const int64_t across = (run.x_count + config.spread_x - 1) / config.spread_x;
    const int64_t v = block / across * config.pool_stride_y + n % w / config.pool_w;
    const int64_t u = block % across * config.pool_stride_x + n % w % config.pool_w;
    for (int64_t j = 0; j < config.segments_y; ++j) {
      for (int64_t i = 0; i < config.segments_x; ++i) {
        const int64_t row = run.input_row + v * config.pixel_step_y + j * config.tap_step_y;
        const int64_t column = run.input_column + u * config.pixel_step_x + i * config.tap_step_x;
        std::set<uint64_t> lines;
        for (int64_t e = 0; e < config.segment_elements; ++e) {
          const int64_t bits = config.activation_bits;
          for (const int64_t byte : {e * bits / 8, (e * bits + bits - 1) / 8}) {
            const int64_t x = column * config.input_pixel_pitch + byte;
            if (row < 0 || row >= run.input_rows || x < 0 || x >= row_bytes) continue;
            lines.insert(
                static_cast<uint64_t>(run.activation_address + row * config.input_row_pitch + x) /
                kBankLineBytes);
          }
        }
        for (const uint64_t line : lines) ++per_bank[line % banks];
        demand.lines += lines.size();
      }
    }
    if (++column == columns) close_group();
  }
  if (column != 0) close_group();
  return demand;
}

TEST(ArrayTiming, bank_demand_counts_the_distinct_lines_of_every_segment) {
  std::mt19937 random(4);
  SCOPED_TRACE("seed 4");
  const auto pick = [&](uint32_t low, uint32_t high) {
    return std::uniform_int_distribution<uint32_t>(low, high)(random);
  };
  for (int i = 0; i < 300; ++i) {
    abi::ComputeConfig config{};
    config.activation_bits = static_cast<uint8_t>(2U << pick(0, 3));
    config.weight_bits = 8;
    config.segment_elements = pick(1, 300);
    config.segments_y = pick(1, 3);
    config.segments_x = pick(1, 3);
    config.tap_step_y = pick(1, 2);
    config.tap_step_x = pick(1, 2);
    config.pixel_step_y = pick(0, 3);
    config.pixel_step_x = pick(0, 3);
    config.input_pixel_pitch = pick(1, 35) * 2;
    config.input_row_pitch = pick(0, 300);
    config.spread_y = static_cast<uint8_t>(pick(1, 2));
    config.spread_x = static_cast<uint8_t>(pick(1, 3));
    config.pool_h = static_cast<uint16_t>(pick(1, 2));
    config.pool_w = static_cast<uint16_t>(pick(1, 3));
    config.pool_stride_y = static_cast<uint16_t>(pick(1, 2));
    config.pool_stride_x = static_cast<uint16_t>(pick(1, 2));
    abi::ComputeRun run{};
    run.activation_address = pick(0, 100);
    run.channel_count = 1;
    run.y_count = static_cast<uint16_t>(pick(1, 3));
    run.x_count = static_cast<uint16_t>(pick(1, 6));
    run.input_row = static_cast<int16_t>(pick(0, 4) - 3);
    run.input_column = static_cast<int16_t>(pick(0, 4) - 3);
    run.input_rows = static_cast<uint16_t>(pick(0, 9));
    run.input_columns = static_cast<uint16_t>(pick(0, 9));
    const uint32_t columns = 1U << pick(1, 4);
    const uint32_t banks = pick(1, 17);
    const RunShape shape = run_shape(config, run, 16, columns);
    const BankDemand demand = bank_demand(config, run, shape, banks);
    const BankDemand expected = count_bank_demand(config, run, columns, banks);
    ASSERT_EQ(demand.cycles, expected.cycles);
    ASSERT_EQ(demand.lines, expected.lines);
  }
}

TEST(ArrayTiming, every_segment_takes_whole_steps) {
  abi::ComputeConfig config{};
  config.activation_bits = 8;
  config.weight_bits = 4;  // 8 lanes
  config.segment_elements = 9;
  config.segments_y = 3;
  config.segments_x = 2;
  EXPECT_EQ(reduction_steps(config), 12u);
}

TEST(ArrayTiming, a_configuration_loads_behind_the_one_before) {
  EXPECT_EQ(configuration_ready(100, 40), 100 + kConfigureCycles);
  EXPECT_EQ(configuration_ready(100, 140), 140 + kConfigureCycles);
}

TEST(ArrayTiming, only_a_change_of_widths_or_code_switches_the_mode) {
  abi::ComputeConfig a{};
  a.activation_bits = 8;
  a.weight_bits = 4;
  abi::ComputeConfig b = a;
  b.segment_elements = 7;
  b.activation_signed = 1;
  EXPECT_FALSE(switches_mode(a, b));
  b.p4 = 1;
  EXPECT_TRUE(switches_mode(a, b));
  EXPECT_EQ(switch_cycles(true), kSwitchCycles + kModeSwitchCycles);
}

}  // namespace
}  // namespace tessera::chip
