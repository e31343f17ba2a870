#include "pe/operand_word.hpp"

#include <gtest/gtest.h>

#include <stdexcept>

namespace tessera::pe {
namespace {

TEST(OperandWord, lane_l_occupies_the_bits_from_l_times_the_width) {
  const OperandWord word = pack({0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99}, 8, false);
  EXPECT_EQ(word.low, 0x8877665544332211U);
  EXPECT_EQ(word.high, 0x99U);
}

TEST(OperandWord, negative_lanes_do_not_spill_into_their_neighbours) {
  const OperandWord word = pack({-1, 0, -2, 1}, 4, true);
  EXPECT_EQ(word.low, 0x1E0FU);
  EXPECT_EQ(unpack(word, 4, 4, true), (std::vector<int32_t>{-1, 0, -2, 1}));
  EXPECT_EQ(unpack(word, 4, 4, false), (std::vector<int32_t>{15, 0, 14, 1}));
}

TEST(OperandWord, every_value_of_every_width_survives_packing_in_every_lane) {
  for (const int bits : {2, 4, 8, 16}) {
    for (const bool is_signed : {false, true}) {
      const int lane_count = 128 / bits;
      const int low = is_signed ? -(1 << (bits - 1)) : 0;
      const int step = bits == 16 ? 251 : 1;
      for (int value = low; value < low + (1 << bits); value += step) {
        for (int lane = 0; lane < lane_count; ++lane) {
          OperandWord word{~uint64_t{0}, ~uint64_t{0}};
          set_lane(word, lane, bits, value);
          ASSERT_EQ(lane_value(word, lane, bits, is_signed), value)
              << bits << " bits, lane " << lane;
          set_lane(word, lane, bits, -1);
          ASSERT_EQ(word, (OperandWord{~uint64_t{0}, ~uint64_t{0}})) << "a neighbour changed";
        }
      }
    }
  }
}

TEST(OperandWord, a_value_that_does_not_fit_is_refused) {
  EXPECT_THROW(pack({4}, 2, false), std::out_of_range);
  EXPECT_THROW(pack({-1}, 2, false), std::out_of_range);
  EXPECT_THROW(pack({2}, 2, true), std::out_of_range);
  EXPECT_THROW(pack({0}, 3, true), std::out_of_range);
  EXPECT_THROW(pack(std::vector<int32_t>(9, 0), 16, true), std::out_of_range);
  EXPECT_THROW(unpack({}, 9, 16, true), std::out_of_range);
  EXPECT_NO_THROW(pack(std::vector<int32_t>(8, -32768), 16, true));
}

TEST(OperandWord, low_bits_and_flip_bit_reach_both_halves) {
  const OperandWord ones{~uint64_t{0}, ~uint64_t{0}};
  EXPECT_EQ(low_bits(ones, 0), OperandWord{});
  EXPECT_EQ(low_bits(ones, 16), (OperandWord{0xFFFF, 0}));
  EXPECT_EQ(low_bits(ones, 64), (OperandWord{~uint64_t{0}, 0}));
  EXPECT_EQ(low_bits(ones, 65), (OperandWord{~uint64_t{0}, 1}));
  EXPECT_EQ(low_bits(ones, 128), ones);
  EXPECT_EQ(flip_bit({}, 63), (OperandWord{uint64_t{1} << 63, 0}));
  EXPECT_EQ(flip_bit({}, 64), (OperandWord{0, 1}));
}

}  // namespace
}  // namespace tessera::pe
