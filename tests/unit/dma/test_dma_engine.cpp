#include <gtest/gtest.h>

#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <vector>

#include "chip/chip.hpp"
#include "dma/dma_engine.hpp"
#include "memory/dram.hpp"
#include "noc/interconnect.hpp"

namespace tessera::dma {
namespace {

using common::TimingMode;
using sc_core::sc_time;

constexpr uint64_t kDramBase = 0x8010'0000;

/// A DMA engine, a crossbar and DRAM, as a chip file has them.
struct System {
  System(const char* chip_name, TimingMode mode)
      : chip(chip::load_chip(chip_name)),
        clock(chip.period_ps()),
        crossbar(sc_core::sc_gen_unique_name("crossbar"), noc::crossbar_layout(1, 1), clock,
                 chip.noc),
        dram(sc_core::sc_gen_unique_name("dram"), chip.dram, clock),
        engine(sc_core::sc_gen_unique_name("engine"), clock, chip.dma, mode) {
    engine.socket.bind(crossbar.from_initiator[0]);
    crossbar.attach(0, dram);
    crossbar.map({kDramBase, dram.size(), 0, 0});
  }
  chip::Chip chip;
  common::Clock clock;
  noc::Interconnect crossbar;
  memory::Dram dram;
  DmaEngine engine;
};

void expect_exact(const Breakdown& b) {
  EXPECT_EQ(b.total_cycles, b.dram_cycles + b.noc_cycles + b.other_cycles);
}

std::string mode_name(TimingMode mode) {
  return mode == TimingMode::kApproximatelyTimed ? "at" : "lt";
}

struct Sweep {
  const char* chip;
  TimingMode mode;
  Direction direction;
};

class DmaBandwidth : public testing::TestWithParam<Sweep> {};

TEST_P(DmaBandwidth, of_a_long_transfer_is_at_least_80_percent_of_the_peak) {
  System system(GetParam().chip, GetParam().mode);
  constexpr uint64_t kBytes = 256 * 1024;
  std::vector<uint8_t> local(kBytes);
  uint64_t cycles = 0;
  sc_core::sc_spawn([&] {
    const uint64_t begin = system.clock.now_cycles();
    const TransferResult result = system.engine.transfer(
        {kDramBase, kBytes, 1, 1, 0, 0}, GetParam().direction, {local.data(), 0, 0});
    EXPECT_TRUE(result.ok());
    EXPECT_EQ(result.bytes, kBytes);
    cycles = system.clock.now_cycles() - begin;
  });
  sc_core::sc_start();
  const chip::Chip& chip = system.chip;
  const double dram_bytes_per_cycle =
      chip.dram.channels * chip.dram.bus_bytes * chip.dram.data_rate_mtps / chip.clock_mhz;
  const double peak = std::min<double>(chip.noc.width_bytes, dram_bytes_per_cycle);
  const double reached = static_cast<double>(kBytes) / static_cast<double>(cycles);
  RecordProperty("bytes_per_cycle", std::to_string(reached));
  EXPECT_LE(reached, peak);
  EXPECT_GE(reached, 0.8 * peak);
  const Breakdown busy = system.engine.breakdown_at_now();
  expect_exact(busy);
  EXPECT_EQ(busy.total_cycles, cycles);
}

constexpr TimingMode kAt = TimingMode::kApproximatelyTimed;
constexpr TimingMode kLt = TimingMode::kLooselyTimed;
INSTANTIATE_TEST_SUITE_P(All, DmaBandwidth,
                         testing::Values(Sweep{"reference", kAt, Direction::kRead},
                                         Sweep{"reference", kLt, Direction::kRead},
                                         Sweep{"reference", kAt, Direction::kWrite},
                                         Sweep{"reference", kLt, Direction::kWrite},
                                         Sweep{"edge", kAt, Direction::kRead},
                                         Sweep{"edge", kLt, Direction::kRead}),
                         [](const auto& sweep) {
                           return std::string(sweep.param.chip) + "_" +
                                  mode_name(sweep.param.mode) +
                                  (sweep.param.direction == Direction::kRead ? "_read" : "_write");
                         });

TEST(DmaEngine, a_burst_alone_takes_the_sum_of_its_latencies) {
  System at("reference", kAt);
  System lt("reference", kLt);
  uint8_t local[64];
  for (System* system : {&at, &lt}) {
    sc_core::sc_spawn([&, system] {
      system->engine.transfer({kDramBase, 64, 1, 1, 0, 0}, Direction::kRead, {local, 0, 0});
      // 2 ns clock; a row miss is 13.32 + 13.32 + 3.334 = 29.974 ns from 8 ns on, so 15 cycles.
      EXPECT_EQ(system->clock.now_cycles(), 4U + 15 + 4 + 4);
      const Breakdown busy = system->engine.breakdown_at_now();
      EXPECT_EQ(busy.total_cycles, 27U);
      EXPECT_EQ(busy.dram_cycles, 15U);
      EXPECT_EQ(busy.noc_cycles, 12U);
      EXPECT_EQ(busy.other_cycles, 0U);
    });
  }
  sc_core::sc_start();
  EXPECT_EQ(at.engine.bursts(), 1U);
}

/// A random block, its memory inside [0, window), its rows of memory apart from each other.
struct RandomBlock {
  Descriptor3d descriptor;
  LocalView local;  ///< data is an offset until a buffer is known
  uint64_t local_bytes = 0;

  template <typename Random>
  explicit RandomBlock(Random& random) {
    const auto pick = [&](uint64_t least, uint64_t most) {
      return std::uniform_int_distribution<uint64_t>(least, most)(random);
    };
    Descriptor3d& d = descriptor;
    d.x_bytes = pick(1, 150);
    d.y_count = pick(1, 6);
    d.z_count = pick(1, 4);
    const uint64_t y_step = d.x_bytes + (pick(0, 1) != 0 ? 0 : pick(1, 90));
    const uint64_t z_step = y_step * d.y_count + (pick(0, 1) != 0 ? 0 : pick(1, 500));
    const bool y_down = pick(0, 3) == 0;
    const bool z_down = pick(0, 3) == 0;
    d.y_stride = static_cast<int64_t>(y_step) * (y_down ? -1 : 1);
    d.z_stride = static_cast<int64_t>(z_step) * (z_down ? -1 : 1);
    d.base_address = kDramBase + pick(0, 200) + (y_down ? y_step * (d.y_count - 1) : 0) +
                     (z_down ? z_step * (d.z_count - 1) : 0);
    local.y_stride = static_cast<int64_t>(d.x_bytes + pick(0, 9));
    local.z_stride = local.y_stride * static_cast<int64_t>(d.y_count + pick(0, 2));
    local_bytes = static_cast<uint64_t>(local.z_stride) * d.z_count;
  }

  /// Calls f(offset in memory, offset in the local buffer) for every byte.
  template <typename Function>
  void each_byte(const Function& f) const {
    const Descriptor3d& d = descriptor;
    for (uint64_t z = 0; z < d.z_count; ++z) {
      for (uint64_t y = 0; y < d.y_count; ++y) {
        for (uint64_t x = 0; x < d.x_bytes; ++x) {
          const int64_t there = static_cast<int64_t>(d.base_address - kDramBase + x) +
                                static_cast<int64_t>(y) * d.y_stride +
                                static_cast<int64_t>(z) * d.z_stride;
          const int64_t here = static_cast<int64_t>(x) + static_cast<int64_t>(y) * local.y_stride +
                               static_cast<int64_t>(z) * local.z_stride;
          f(static_cast<size_t>(there), static_cast<size_t>(here));
        }
      }
    }
  }
};

TEST(DmaEngine, random_blocks_move_as_a_byte_by_byte_copy_in_both_timings) {
  const uint32_t seed = 20240607;
  SCOPED_TRACE("seed " + std::to_string(seed));
  constexpr size_t kWindow = 16384;
  constexpr int kBlocks = 200;
  System at("reference", kAt);
  System lt("edge", kLt);
  int finished = 0;
  const auto body = [&](System& system) {
    std::mt19937 random(seed);
    std::vector<uint8_t> memory(kWindow);
    for (auto& byte : memory) byte = static_cast<uint8_t>(random());
    std::memcpy(system.dram.data(), memory.data(), kWindow);
    for (int n = 0; n < kBlocks; ++n) {
      RandomBlock block(random);
      const Direction direction = random() % 2 == 0 ? Direction::kRead : Direction::kWrite;
      std::vector<uint8_t> local(block.local_bytes);
      for (auto& byte : local) byte = static_cast<uint8_t>(random());
      std::vector<uint8_t> expected = local;
      block.each_byte([&](size_t there, size_t here) {
        if (direction == Direction::kRead) {
          expected[here] = memory[there];
        } else {
          memory[there] = local[here];
        }
      });
      block.local.data = local.data();
      const TransferResult result =
          system.engine.transfer(block.descriptor, direction, block.local);
      ASSERT_TRUE(result.ok());
      ASSERT_EQ(result.bytes, block.descriptor.bytes());
      ASSERT_EQ(local, expected) << "block " << n;
      ASSERT_EQ(std::memcmp(memory.data(), system.dram.data(), kWindow), 0) << "block " << n;
    }
    ++finished;
  };
  sc_core::sc_spawn([&] { body(at); });
  sc_core::sc_spawn([&] { body(lt); });
  sc_core::sc_start();
  EXPECT_EQ(finished, 2);
  EXPECT_EQ(at.engine.bytes_read(), lt.engine.bytes_read());
  EXPECT_EQ(at.dram.counters().bytes_written, at.engine.bytes_written());
}

class DmaInBothTimings : public testing::TestWithParam<TimingMode> {};
INSTANTIATE_TEST_SUITE_P(All, DmaInBothTimings, testing::Values(kAt, kLt),
                         [](const auto& mode) { return mode_name(mode.param); });

TEST_P(DmaInBothTimings, the_breakdown_is_exact_and_grows_at_any_time) {
  System system("reference", GetParam());
  std::vector<uint8_t> local(64 * 1024);
  bool busy = false;
  uint64_t elapsed = 0;
  uint64_t samples = 0;
  sc_core::sc_spawn([&] {
    for (int n = 0; n < 4; ++n) {
      const uint64_t begin = system.clock.now_cycles();
      busy = true;
      system.engine.transfer({kDramBase + 24, 300, 20, 2, 9000, 100000},
                             n % 2 == 0 ? Direction::kRead : Direction::kWrite,
                             {local.data(), 300, 6000});
      busy = false;
      elapsed += system.clock.now_cycles() - begin;
      EXPECT_EQ(system.engine.breakdown_at_now().total_cycles, elapsed);
      wait(system.clock.cycles(100));
    }
    sc_core::sc_stop();
  });
  sc_core::sc_spawn([&] {
    Breakdown before;
    for (;;) {
      wait(system.clock.cycles(7));
      const bool was_busy = busy;
      const Breakdown now = system.engine.breakdown_at_now();
      expect_exact(now);
      EXPECT_GE(now.dram_cycles, before.dram_cycles);
      EXPECT_GE(now.noc_cycles, before.noc_cycles);
      EXPECT_GE(now.other_cycles, before.other_cycles);
      if (was_busy) {
        EXPECT_LE((now - before).total_cycles, 7U);
      }
      before = now;
      ++samples;
    }
  });
  sc_core::sc_start();
  EXPECT_GT(samples, 100U);
  const Breakdown all = system.engine.breakdown_at_now();
  EXPECT_EQ(all.total_cycles, elapsed);
  EXPECT_GT(all.dram_cycles, 0U);
  EXPECT_GT(all.noc_cycles, 0U);
}

TEST_P(DmaInBothTimings, a_bad_address_ends_the_transfer_and_is_named) {
  System system("reference", GetParam());
  std::vector<uint8_t> local(4096, 0xEE);
  sc_core::sc_spawn([&] {
    const uint64_t end = kDramBase + system.dram.size();
    std::memset(system.dram.data() + system.dram.size() - 128, 0x55, 128);
    TransferResult result = system.engine.transfer({end - 128, 4096, 1, 1, 0, 0}, Direction::kRead,
                                                   {local.data(), 0, 0});
    EXPECT_EQ(result.status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
    EXPECT_EQ(result.failing_address, end);
    EXPECT_EQ(result.bytes, 128U);
    EXPECT_EQ(local[127], 0x55);
    EXPECT_EQ(local[128], 0xEE);
    EXPECT_LT(system.engine.bursts(), 20U) << "the rest is not tried";
    result =
        system.engine.transfer({kDramBase, 64, 1, 1, 0, 0}, Direction::kRead, {local.data(), 0, 0});
    EXPECT_TRUE(result.ok()) << "the engine goes on";
  });
  sc_core::sc_start();
}

TEST_P(DmaInBothTimings, an_empty_transfer_takes_no_time) {
  System system("reference", GetParam());
  bool finished = false;
  sc_core::sc_spawn([&] {
    EXPECT_TRUE(system.engine.transfer({kDramBase, 0, 5, 5, 0, 0}, Direction::kWrite, {}).ok());
    EXPECT_EQ(system.clock.now_cycles(), 0U);
    finished = true;
  });
  sc_core::sc_start();
  EXPECT_TRUE(finished);
}

TEST(DmaEngine, loosely_and_approximately_timed_transfers_take_the_same_cycles) {
  System at("reference", kAt);
  System lt("reference", kLt);
  std::vector<uint8_t> local(128 * 1024);
  for (System* system : {&at, &lt}) {
    sc_core::sc_spawn([&, system] {
      for (const Direction direction : {Direction::kRead, Direction::kWrite}) {
        system->engine.transfer({kDramBase + 8, 200, 100, 5, 5000, 600000}, direction,
                                {local.data(), 200, 20000});
        system->engine.transfer({kDramBase, 100000, 1, 1, 0, 0}, direction, {local.data(), 0, 0});
      }
    });
  }
  sc_core::sc_start();
  EXPECT_GT(at.engine.breakdown_at_now().total_cycles, 4 * 100'000U / 16);
  EXPECT_EQ(lt.engine.breakdown_at_now().total_cycles, at.engine.breakdown_at_now().total_cycles);
  EXPECT_EQ(lt.engine.breakdown_at_now().dram_cycles, at.engine.breakdown_at_now().dram_cycles);
}

/// Two engines on one DRAM.
TEST(DmaEngine, two_engines_share_the_memory_fairly) {
  const chip::Chip chip = chip::load_chip("reference");
  const common::Clock clock(chip.period_ps());
  noc::Interconnect crossbar("crossbar", noc::crossbar_layout(2, 1), clock, chip.noc);
  memory::Dram dram("dram", chip.dram, clock);
  DmaEngine first("first", clock, chip.dma, kAt);
  DmaEngine second("second", clock, chip.dma, kAt);
  first.socket.bind(crossbar.from_initiator[0]);
  second.socket.bind(crossbar.from_initiator[1]);
  crossbar.attach(0, dram);
  crossbar.map({kDramBase, dram.size(), 0, 0});
  std::vector<uint8_t> local(65536);
  for (DmaEngine* engine : {&first, &second}) {
    sc_core::sc_spawn([&, engine] {
      engine->transfer({kDramBase, 65536, 1, 1, 0, 0}, Direction::kRead, {local.data(), 0, 0});
    });
  }
  sc_core::sc_start();
  const auto a = static_cast<double>(first.breakdown_at_now().total_cycles);
  const auto b = static_cast<double>(second.breakdown_at_now().total_cycles);
  EXPECT_NEAR(a / b, 1.0, 0.02);
  EXPECT_GE(a, 2 * 65536 / 16 * 0.98) << "they share the memory's port of 16 bytes a cycle";
  EXPECT_LE(a, 2 * 65536 / 16 / 0.8);
}

}  // namespace
}  // namespace tessera::dma
