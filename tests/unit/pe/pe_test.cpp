#include "pe/pe.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>

#include "pe/mode.hpp"

namespace tessera::pe {
namespace {

/// The seed of a random test: TESSERA_TEST_SEED, or a fixed one. Printed when a test fails.
uint64_t test_seed() {
  const char* text = std::getenv("TESSERA_TEST_SEED");
  return text == nullptr ? 20240607U : std::strtoull(text, nullptr, 0);
}

/// What a step is by definition: plain products, lane by lane.
struct Expected {
  int64_t sum = 0;
  int gated_lanes = 0;
};

int lane_count_of(const abi::PeMode& mode) {
  return (16 / mode.activation_bits) * (16 / mode.weight_bits);
}

int p4_weight(int code) {
  static const int kWeights[16] = {64, 32, 16, 8, 4, 2, 1, 0, -64, -32, -16, -8, -4, -2, -1, 0};
  return kWeights[code & 15];
}

Expected direct(const abi::PeMode& mode, const std::vector<int32_t>& activations,
                const std::vector<int32_t>& weights) {
  Expected expected;
  for (std::size_t l = 0; l < activations.size(); ++l) {
    const int64_t weight = mode.p4 ? p4_weight(weights[l]) : weights[l];
    expected.sum += activations[l] * weight;
    if (activations[l] == 0 || weight == 0) ++expected.gated_lanes;
  }
  return expected;
}

class EveryMode : public testing::TestWithParam<abi::PeMode> {
 protected:
  int activation_low() const {
    return GetParam().activation_signed ? -(1 << (GetParam().activation_bits - 1)) : 0;
  }
  int activation_high() const { return activation_low() + (1 << GetParam().activation_bits) - 1; }
  /// p4 weights are drawn as codes 0..15.
  int weight_low() const { return GetParam().p4 ? 0 : -(1 << (GetParam().weight_bits - 1)); }
  int weight_high() const { return weight_low() + (1 << GetParam().weight_bits) - 1; }

  LaneSum multiply(const std::vector<int32_t>& activations, const std::vector<int32_t>& weights) {
    const FusedMultiplier multiplier(GetParam());
    return multiplier.multiply(
        pack(activations, GetParam().activation_bits, GetParam().activation_signed),
        pack(weights, GetParam().weight_bits, !GetParam().p4));
  }
};

TEST_P(EveryMode, sums_the_lane_products_of_random_operands) {
  const uint64_t seed = test_seed();
  SCOPED_TRACE("TESSERA_TEST_SEED=" + std::to_string(seed));
  std::mt19937_64 random(seed);
  std::uniform_int_distribution<int> activation(activation_low(), activation_high());
  std::uniform_int_distribution<int> weight(weight_low(), weight_high());
  for (int vector = 0; vector < 2000; ++vector) {
    std::vector<int32_t> activations;
    std::vector<int32_t> weights;
    for (int lane = 0; lane < lane_count_of(GetParam()); ++lane) {
      activations.push_back(random() % 4 == 0 ? 0 : activation(random));
      weights.push_back(weight(random));
    }
    const Expected expected = direct(GetParam(), activations, weights);
    const LaneSum got = multiply(activations, weights);
    ASSERT_EQ(got.sum, expected.sum) << mode_name(GetParam()) << " vector " << vector;
    ASSERT_EQ(got.gated_lanes, expected.gated_lanes) << mode_name(GetParam());
  }
}

TEST_P(EveryMode, multiplies_every_pair_of_extremes_in_every_lane_alone) {
  const std::vector<int> activations = {activation_low(), activation_high(), 0, 1,
                                        activation_low() + 1};
  const std::vector<int> weights = {weight_low(),          weight_high(), weight_high() / 2, 0, 1,
                                    GetParam().p4 ? 8 : -1};
  const auto lane_count = static_cast<std::size_t>(lane_count_of(GetParam()));
  for (std::size_t lane = 0; lane < lane_count; ++lane) {
    for (const int a : activations) {
      for (const int w : weights) {
        std::vector<int32_t> a_lanes(lane_count, 0);
        std::vector<int32_t> w_lanes(lane_count, GetParam().p4 ? 7 : 0);
        a_lanes[lane] = a;
        w_lanes[lane] = w;
        const Expected expected = direct(GetParam(), a_lanes, w_lanes);
        ASSERT_EQ(multiply(a_lanes, w_lanes).sum, expected.sum)
            << mode_name(GetParam()) << " lane " << lane << ": " << a << " * " << w;
      }
    }
  }
}

TEST_P(EveryMode, sums_the_largest_magnitudes_in_all_lanes) {
  const auto lane_count = static_cast<std::size_t>(lane_count_of(GetParam()));
  for (const int a : {activation_low(), activation_high()}) {
    for (const int w : {weight_low(), weight_high(), GetParam().p4 ? 8 : 0}) {
      const std::vector<int32_t> a_lanes(lane_count, a);
      const std::vector<int32_t> w_lanes(lane_count, w);
      ASSERT_EQ(multiply(a_lanes, w_lanes).sum, direct(GetParam(), a_lanes, w_lanes).sum)
          << mode_name(GetParam()) << ": " << a << " * " << w;
    }
  }
}

TEST_P(EveryMode, ignores_word_bits_above_its_lanes) {
  const OperandWord ones{~uint64_t{0}, ~uint64_t{0}};
  const FusedMultiplier multiplier(GetParam());
  const LaneSum clean = multiplier.multiply(low_bits(ones, abi::activation_word_bits(GetParam())),
                                            low_bits(ones, abi::weight_word_bits(GetParam())));
  const LaneSum dirty = multiplier.multiply(ones, ones);
  EXPECT_EQ(dirty.sum, clean.sum);
  EXPECT_EQ(dirty.gated_lanes, clean.gated_lanes);
}

INSTANTIATE_TEST_SUITE_P(FusedMultiplier, EveryMode, testing::ValuesIn(all_modes()),
                         [](const auto& info) { return mode_name(info.param); });

TEST(Brick, multiplies_two_digits_of_any_sign) {
  for (unsigned a = 0; a < 4; ++a) {
    for (unsigned w = 0; w < 4; ++w) {
      const int sa = a < 2 ? static_cast<int>(a) : static_cast<int>(a) - 4;
      const int sw = w < 2 ? static_cast<int>(w) : static_cast<int>(w) - 4;
      EXPECT_EQ(brick(a, false, w, false), static_cast<int>(a * w));
      EXPECT_EQ(brick(a, true, w, false), sa * static_cast<int>(w));
      EXPECT_EQ(brick(a, false, w, true), static_cast<int>(a) * sw);
      EXPECT_EQ(brick(a, true, w, true), sa * sw);
    }
  }
}

TEST(ShiftAddCell, scales_a_digit_by_every_code) {
  for (int code = 0; code < 16; ++code) {
    for (int digit = 0; digit < 4; ++digit) {
      const auto raw = static_cast<unsigned>(digit);
      const int as_signed = digit < 2 ? digit : digit - 4;
      EXPECT_EQ(shift_add_cell(raw, false, static_cast<unsigned>(code)), digit * p4_weight(code));
      EXPECT_EQ(shift_add_cell(raw, true, static_cast<unsigned>(code)),
                as_signed * p4_weight(code));
    }
  }
}

TEST(Pe, accumulates_until_it_is_cleared) {
  Pe pe({8, 8, false, false});
  const OperandWord a = pack({1, 2, 3, 4}, 8, false);
  pe.step(a, pack({1, 1, 1, -1}, 8, true));
  EXPECT_EQ(pe.accumulator(), 2);
  pe.step(a, pack({-10, 0, 0, 0}, 8, true));
  EXPECT_EQ(pe.accumulator(), -8);
  pe.clear();
  EXPECT_EQ(pe.accumulator(), 0);
}

TEST(Pe, keeps_its_accumulator_when_the_mode_changes) {
  Pe pe({16, 16, true, false});
  pe.step(pack({-300}, 16, true), pack({1000}, 16, true));
  pe.set_mode({2, 4, false, true});
  std::vector<int32_t> activations(32, 3);
  pe.step(pack(activations, 2, false), pack(std::vector<int32_t>(32, 8), 4, false));
  EXPECT_EQ(pe.accumulator(), -300 * 1000 - 32 * 3 * 64);
}

TEST(Pe, wraps_at_48_bits_and_keeps_the_overflow_flag_until_cleared) {
  Pe pe({16, 16, true, false});
  const OperandWord most_negative = pack({-32768}, 16, true);
  for (int step = 0; step < (1 << 17) - 1; ++step) pe.step(most_negative, most_negative);
  EXPECT_EQ(pe.accumulator(), (int64_t{1} << 47) - (int64_t{1} << 30));
  EXPECT_FALSE(pe.overflow());
  pe.step(most_negative, most_negative);
  EXPECT_EQ(pe.accumulator(), -(int64_t{1} << 47));
  EXPECT_TRUE(pe.overflow());
  pe.step(pack({1}, 16, true), pack({1}, 16, true));
  EXPECT_TRUE(pe.overflow());
  pe.clear();
  EXPECT_FALSE(pe.overflow());
}

TEST(Pe, reports_overflow_below_the_range_too) {
  Pe pe({16, 16, false, false});
  const OperandWord a = pack({65535}, 16, false);
  const OperandWord w = pack({-32768}, 16, true);
  const int64_t product = int64_t{65535} * -32768;
  const int64_t steps_in_range = -(int64_t{1} << 47) / product;
  for (int64_t step = 0; step < steps_in_range; ++step) pe.step(a, w);
  EXPECT_EQ(pe.accumulator(), steps_in_range * product);
  EXPECT_FALSE(pe.overflow());
  pe.step(a, w);
  EXPECT_TRUE(pe.overflow());
  EXPECT_EQ(pe.accumulator(), (steps_in_range + 1) * product + (int64_t{1} << 48));
}

TEST(Pe, counts_gated_lanes_over_steps) {
  Pe pe({8, 8, false, false});
  EXPECT_EQ(pe.step(pack({0, 5, 0, 7}, 8, false), pack({1, 0, 0, 1}, 8, true)).gated_lanes, 3);
  EXPECT_EQ(pe.step(pack({1, 1, 1, 1}, 8, false), pack({1, 1, 1, 1}, 8, true)).gated_lanes, 0);
  EXPECT_EQ(pe.gated_lanes(), 3U);
  EXPECT_EQ(pe.stepped_lanes(), 8U);
}

TEST(Pe, refuses_an_impossible_mode) {
  EXPECT_THROW(Pe({8, 5, false, false}), ModeError);
  Pe pe({8, 8, false, false});
  EXPECT_THROW(pe.set_mode({8, 8, false, true}), ModeError);
}

}  // namespace
}  // namespace tessera::pe
