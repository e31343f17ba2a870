#include "npu/rescale.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "abi/number_formats.hpp"

namespace tessera::npu {
namespace {

__extension__ using Int128 = __int128;

Int128 floor_shift(Int128 value, int shift) {
  const Int128 divisor = Int128{1} << shift;
  const Int128 quotient = value / divisor;
  return value % divisor < 0 ? quotient - 1 : quotient;
}

struct Clamped {
  int32_t value;
  bool saturated;
};

Clamped naive_clamp(Int128 value, int32_t low, int32_t high) {
  if (value > high) return {high, true};
  if (value < low) return {low, low != 0};
  return {static_cast<int32_t>(value), false};
}

constexpr Rescaling kSigned8{false, 99, 5, -128, 127};

struct Channel {
  std::vector<int64_t> accumulators;
  std::vector<uint32_t> positions;
  abi::ChannelParameters parameters{};
};

Channel random_channel(std::mt19937_64& random, int magnitude_bits, int shift) {
  Channel channel;
  for (uint32_t p = 0; p < 64; ++p) {
    const auto value = static_cast<int64_t>(random() >> (65 - magnitude_bits));
    channel.accumulators.push_back(random() % 2 != 0 ? value : -value);
    channel.positions.push_back(static_cast<uint32_t>(random()));
  }
  channel.parameters.bias = static_cast<int32_t>(random());
  channel.parameters.multiplier = static_cast<uint16_t>(random());
  channel.parameters.shift = static_cast<uint8_t>(shift);
  return channel;
}

TEST(Rescale, is_exact_for_every_shift_and_both_roundings) {
  std::mt19937_64 random(21);
  SCOPED_TRACE("seed 21");
  for (const bool stochastic : {false, true}) {
    for (int shift = 0; shift <= 47; ++shift) {
      for (const int magnitude : {10, 20, 32, 47, 48}) {
        Rescaling rescaling = kSigned8;
        rescaling.stochastic = stochastic;
        const Channel channel = random_channel(random, magnitude, shift);
        std::vector<int32_t> values(64);
        const uint64_t counted =
            rescale(rescaling, channel.parameters, 2, channel.accumulators.data(),
                    channel.positions.data(), 64, values.data());
        uint64_t saturations = 0;
        for (std::size_t p = 0; p < 64; ++p) {
          Int128 addend = shift == 0 ? 0 : Int128{1} << (shift - 1);
          if (stochastic) {
            const uint32_t hash = abi::rounding_hash(99, 7, channel.positions[p]);
            addend = floor_shift(static_cast<Int128>(hash) << shift, 32);
          }
          const Int128 product =
              (static_cast<Int128>(channel.accumulators[p]) + channel.parameters.bias) *
              channel.parameters.multiplier;
          const Clamped expected = naive_clamp(floor_shift(product + addend, shift), -128, 127);
          ASSERT_EQ(values[p], expected.value) << "shift " << shift;
          saturations += expected.saturated;
        }
        ASSERT_EQ(counted, saturations);
      }
    }
  }
}

TEST(Rescale, the_largest_sums_do_not_wrap) {
  const int64_t largest = (int64_t{1} << 47) - 1;
  const int64_t accumulators[] = {largest, -largest - 1};
  const uint32_t positions[2] = {};
  int32_t values[2];
  rescale(kSigned8, {INT32_MAX, 65535, 47, 0}, 0, accumulators, positions, 2, values);
  EXPECT_EQ(values[0], 127);
  EXPECT_EQ(values[1], -128);
}

TEST(Rescale, halves_round_up_on_both_sides_of_zero) {
  const int64_t accumulators[] = {3, -3, 1, -1, 2, -2};
  const uint32_t positions[6] = {};
  int32_t values[6];
  rescale(kSigned8, {0, 1, 1, 0}, 0, accumulators, positions, 6, values);
  EXPECT_EQ(std::vector<int32_t>(values, values + 6), (std::vector<int32_t>{2, -1, 1, 0, 1, -1}));
}

TEST(Rescale, what_relu_cuts_off_is_no_saturation) {
  Rescaling rescaling = kSigned8;
  rescaling.low = 0;
  const int64_t accumulators[] = {-500, 500, -1, 127};
  const uint32_t positions[4] = {};
  int32_t values[4];
  const uint64_t saturations =
      rescale(rescaling, {0, 1, 0, 0}, 0, accumulators, positions, 4, values);
  EXPECT_EQ(std::vector<int32_t>(values, values + 4), (std::vector<int32_t>{0, 127, 0, 127}));
  EXPECT_EQ(saturations, 1u);
}

}  // namespace
}  // namespace tessera::npu
