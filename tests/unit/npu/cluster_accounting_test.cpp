#include <gtest/gtest.h>

#include <random>

#include "chip/array_timing.hpp"
#include "cluster_bench.hpp"
#include "convolution_case.hpp"

namespace tessera::npu::test {
namespace {

namespace reg = abi::npu_reg;
using abi::Engine;
using abi::Opcode;

constexpr uint32_t kListAddress = kDramBase + 0xE'0000;

class ClusterAccounting : public testing::TestWithParam<common::TimingMode> {
 protected:
  ClusterStatistics run_program(const chip::Chip& chip, const ClusterBench::Program& program) {
    ClusterBench bench(chip, GetParam());
    bool finished = false;
    ClusterStatistics statistics;
    bench.run([&](ClusterBench& b) {
      program(b);
      statistics = b.cluster.statistics();
      const memory::DramStatistics& dram = b.dram.counters();
      EXPECT_EQ(statistics.events.dram_bytes_read, dram.bytes_read);
      EXPECT_EQ(statistics.events.dram_bytes_written, dram.bytes_written);
      finished = true;
    });
    EXPECT_TRUE(finished);
    return statistics;
  }
};

ConvolutionShape random_shape(std::mt19937& random) {
  const auto pick = [&](uint32_t low, uint32_t high) {
    return std::uniform_int_distribution<uint32_t>(low, high)(random);
  };
  ConvolutionShape shape;
  shape.in_channels = pick(1, 40);
  shape.out_channels = 4 * pick(1, 4);
  shape.height = pick(4, 12);
  shape.width = pick(4, 12);
  shape.stride = pick(1, 2);
  shape.activation_bits = static_cast<uint8_t>(2U << pick(0, 3));
  shape.weight_bits = static_cast<uint8_t>(2U << pick(0, 3));
  shape.rows_per_tile = pick(0, 2);
  shape.channels_per_tile = pick(0, 1) * 4;
  return shape;
}

TEST_P(ClusterAccounting, every_cycle_of_random_traffic_has_one_cause_and_one_layer) {
  std::mt19937 random(41);
  SCOPED_TRACE("seed 41");
  uint64_t inside = 0;
  const ClusterStatistics statistics = run_program(small_chip(), [&](ClusterBench& b) {
    for (uint32_t i = 0; i < 25; ++i) {
      ConvolutionCase layer(random_shape(random), i);
      b.pass_cycles(random() % 300);
      b.write(reg::PHASE, i + 1);
      const uint64_t start = b.now();
      layer.execute(b, i % 7, i % 2 == 0 ? 0 : kListAddress);
      b.pass_cycles(random() % 300);
      EXPECT_EQ(layer.mismatches(b), 0u);
      b.write(reg::PHASE, 0);
      inside += b.now() - start;
    }
  });
  EXPECT_EQ(statistics.inferences, 25u);
  EXPECT_EQ(statistics.cycles.total(), inside);
  CycleCounts cycles;
  EventCounts events;
  for (const LayerStatistics& layer : statistics.layers) {
    cycles += layer.cycles;
    events += layer.events;
  }
  EXPECT_EQ(cycles.by_cause, statistics.cycles.by_cause);
  EXPECT_EQ(events.macs, statistics.events.macs);
  for (std::size_t i = 0; i < kCauseCount; ++i) {
    const auto cause = static_cast<Cause>(i);
    // Bank conflicts have a test of their own; transfers here only ever wait for bus and DRAM.
    if (cause == Cause::kBank || cause == Cause::kStore || cause == Cause::kLoad) continue;
    EXPECT_GT(statistics.cycles[cause], 0u) << name_of(cause);
  }
}

TEST_P(ClusterAccounting, a_run_takes_what_the_timing_equations_say) {
  chip::Chip chip = small_chip();
  chip.npu.scratchpads.banks = 2;
  std::mt19937 random(42);
  SCOPED_TRACE("seed 42");
  uint64_t compute = 0;
  uint64_t bank = 0;
  uint64_t events_lanes = 0;
  const ClusterStatistics statistics = run_program(chip, [&](ClusterBench& b) {
    for (uint32_t i = 0; i < 10; ++i) {
      ConvolutionShape shape = random_shape(random);
      shape.rows_per_tile = shape.channels_per_tile = 0;
      if (i == 0) {
        shape.in_channels = 3;  // a short reduction from many lines: conflicts
        shape.activation_bits = shape.weight_bits = 2;
      }
      ConvolutionCase layer(shape, i);
      b.write(reg::PHASE, i + 1);
      layer.execute(b, 0);
      b.write(reg::PHASE, 0);
      const abi::ComputeRun run = layer.whole_run();
      const chip::RunShape sizes = chip::run_shape(layer.config(), run, 4, 4);
      const chip::RunCycles cycles =
          chip::run_cycles(sizes, chip::bank_demand(layer.config(), run, sizes, 2).cycles);
      compute += cycles.compute();
      bank += cycles.bank;
      events_lanes += sizes.tiles() * 16 * sizes.steps *
                      static_cast<uint64_t>(abi::lanes(shape.activation_bits, shape.weight_bits));
    }
  });
  EXPECT_EQ(statistics.cycles[Cause::kCompute], compute);
  EXPECT_EQ(statistics.cycles[Cause::kBank], bank);
  EXPECT_GT(bank, 0u);
  EXPECT_EQ(statistics.events.lane_slots, events_lanes);
  EXPECT_EQ(statistics.events.runs, 10u);
  EXPECT_EQ(statistics.events.configurations, 10u);
}

TEST_P(ClusterAccounting, configurations_load_in_the_shadow_of_a_run) {
  const ClusterStatistics statistics = run_program(small_chip(), [&](ClusterBench& b) {
    const ConvolutionCase layer(ConvolutionShape{}, 1);
    abi::ComputeConfig other = layer.config();
    other.weight_bits = 4;
    b.write(reg::PHASE, 1);
    b.push(Engine::kCompute, header(Opcode::kConfigure), 0, layer.config());
    abi::ComputeRun run = layer.whole_run();
    b.push(Engine::kCompute, header(Opcode::kRun, kLoadBit), 0, run);
    b.push(Engine::kLoad, header(Opcode::kLoad, 0, kComputeBit), 0,
           plain_transfer(kDramBase, 0, 1024));
    b.push(Engine::kCompute, header(Opcode::kConfigure), 0, layer.config());
    b.wait_until([&] { return b.read(reg::COMPUTE_SPACE) == 64; });
    b.push(Engine::kCompute, header(Opcode::kConfigure, 0, 0, true), 0, other);
    b.wait_for_notify(1);
    b.write(reg::PHASE, 0);
  });
  using namespace chip;
  // The first and the third wait for their words, the second's came during the RUN.
  EXPECT_EQ(statistics.cycles[Cause::kConfiguration],
            2 * kConfigureCycles + 3 * kSwitchCycles + 2 * kModeSwitchCycles);
}

TEST_P(ClusterAccounting, multipliers_count_in_their_mode_only_where_both_operands_are_not_zero) {
  ConvolutionShape shape;
  shape.weight_bits = 4;
  ConvolutionCase layer(shape, 3);
  const ClusterStatistics statistics =
      run_program(small_chip(), [&](ClusterBench& b) { layer.execute(b, 0); });
  for (std::size_t mode = 0; mode < chip::kPeModeCount; ++mode) {
    const bool used = chip::pe_mode_name(mode) == "8x4";
    EXPECT_EQ(statistics.events.pe[mode].active_macs, used ? layer.active_macs() : 0) << mode;
    EXPECT_EQ(statistics.events.pe[mode].steps, used ? statistics.events.accumulations : 0) << mode;
  }
}

TEST_P(ClusterAccounting, power_of_two_weights_are_a_mode_of_their_own) {
  ConvolutionShape shape;
  shape.activation_bits = 16;
  shape.weight_bits = 4;
  shape.p4 = true;
  ConvolutionCase layer(shape, 3);
  const ClusterStatistics statistics =
      run_program(small_chip(), [&](ClusterBench& b) { layer.execute(b, 0); });
  const auto& pe = statistics.events.pe;
  EXPECT_EQ(pe[chip::pe_mode_index({16, 4, true, true})].active_macs, layer.active_macs());
  EXPECT_EQ(pe[chip::pe_mode_index({16, 4, true, false})].active_macs, 0u);
}

INSTANTIATE_TEST_SUITE_P(Timing, ClusterAccounting,
                         testing::Values(common::TimingMode::kApproximatelyTimed,
                                         common::TimingMode::kLooselyTimed),
                         [](const auto& info) {
                           return info.param == common::TimingMode::kApproximatelyTimed ? "at"
                                                                                        : "lt";
                         });

}  // namespace
}  // namespace tessera::npu::test
