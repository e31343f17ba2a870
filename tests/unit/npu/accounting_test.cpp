#include "npu/accounting.hpp"

#include <gtest/gtest.h>

#include <random>

#include "abi/npu_commands.hpp"

namespace tessera::npu {
namespace {

using abi::Engine;

TEST(Accounting, cycles_outside_of_an_inference_are_not_counted) {
  Accounting accounting;
  accounting.advance(100, {}, {});
  accounting.set_phase(1);
  accounting.advance(150, {}, {});
  accounting.set_phase(0);
  accounting.advance(900, {}, {});
  const ClusterStatistics statistics = accounting.statistics();
  EXPECT_EQ(statistics.cycles.total(), 50u);
  EXPECT_EQ(statistics.cycles[Cause::kHost], 50u);
  EXPECT_EQ(statistics.inferences, 1u);
}

TEST(Accounting, a_run_is_computation_first_and_bank_conflicts_last) {
  Accounting accounting;
  accounting.set_phase(1);
  accounting.compute_takes(3);
  accounting.compute_runs(70);
  accounting.advance(40, {}, {});
  accounting.advance(90, {}, {});
  const ClusterStatistics statistics = accounting.statistics();
  EXPECT_EQ(statistics.cycles[Cause::kCompute], 70u);
  EXPECT_EQ(statistics.cycles[Cause::kBank], 20u);
  ASSERT_EQ(statistics.layers.size(), 1u);
  EXPECT_EQ(statistics.layers[0].layer, 3u);
}

TEST(Accounting, waiting_for_a_working_engine_is_split_by_its_transfer) {
  Accounting accounting;
  accounting.set_phase(1);
  accounting.set_transfer_busy(Engine::kLoad, true);
  accounting.set_transfer_busy(Engine::kStore, true);
  accounting.compute_takes(0);
  accounting.compute_waits(abi::engine_bit(Engine::kLoad));
  accounting.advance(100, {60, 30}, {1, 1});
  accounting.compute_waits(abi::engine_bit(Engine::kStore));
  accounting.advance(150, {90, 50}, {6, 11});
  const ClusterStatistics statistics = accounting.statistics();
  EXPECT_EQ(statistics.cycles[Cause::kDram], 60u + 5u);
  EXPECT_EQ(statistics.cycles[Cause::kNoc], 30u + 10u);
  EXPECT_EQ(statistics.cycles[Cause::kLoad], 10u);
  EXPECT_EQ(statistics.cycles[Cause::kStore], 35u);
}

TEST(Accounting, an_idle_compute_engine_waits_for_stores_then_loads_then_commands_then_the_host) {
  Accounting accounting;
  accounting.set_phase(1);
  accounting.set_transfer_busy(Engine::kLoad, true);
  accounting.set_transfer_busy(Engine::kStore, true);
  accounting.advance(10, {}, {});
  accounting.set_transfer_busy(Engine::kStore, false);
  accounting.advance(30, {}, {});
  accounting.set_fetch_busy(true);
  accounting.advance(31, {}, {});
  accounting.set_transfer_busy(Engine::kLoad, false);
  accounting.advance(37, {}, {});
  accounting.compute_takes(0);
  accounting.compute_waits(abi::engine_bit(Engine::kLoad));
  accounting.advance(38, {}, {});
  accounting.set_fetch_busy(false);
  accounting.advance(68, {}, {});
  const ClusterStatistics statistics = accounting.statistics();
  EXPECT_EQ(statistics.cycles[Cause::kStore], 10u);
  EXPECT_EQ(statistics.cycles[Cause::kCommands], 7u);
  EXPECT_EQ(statistics.cycles[Cause::kLoad], 21u);
  EXPECT_EQ(statistics.cycles[Cause::kHost], 30u);
}

TEST(Accounting, cycles_without_a_command_belong_to_the_next_and_at_the_end_to_the_last) {
  Accounting accounting;
  accounting.set_phase(1);
  accounting.advance(5, {}, {});
  accounting.compute_takes(2);
  accounting.compute_runs(10);
  accounting.advance(15, {}, {});
  accounting.compute_idles();
  accounting.advance(22, {}, {});
  accounting.compute_takes(4);
  accounting.compute_runs(1);
  accounting.advance(23, {}, {});
  accounting.compute_idles();
  accounting.advance(43, {}, {});
  accounting.set_phase(0);
  const ClusterStatistics statistics = accounting.statistics();
  ASSERT_EQ(statistics.layers.size(), 2u);
  EXPECT_EQ(statistics.layers[0].layer, 2u);
  EXPECT_EQ(statistics.layers[0].cycles.total(), 15u);
  EXPECT_EQ(statistics.layers[1].cycles.total(), 28u);
}

TEST(Accounting, the_parts_sum_to_the_total_whatever_happens) {
  std::mt19937 random(31);
  SCOPED_TRACE("seed 31");
  for (int round = 0; round < 50; ++round) {
    Accounting accounting;
    uint64_t cycle = 0;
    uint64_t expected = 0;
    bool counting = false;
    TransferCycles load, store;
    for (int step = 0; step < 400; ++step) {
      const uint64_t elapsed = random() % 20;
      cycle += elapsed;
      if (counting) expected += elapsed;
      load.dram += random() % 15;
      load.noc += random() % 15;
      store.dram += random() % 15;
      store.noc += random() % 15;
      accounting.advance(cycle, load, store);
      switch (random() % 8) {
        case 0:
          counting = random() % 3 != 0;
          accounting.set_phase(counting ? 1 + static_cast<uint32_t>(random() % 3) : 0);
          break;
        case 1:
          accounting.compute_idles();
          break;
        case 2:
          accounting.compute_takes(static_cast<uint32_t>(random() % 5));
          break;
        case 3:
          accounting.compute_waits(static_cast<uint32_t>(random() % 8));
          break;
        case 4:
          accounting.compute_runs(random() % 30);
          break;
        case 5:
          accounting.compute_configures();
          break;
        case 6:
          accounting.set_transfer_busy(Engine::kLoad, random() % 2 != 0);
          break;
        case 7:
          accounting.set_transfer_busy(Engine::kStore, random() % 2 != 0);
          break;
      }
      const ClusterStatistics statistics = accounting.statistics();
      ASSERT_EQ(statistics.cycles.total(), expected);
      uint64_t layers = 0;
      for (const LayerStatistics& layer : statistics.layers) layers += layer.cycles.total();
      ASSERT_EQ(layers, expected);
    }
  }
}

}  // namespace
}  // namespace tessera::npu
