#include <gtest/gtest.h>

#include <vector>

#include "memory/dram_scheduler.hpp"
#include "unit/memory/small_dram.hpp"

namespace tessera::memory {
namespace {

constexpr uint64_t kPeriodPs = 2000;
// As far away as the next row of bank 0: behind that of all banks, in the second place.
constexpr uint64_t kNextRow = 4 * 1024 + 1024;

struct Scheduler : testing::Test {
  DramTiming timing{small_dram()};
  DramScheduler scheduler{timing, 0, kPeriodPs};

  void push(uint64_t tag, uint64_t arrival_cycle, uint64_t address) {
    DramScheduler::Access access;
    access.arrival_cycle = arrival_cycle;
    access.address = address;
    access.bytes = 64;
    access.tag = tag;
    scheduler.push(access);
  }
  /// Serves the next and returns its tag.
  uint64_t next() {
    const auto served = scheduler.serve(scheduler.choice_cycle());
    done_cycle = served.done_cycle;
    return served.access.tag;
  }
  uint64_t done_cycle = 0;
};

TEST_F(Scheduler, an_access_alone_takes_the_time_of_the_data_sheet_from_its_arrival) {
  push(1, 7, 0);
  EXPECT_EQ(scheduler.choice_cycle(), 7U);
  EXPECT_EQ(next(), 1U);
  EXPECT_EQ(done_cycle, 7U + 13) << "25 ns";
  EXPECT_TRUE(scheduler.empty());
}

TEST_F(Scheduler, an_open_row_goes_before_an_older_access_to_another) {
  push(1, 0, 0);
  push(2, 1, kNextRow);
  push(3, 1, 64);
  EXPECT_EQ(next(), 1U);
  EXPECT_EQ(next(), 3U);
  EXPECT_EQ(done_cycle, 15U) << "right behind the first: 25 + 5 ns";
  EXPECT_EQ(next(), 2U);
  EXPECT_EQ(done_cycle, 33U) << "open for 30 ns, then 10 + 10 + 10 + 5";
  EXPECT_EQ(timing.statistics().row_conflicts, 1U);
}

TEST_F(Scheduler, what_has_not_arrived_is_not_chosen) {
  push(1, 0, 0);
  push(2, 1, kNextRow);
  push(3, 40, 64);
  EXPECT_EQ(next(), 1U);
  EXPECT_EQ(next(), 2U);
  EXPECT_EQ(next(), 3U);
}

TEST_F(Scheduler, of_two_that_are_as_ready_the_first_goes_first) {
  push(1, 0, 0);
  push(2, 0, 128);
  push(3, 0, 64);
  EXPECT_EQ(next(), 1U);
  EXPECT_EQ(next(), 2U);
  EXPECT_EQ(next(), 3U);
}

TEST_F(Scheduler, the_choice_waits_until_a_row_could_just_be_opened_in_time) {
  for (uint64_t tag = 0; tag < 10; ++tag) push(tag, 0, 64 * tag);
  for (int served = 0; served < 3; ++served) next();
  // The bus is free at 35 ns; precharge, activation and column command take 30.
  EXPECT_EQ(scheduler.choice_cycle(), 2U);
}

TEST_F(Scheduler, nothing_is_passed_over_more_often_than_the_limit) {
  push(100, 0, 0);
  push(200, 0, kNextRow);
  for (uint64_t tag = 0; tag < 40; ++tag) push(tag, 0, 64 * (tag % 16));
  EXPECT_EQ(next(), 100U);
  uint32_t passes = 0;
  while (next() != 200) ++passes;
  EXPECT_EQ(passes, DramScheduler::kMostPasses);
}

}  // namespace
}  // namespace tessera::memory
