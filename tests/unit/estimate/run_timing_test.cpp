#include "estimate/run_timing.hpp"

#include <gtest/gtest.h>

#include <random>

namespace tessera::estimate {
namespace {

abi::ComputeConfig random_config(std::mt19937& random) {
  const auto pick = [&](uint32_t least, uint32_t most) {
    return std::uniform_int_distribution<uint32_t>(least, most)(random);
  };
  abi::ComputeConfig c = {};
  c.activation_bits = static_cast<uint8_t>(2U << pick(0, 3));
  c.weight_bits = static_cast<uint8_t>(2U << pick(0, 3));
  c.output_bits = 8;
  c.segment_elements = pick(1, 70);
  c.segments_y = pick(1, 3);
  c.segments_x = pick(1, 3);
  c.input_pixel_pitch = pick(1, 100) * 2;
  c.input_row_pitch = c.input_pixel_pitch * pick(4, 20);
  c.pixel_step_y = c.pixel_step_x = pick(1, 2);
  c.tap_step_y = c.tap_step_x = 1;
  c.spread_y = c.spread_x = 1;
  c.pool_h = c.pool_w = static_cast<uint16_t>(pick(1, 2));
  c.pool_stride_y = c.pool_stride_x = c.pool_h;
  if (pick(0, 1) != 0) {
    c.slice_channels = c.group_outputs = static_cast<uint16_t>(pick(1, 16));
    c.group_inputs = 1;
    c.slice_stride = pick(1, 40);
  }
  return c;
}

/// Slice after slice, each where it lies, without remembering anything; slices that fill the rows
/// of the array follow each other without a gap.
uint64_t cycles_of(const abi::ComputeConfig& c, const abi::ComputeRun& run, const chip::Npu& npu) {
  uint64_t cycles = 0;
  std::vector<uint32_t> bank_cycles;
  const uint32_t step = c.slice_channels == 0 ? run.channel_count : c.slice_channels;
  for (uint32_t first = 0; first < run.channel_count; first += step) {
    abi::ComputeRun slice = run;
    slice.channel_count = std::min(step, run.channel_count - first);
    slice.activation_address += first / step * c.slice_stride;
    const chip::RunShape shape = chip::run_shape(c, slice, npu.rows, npu.columns);
    const auto banks = chip::bank_demand(c, slice, shape, npu.scratchpads.banks).cycles;
    cycles += chip::run_cycles(shape, banks).total;
    bank_cycles.insert(bank_cycles.end(), banks.begin(), banks.end());
  }
  if (step != npu.rows || step >= run.channel_count) return cycles;
  const chip::RunShape whole = chip::run_shape(c, run, npu.rows, npu.columns);
  return chip::tile_ends(whole, bank_cycles).back() + whole.last_columns() +
         chip::kOutputPathCycles;
}

TEST(RunTiming, repeated_tiles_take_what_each_of_them_takes_where_it_lies) {
  constexpr unsigned kSeed = 4;
  std::cout << "seed " << kSeed << "\n";
  std::mt19937 random(kSeed);
  const auto pick = [&](uint32_t least, uint32_t most) {
    return std::uniform_int_distribution<uint32_t>(least, most)(random);
  };
  uint64_t with_conflicts = 0;
  for (const char* name : {"edge", "reference"}) {
    const chip::Chip chip = chip::load_chip(name);
    RunTiming timing(chip);
    for (int layer = 0; layer < 40; ++layer) {
      const abi::ComputeConfig config = random_config(random);
      timing.configure(config);
      for (int tile = 0; tile < 12; ++tile) {
        abi::ComputeRun run = {};
        run.activation_address = pick(0, 3) * 1024 + pick(0, 40);
        run.channel_count = pick(1, 50);
        run.y_count = static_cast<uint16_t>(pick(1, 4));
        run.x_count = static_cast<uint16_t>(pick(1, 9));
        run.input_row = static_cast<int16_t>(pick(0, 2) - 2);
        run.input_column = static_cast<int16_t>(pick(0, 2) - 2);
        run.input_rows = static_cast<uint16_t>(pick(1, 20));
        run.input_columns = static_cast<uint16_t>(pick(1, 20));
        const RunTiming::Run got = timing.run(run);
        EXPECT_EQ(got.cycles.total, cycles_of(config, run, chip.npu));
        EXPECT_EQ(got.events.outputs, uint64_t{run.y_count} * run.x_count * run.channel_count);
        with_conflicts += got.cycles.bank != 0;
      }
    }
  }
  EXPECT_GT(with_conflicts, 50U);
}

TEST(RunTiming, a_configuration_forgets_the_one_before) {
  const chip::Chip chip = chip::load_chip("reference");
  RunTiming timing(chip);
  abi::ComputeConfig config = {};
  config.activation_bits = config.weight_bits = config.output_bits = 8;
  config.segment_elements = 64;
  config.segments_y = config.segments_x = 1;
  config.pixel_step_x = config.pixel_step_y = 1;
  config.input_pixel_pitch = 128;
  config.spread_y = config.spread_x = 1;
  config.pool_h = config.pool_w = config.pool_stride_x = config.pool_stride_y = 1;
  abi::ComputeRun run = {};
  run.channel_count = run.x_count = run.input_columns = 16;
  run.y_count = run.input_rows = 1;
  timing.configure(config);
  const uint64_t first = timing.run(run).cycles.total;
  config.segment_elements = 128;
  timing.configure(config);
  EXPECT_GT(timing.run(run).cycles.total, first);
}

}  // namespace
}  // namespace tessera::estimate
