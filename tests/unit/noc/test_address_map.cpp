#include <gtest/gtest.h>

#include <stdexcept>

#include "noc/address_map.hpp"

namespace tessera::noc {
namespace {

TEST(AddressMap, a_range_holds_its_first_and_last_byte_and_no_other) {
  AddressMap map;
  map.add({0x1000, 0x100, 3, 0});
  EXPECT_EQ(map.find(0xFFF, 1), nullptr);
  ASSERT_NE(map.find(0x1000, 1), nullptr);
  EXPECT_EQ(map.find(0x1000, 0x100)->output, 3U);
  EXPECT_NE(map.find(0x10FF, 1), nullptr);
  EXPECT_EQ(map.find(0x10FF, 2), nullptr) << "runs over the end";
  EXPECT_EQ(map.find(0x1100, 1), nullptr);
  EXPECT_EQ(map.find(0x10FF, UINT64_MAX), nullptr);
}

TEST(AddressMap, the_end_of_the_address_space_can_be_mapped) {
  AddressMap map;
  map.add({UINT64_MAX - 0xF, 0x10, 0, 0});
  EXPECT_NE(map.find(UINT64_MAX, 1), nullptr);
  EXPECT_EQ(map.find(UINT64_MAX, 2), nullptr);
}

TEST(AddressMap, overlaps_empty_and_wrapping_ranges_are_refused) {
  AddressMap map;
  map.add({0x1000, 0x100, 0, 0});
  EXPECT_THROW(map.add({0x10FF, 0x10, 1, 0}), std::runtime_error);
  EXPECT_THROW(map.add({0xF00, 0x101, 1, 0}), std::runtime_error);
  EXPECT_THROW(map.add({0x2000, 0, 1, 0}), std::runtime_error);
  EXPECT_THROW(map.add({UINT64_MAX, 2, 1, 0}), std::runtime_error);
  map.add({0x1100, 0x10, 1, 0});
  map.add({0xF00, 0x100, 1, 0});
  EXPECT_EQ(map.ranges().size(), 3U);
}

}  // namespace
}  // namespace tessera::noc
