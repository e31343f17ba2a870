#include <gtest/gtest.h>

#include <algorithm>

#include "dma/busy_account.hpp"

namespace tessera::dma {
namespace {

void expect_sums(const Breakdown& b, uint64_t dram, uint64_t noc, uint64_t other) {
  EXPECT_EQ(b.dram_cycles, dram);
  EXPECT_EQ(b.noc_cycles, noc);
  EXPECT_EQ(b.other_cycles, other);
  EXPECT_EQ(b.total_cycles, dram + noc + other);
}

TEST(BusyAccount, a_burst_is_split_at_its_stamps) {
  BusyAccount account;
  account.start(100);
  account.charge(BurstStamps{102, 106, 120, 128}, 1000);
  expect_sums(account.sums(), 14, 4 + 8, 2);
}

TEST(BusyAccount, only_the_time_after_the_last_completion_is_charged) {
  BusyAccount account;
  account.start(0);
  account.charge(BurstStamps{0, 4, 20, 28}, 100);
  account.charge(BurstStamps{1, 5, 24, 32}, 100);
  expect_sums(account.sums(), 16, 12 + 4, 0);
  account.charge(BurstStamps{2, 6, 40, 48}, 100);
  expect_sums(account.sums(), 16 + 8, 16 + 8, 0);
  account.charge(BurstStamps{3, 7, 30, 40}, 100);
  expect_sums(account.sums(), 24, 24, 0);
}

TEST(BusyAccount, a_burst_in_flight_is_charged_as_far_as_it_came) {
  const uint64_t dram[] = {0, 0, 0, 0, 0, 1, 2, 3, 3, 3, 3};
  for (uint64_t now = 0; now <= 10; ++now) {
    BusyAccount account;
    account.start(0);
    account.charge(BurstStamps{2, 4, 7, 9}, now);
    EXPECT_EQ(account.sums().dram_cycles, dram[now]) << now;
    EXPECT_EQ(account.sums().other_cycles, std::min<uint64_t>(now, 2)) << now;
    EXPECT_EQ(account.sums().total_cycles, std::min<uint64_t>(now, 9)) << now;
  }
}

TEST(BusyAccount, stamps_that_are_not_set_were_not_reached) {
  BurstStamps under_way;
  under_way.issued = 1;
  BusyAccount account;
  account.start(0);
  account.charge(under_way, 10);
  expect_sums(account.sums(), 0, 9, 1);
}

}  // namespace
}  // namespace tessera::dma
