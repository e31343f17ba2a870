#include <gtest/gtest.h>

#include <tuple>
#include <vector>

#include "dma/burst_cutter.hpp"

namespace tessera::dma {
namespace {

using Cut = std::tuple<uint64_t, uint64_t, uint32_t>;  // address, offset, bytes

std::vector<Cut> cuts(const Descriptor3d& descriptor, uint32_t burst_bytes) {
  std::vector<Cut> all;
  BurstCutter cutter(descriptor, burst_bytes);
  for (Burst burst; cutter.next(burst);) {
    all.emplace_back(burst.address, burst.offset, burst.bytes);
  }
  EXPECT_TRUE(cutter.done());
  return all;
}

TEST(BurstCutter, an_aligned_row_is_cut_into_whole_bursts) {
  EXPECT_EQ(cuts({0x100, 128, 1, 1, 0, 0}, 64),
            (std::vector<Cut>{{0x100, 0, 64}, {0x140, 64, 64}}));
}

TEST(BurstCutter, no_burst_crosses_a_boundary) {
  EXPECT_EQ(cuts({0x13C, 80, 1, 1, 0, 0}, 64),
            (std::vector<Cut>{{0x13C, 0, 4}, {0x140, 4, 64}, {0x180, 68, 12}}));
}

TEST(BurstCutter, rows_with_gaps_stay_apart) {
  EXPECT_EQ(cuts({0, 8, 2, 2, 100, -16}, 64),
            (std::vector<Cut>{{0, 0, 8}, {100, 8, 8}, {uint64_t(-16), 16, 8}, {84, 24, 8}}));
}

TEST(BurstCutter, rows_that_touch_are_one_run) {
  EXPECT_EQ(cuts({0, 16, 4, 1, 16, 0}, 64), (std::vector<Cut>{{0, 0, 64}}));
  EXPECT_EQ(cuts({0, 16, 2, 2, 16, 32}, 64), (std::vector<Cut>{{0, 0, 64}})) << "planes too";
  EXPECT_EQ(cuts({0, 16, 2, 2, 16, 64}, 64), (std::vector<Cut>{{0, 0, 32}, {64, 32, 32}}));
  EXPECT_EQ(cuts({0, 16, 1, 3, 0, 16}, 64), (std::vector<Cut>{{0, 0, 48}})) << "planes of a row";
}

TEST(BurstCutter, a_repeated_row_is_read_each_time) {
  EXPECT_EQ(cuts({0x40, 4, 2, 1, 0, 0}, 64), (std::vector<Cut>{{0x40, 0, 4}, {0x40, 4, 4}}));
}

TEST(BurstCutter, an_empty_descriptor_has_no_bursts) {
  EXPECT_TRUE(cuts({0, 0, 4, 4, 0, 0}, 64).empty());
  EXPECT_TRUE(cuts({0, 4, 0, 4, 4, 0}, 64).empty());
  EXPECT_TRUE(cuts({0, 4, 4, 0, 4, 16}, 64).empty());
}

}  // namespace
}  // namespace tessera::dma
