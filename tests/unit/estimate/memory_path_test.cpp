/// The path of the bursts against DMA engine, crossbar and DRAM as SystemC modules.

#include "estimate/memory_path.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "dma/dma_engine.hpp"
#include "memory/dram.hpp"
#include "noc/crossbar.hpp"

namespace tessera::estimate {
namespace {

constexpr uint64_t kDramBase = 0x8010'0000;
constexpr uint64_t kLocalBytes = 64 * 1024;

struct Work {
  dma::Descriptor3d descriptor;  ///< addresses relative to the DRAM
  bool is_write = false;
  uint64_t pause_cycles = 0;  ///< after the transfer before
};

std::vector<Work> random_works(unsigned seed, int count) {
  std::mt19937 random(seed);
  const auto pick = [&](uint64_t least, uint64_t most) {
    return std::uniform_int_distribution<uint64_t>(least, most)(random);
  };
  std::vector<Work> works;
  for (int i = 0; i < count; ++i) {
    Work work;
    dma::Descriptor3d& d = work.descriptor;
    d.x_bytes = pick(0, 3) == 0 ? pick(1, 6000) : pick(1, 300);
    d.y_count = pick(1, 5);
    d.z_count = pick(1, 2);
    d.y_stride = static_cast<int64_t>(d.x_bytes + pick(0, 1) * pick(1, 3000));
    d.z_stride = d.y_stride * static_cast<int64_t>(d.y_count);
    d.base_address = pick(0, 1 << 20);
    work.is_write = pick(0, 1) != 0;
    work.pause_cycles = pick(0, 3) == 0 ? pick(1, 5000) : 0;
    works.push_back(work);
  }
  return works;
}

/// The cycle in which each transfer ends, by engine, as the modules have it.
std::vector<std::vector<uint64_t>> simulate(const chip::Chip& chip,
                                            const std::vector<std::vector<Work>>& works) {
  const common::Clock clock(chip.period_ps());
  const auto engines = static_cast<unsigned>(works.size());
  noc::Crossbar crossbar("crossbar", engines, 1, clock, chip.noc);
  memory::Dram dram("dram", chip.dram, clock);
  crossbar.to_target[0].bind(dram.socket);
  crossbar.map({kDramBase, dram.size(), 0, 0});
  std::vector<std::unique_ptr<dma::DmaEngine>> dmas;
  std::vector<std::vector<uint64_t>> ends(engines);
  std::vector<std::vector<uint8_t>> locals(engines, std::vector<uint8_t>(kLocalBytes));
  for (unsigned e = 0; e < engines; ++e) {
    dmas.push_back(std::make_unique<dma::DmaEngine>(sc_core::sc_gen_unique_name("dma"), clock,
                                                    chip.dma,
                                                    common::TimingMode::kApproximatelyTimed));
    dmas[e]->socket.bind(crossbar.from_initiator[e]);
    sc_core::sc_spawn([&, e] {
      for (const Work& work : works[e]) {
        if (work.pause_cycles != 0) sc_core::wait(clock.cycles(work.pause_cycles));
        dma::Descriptor3d descriptor = work.descriptor;
        descriptor.base_address += kDramBase;
        const auto row = static_cast<int64_t>(descriptor.x_bytes);
        const auto plane = row * static_cast<int64_t>(descriptor.y_count);
        const auto result = dmas[e]->transfer(
            descriptor, work.is_write ? dma::Direction::kWrite : dma::Direction::kRead,
            {locals[e].data(), row, plane});
        EXPECT_TRUE(result.ok());
        ends[e].push_back(clock.now_cycles());
      }
    });
  }
  sc_core::sc_start();
  return ends;
}

/// The same by the estimate.
std::vector<std::vector<uint64_t>> evaluate(const chip::Chip& chip,
                                            const std::vector<std::vector<Work>>& works) {
  const auto engines = static_cast<uint32_t>(works.size());
  MemoryPath path(chip, engines);
  std::vector<std::vector<uint64_t>> ends(engines);
  std::vector<uint64_t> starts(engines);
  const auto finished = [&](uint32_t e) { return ends[e].size() == works[e].size(); };
  std::vector<bool> busy(engines, false);
  const auto next_start = [&](uint32_t e) {
    return works[e][ends[e].size()].pause_cycles + (ends[e].empty() ? 0 : ends[e].back());
  };
  while (true) {
    uint64_t first_start = kNever;
    for (uint32_t e = 0; e < engines; ++e) {
      if (busy[e] && path.done_cycle(e) != kNever) {
        ends[e].push_back(path.done_cycle(e));
        busy[e] = false;
      }
      if (!busy[e] && !finished(e)) first_start = std::min(first_start, next_start(e));
    }
    const uint64_t event = path.next_event_cycle();
    if (event == kNever && first_start == kNever) return ends;
    if (event < first_start) {
      path.perform_next_event();
      continue;
    }
    for (uint32_t e = 0; e < engines; ++e) {
      if (busy[e] || finished(e) || next_start(e) != first_start) continue;
      const Work& work = works[e][ends[e].size()];
      path.start(e, work.descriptor, work.is_write, first_start);
      busy[e] = true;
    }
  }
}

unsigned seed() {
  const char* text = std::getenv("TESSERA_SEED");
  const unsigned value = text != nullptr ? static_cast<unsigned>(std::atoi(text)) : 20261122U;
  std::cout << "TESSERA_SEED=" << value << "\n";
  return value;
}

class MemoryPathOf : public testing::TestWithParam<const char*> {};

TEST_P(MemoryPathOf, one_engine_takes_the_modules_cycles_exactly) {
  const chip::Chip chip = chip::load_chip(GetParam());
  const std::vector<std::vector<Work>> works{random_works(seed(), 300)};
  EXPECT_EQ(evaluate(chip, works), simulate(chip, works));
}

/// Who goes first in a cycle is decided otherwise here and there, which moves row conflicts from
/// one engine to the other; together they take as long.
TEST_P(MemoryPathOf, engines_that_meet_take_the_modules_cycles_within_three_percent) {
  const chip::Chip chip = chip::load_chip(GetParam());
  const unsigned first = seed();
  const std::vector<std::vector<Work>> works{random_works(first, 300),
                                             random_works(first + 1, 300)};
  const auto sum_of_ends = [](const std::vector<std::vector<uint64_t>>& ends) {
    double sum = 0;
    for (const auto& engine : ends) sum += static_cast<double>(engine.back());
    return sum;
  };
  const double expected = sum_of_ends(simulate(chip, works));
  const double got = sum_of_ends(evaluate(chip, works));
  RecordProperty("error_percent", std::to_string(100 * (got / expected - 1)));
  EXPECT_NEAR(got, expected, 0.03 * expected);
}

/// Streams from as many rows of the same banks, which the order of the bursts decides about.
TEST(MemoryPath, of_more_bursts_than_the_controller_takes_is_the_modules_exactly) {
  const chip::Chip chip = chip::load_chip("large");
  constexpr unsigned kEngines = 8;
  ASSERT_GT(kEngines * chip.dma.outstanding, memory::Dram::kQueueDepth);
  const uint64_t row_of_all_banks = uint64_t{chip.dram.row_bytes} * chip.dram.banks;
  std::vector<std::vector<Work>> works;
  for (unsigned e = 0; e < kEngines; ++e) {
    Work work;
    work.descriptor = {e * chip.dram.channels * row_of_all_banks, 60'000 + e * 100, 1, 1, 0, 0};
    works.emplace_back(5, work);
  }
  EXPECT_EQ(evaluate(chip, works), simulate(chip, works));
}

INSTANTIATE_TEST_SUITE_P(Chips, MemoryPathOf, testing::Values("edge", "reference", "large"));

TEST(MemoryPath, a_burst_alone_takes_the_sum_of_its_latencies) {
  const chip::Chip chip = chip::load_chip("reference");
  MemoryPath path(chip, 2);
  path.start(1, {0, 64, 1, 1, 0, 0}, false, 0);
  EXPECT_EQ(path.done_cycle(1), kNever);
  while (path.next_event_cycle() != kNever) path.perform_next_event();
  // 4 cycles there; a row miss of 29.974 ns on a 2 ns clock; 4 cycles and 4 beats of 16 bytes back.
  EXPECT_EQ(path.done_cycle(1), 4U + 15 + 4 + 4);
  EXPECT_EQ(path.dram().activates, 1U);
}

}  // namespace
}  // namespace tessera::estimate
