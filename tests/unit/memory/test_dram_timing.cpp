#include <gtest/gtest.h>

#include <ostream>
#include <vector>

#include "memory/dram_timing.hpp"

namespace tessera::memory {
namespace {

/// Round numbers: rows of 256 bytes, column accesses of 64 bytes that take the bus for 5 ns.
chip::Dram round_numbers() {
  chip::Dram dram;
  dram.size_bytes = 1 << 20;
  dram.channels = 1;
  dram.banks = 2;
  dram.row_bytes = 256;
  dram.bus_bytes = 8;
  dram.data_rate_mtps = 1600;
  dram.burst_length = 8;
  dram.t_rcd_ns = 10;
  dram.t_rp_ns = 10;
  dram.t_cas_ns = 10;
  dram.t_ras_ns = 30;
  dram.t_wr_ns = 15;
  dram.t_rfc_ns = 100;
  dram.t_refi_ns = 1000;
  return dram;
}

struct Access {
  uint64_t arrival_ns;
  uint64_t address;
  uint64_t bytes;
  bool is_write;
  uint64_t done_ns;
};
struct Scenario {
  const char* name;
  std::vector<Access> accesses;
  uint64_t hits, misses, conflicts, refreshes;
};
std::ostream& operator<<(std::ostream& out, const Scenario& s) { return out << s.name; }

class DramTimingTable : public testing::TestWithParam<Scenario> {};

TEST_P(DramTimingTable, matches_the_times_computed_by_hand) {
  DramTiming timing(round_numbers());
  for (const Access& a : GetParam().accesses) {
    EXPECT_EQ(timing.schedule(a.arrival_ns * 1000, a.address, a.bytes, a.is_write),
              a.done_ns * 1000)
        << "arrival " << a.arrival_ns << " ns, address " << a.address;
  }
  const DramStatistics& s = timing.statistics();
  EXPECT_EQ(s.row_hits, GetParam().hits);
  EXPECT_EQ(s.row_misses, GetParam().misses);
  EXPECT_EQ(s.row_conflicts, GetParam().conflicts);
  EXPECT_EQ(s.activates, GetParam().misses + GetParam().conflicts);
  EXPECT_EQ(s.refreshes, GetParam().refreshes);
}

// Address 256 is in the other bank, 512 there too, in row 1, and 768 in bank 0, row 1.
const Scenario kScenarios[] = {
    // tRCD 10 + tCAS 10 + 5
    {"miss", {{0, 0, 64, false, 25}}, 0, 1, 0, 0},
    {"part_of_a_column_costs_all_of_it", {{0, 60, 4, false, 25}}, 0, 1, 0, 0},
    // tCAS 10 + 5
    {"hit", {{0, 0, 64, false, 25}, {100, 64, 64, false, 115}}, 1, 1, 0, 0},
    {"hits_follow_each_other_on_the_bus",
     {{0, 0, 64, false, 25}, {0, 64, 64, false, 30}, {0, 128, 64, false, 35}},
     2,
     1,
     0,
     0},
    {"a_long_access_is_several_columns", {{0, 0, 256, false, 40}}, 3, 1, 0, 0},
    {"an_unaligned_access_touches_two_columns", {{0, 32, 64, false, 30}}, 1, 1, 0, 0},
    // tRP 10 + tRCD 10 + tCAS 10 + 5
    {"conflict", {{0, 0, 64, false, 25}, {200, 768, 64, false, 235}}, 0, 1, 1, 0},
    // precharge at tRAS = 30: 30 + 10 + 10 + 10 + 5
    {"conflict_waits_for_tras", {{0, 0, 64, false, 25}, {25, 768, 64, false, 65}}, 0, 1, 1, 0},
    // precharge at 25 + tWR = 40
    {"conflict_waits_for_write_recovery",
     {{0, 0, 64, true, 25}, {25, 768, 64, false, 75}},
     0,
     1,
     1,
     0},
    // activated while the first is served, data right behind it
    {"another_bank_is_prepared_meanwhile",
     {{0, 0, 64, false, 25}, {0, 256, 64, false, 30}},
     0,
     2,
     0,
     0},
    {"rows_of_one_number_lie_in_banks_by_turns",
     {{0, 256, 64, false, 25}, {200, 512, 64, false, 235}},
     0,
     1,
     1,
     0},
    {"a_row_open_before_the_refresh_is_hit",
     {{0, 0, 64, false, 25}, {999, 64, 64, false, 1014}},
     1,
     1,
     0,
     0},
    // precharge 10 + tRFC 100, then a miss
    {"refresh_closes_the_row", {{0, 0, 64, false, 25}, {1000, 64, 64, false, 1135}}, 0, 2, 0, 1},
    // nothing open: 1000 + tRFC 100, then a miss
    {"refresh_of_closed_banks", {{1050, 0, 64, false, 1125}}, 0, 1, 0, 1},
    // column commands at 990, 995 and, due at 1000, after a precharge at tRAS = 1010
    {"refresh_hits_a_stream",
     {{980, 0, 64, false, 1005},
      {980, 64, 64, false, 1010},
      {980, 128, 64, false, 1145},
      {980, 192, 64, false, 1150}},
     2,
     2,
     0,
     1},
    // at 1000, 2000 ... 10000; all over at 10100
    {"refreshes_of_idle_times_are_counted", {{10500, 0, 64, false, 10525}}, 0, 1, 0, 10},
};

INSTANTIATE_TEST_SUITE_P(All, DramTimingTable, testing::ValuesIn(kScenarios),
                         [](const auto& scenario) { return std::string(scenario.param.name); });

TEST(DramTiming, channels_work_side_by_side) {
  chip::Dram config = round_numbers();
  config.channels = 2;
  DramTiming timing(config);
  EXPECT_EQ(timing.schedule(0, 0, 64, false), 25'000U);
  EXPECT_EQ(timing.schedule(0, 256, 64, false), 25'000U) << "the other channel";
  EXPECT_EQ(timing.schedule(0, 512, 64, false), 30'000U) << "channel 0, its second bank";
}

TEST(DramTiming, times_of_a_data_sheet_are_rounded_up_to_picoseconds) {
  chip::Dram config = round_numbers();
  config.t_rcd_ns = 13.32;       // exact
  config.t_cas_ns = 13.3201;     // 13321
  config.data_rate_mtps = 2400;  // 8 transfers: 3333.3
  DramTiming timing(config);
  EXPECT_EQ(timing.schedule(0, 0, 64, false), 13'320U + 13'321U + 3'334U);
}

TEST(DramTiming, transactions_and_bytes_are_counted_by_direction) {
  DramTiming timing(round_numbers());
  timing.schedule(0, 0, 100, false);
  timing.schedule(0, 0, 7, true);
  timing.schedule(0, 64, 8, true);
  EXPECT_EQ(timing.statistics().reads, 1U);
  EXPECT_EQ(timing.statistics().writes, 2U);
  EXPECT_EQ(timing.statistics().bytes_read, 100U);
  EXPECT_EQ(timing.statistics().bytes_written, 15U);
}

}  // namespace
}  // namespace tessera::memory
