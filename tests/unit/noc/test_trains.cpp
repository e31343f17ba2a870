/// Trains of bursts through the modules, which evaluate the network when they have to, against the
/// same network evaluated event by event.

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "dma/dma_engine.hpp"
#include "memory/dram.hpp"
#include "noc/fabric.hpp"
#include "noc/interconnect.hpp"

namespace tessera::noc {
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

/// Contiguous, up to 60,000 bytes, often long pauses.
std::vector<Work> long_works(unsigned seed, int count) {
  std::mt19937 random(seed);
  std::vector<Work> works = random_works(seed, count);
  for (Work& work : works) {
    work.descriptor = {work.descriptor.base_address, 1 + random() % 60'000, 1, 1, 0, 0};
    if (random() % 2 != 0) work.descriptor.base_address &= ~uint64_t{63};
    if (random() % 2 != 0) work.pause_cycles = random() % 20'000;
  }
  return works;
}

/// Engines and memory alone, where they are on the chip.
Layout layout_of(const chip::Chip& chip, unsigned engines) {
  Layout layout = chip_layout(chip);
  layout.initiators.erase(layout.initiators.begin());
  layout.initiators.resize(engines);
  layout.targets.resize(1);
  return layout;
}

/// The cycle in which each transfer ends, by engine, as the modules have it.
std::vector<std::vector<uint64_t>> simulate(const chip::Chip& chip,
                                            const std::vector<std::vector<Work>>& works) {
  const common::Clock clock(chip.period_ps());
  const auto engines = static_cast<unsigned>(works.size());
  Interconnect network("network", layout_of(chip, engines), clock, chip.noc);
  memory::Dram dram("dram", chip.dram, clock);
  network.attach(0, dram);
  network.map({kDramBase, dram.size(), 0, 0});
  std::vector<std::unique_ptr<dma::DmaEngine>> dmas;
  std::vector<std::vector<uint64_t>> ends(engines);
  std::vector<std::vector<uint8_t>> locals(engines, std::vector<uint8_t>(kLocalBytes));
  for (unsigned e = 0; e < engines; ++e) {
    dmas.push_back(std::make_unique<dma::DmaEngine>(sc_core::sc_gen_unique_name("dma"), clock,
                                                    chip.dma,
                                                    common::TimingMode::kApproximatelyTimed));
    dmas[e]->socket.bind(network.from_initiator[e]);
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
  memory::DramTiming dram(chip.dram);
  Fabric path(layout_of(chip, engines), chip.noc, chip.period_ps());
  path.attach_memory(0, dram);
  path.map({kDramBase, chip.dram.size_bytes, 0, 0});
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
      dma::Descriptor3d descriptor = work.descriptor;
      descriptor.base_address += kDramBase;
      path.start(e, {descriptor, chip.dma.burst_bytes, chip.dma.outstanding, work.is_write},
                 first_start);
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

class TrainsOf : public testing::TestWithParam<const char*> {};

TEST_P(TrainsOf, one_engine_takes_the_modules_cycles_exactly) {
  const chip::Chip chip = chip::load_chip(GetParam());
  const std::vector<std::vector<Work>> works{random_works(seed(), 300)};
  EXPECT_EQ(evaluate(chip, works), simulate(chip, works));
}

/// Trains of a few rows of the memory, which are timed many bursts at once while they are alone.
TEST_P(TrainsOf, long_streams_take_the_modules_cycles_exactly) {
  const chip::Chip chip = chip::load_chip(GetParam());
  const std::vector<std::vector<Work>> works{long_works(seed(), 60)};
  EXPECT_EQ(evaluate(chip, works), simulate(chip, works));
}

TEST_P(TrainsOf, long_streams_with_company_now_and_then_take_the_modules_cycles_exactly) {
  const chip::Chip chip = chip::load_chip(GetParam());
  const unsigned first = seed();
  const std::vector<std::vector<Work>> works{long_works(first, 60), long_works(first + 1, 60)};
  EXPECT_EQ(evaluate(chip, works), simulate(chip, works));
}

TEST_P(TrainsOf, engines_that_meet_take_the_modules_cycles_exactly) {
  const chip::Chip chip = chip::load_chip(GetParam());
  const unsigned first = seed();
  std::vector<std::vector<Work>> works;
  for (unsigned e = 0; e < 4; ++e) works.push_back(random_works(first + e, 300));
  EXPECT_EQ(evaluate(chip, works), simulate(chip, works));
}

/// Streams from as many rows of the same banks, which the order of the bursts decides about.
TEST(Trains, of_more_bursts_than_the_controller_takes_is_the_modules_exactly) {
  const chip::Chip chip = chip::load_chip("large");
  constexpr unsigned kEngines = 8;
  ASSERT_GT(kEngines * chip.dma.outstanding, memory::kControllerDepth);
  const uint64_t row_of_all_banks = uint64_t{chip.dram.row_bytes} * chip.dram.banks;
  std::vector<std::vector<Work>> works;
  for (unsigned e = 0; e < kEngines; ++e) {
    Work work;
    work.descriptor = {e * chip.dram.channels * row_of_all_banks, 60'000 + e * 100, 1, 1, 0, 0};
    works.emplace_back(5, work);
  }
  EXPECT_EQ(evaluate(chip, works), simulate(chip, works));
}

INSTANTIATE_TEST_SUITE_P(Chips, TrainsOf, testing::Values("edge", "reference", "large", "mesh"));

}  // namespace
}  // namespace tessera::noc
