#include "deploy/packing.hpp"

#include <gtest/gtest.h>

#include "abi/number_formats.hpp"
#include "fuzz/network/random_graph.hpp"

namespace tessera::deploy {
namespace {

graph::IntegerTensor format_of(int64_t channels, int64_t height, int64_t width, int bits,
                               bool is_signed) {
  return {"map", channels, height, width, bits, is_signed, 1};
}

std::vector<int32_t> random_values(const graph::IntegerTensor& f, fuzz::Random& random) {
  std::vector<int32_t> values(static_cast<size_t>(f.channels * f.height * f.width));
  const int32_t low = abi::min_value(f.bits, f.is_signed);
  const int32_t high = abi::max_value(f.bits, f.is_signed);
  for (int32_t& v : values) v = static_cast<int32_t>(random.pick(low, high));
  values.front() = low;
  values.back() = high;
  return values;
}

/// Each width and sign with 1 to 9 channels.
template <class Check>
void for_every_format(const Check& check) {
  fuzz::Random random(1);
  for (const int bits : {2, 4, 8, 16}) {
    for (const bool is_signed : {false, true}) {
      for (int64_t channels = 1; channels <= 9; ++channels) {
        SCOPED_TRACE(testing::Message()
                     << bits << " bits, signed " << is_signed << ", " << channels << " channels");
        check(format_of(channels, 3, 5, bits, is_signed), random);
      }
    }
  }
}

TEST(Packing, activations_of_every_width_sign_and_channel_count_come_back) {
  for_every_format([](const graph::IntegerTensor& f, fuzz::Random& random) {
    const auto values = random_values(f, random);
    const auto bytes = pack_activations(f, values);
    EXPECT_EQ(unpack_activations(f, bytes.data()), values);
  });
}

TEST(Packing, element_c_of_pixel_p_starts_at_bit_c_times_width_of_its_pixel) {
  for_every_format([](const graph::IntegerTensor& f, fuzz::Random& random) {
    const auto values = random_values(f, random);
    const auto bytes = pack_activations(f, values);
    const int64_t pixels = f.height * f.width;
    const int64_t pixel_bits = (f.channels * f.bits + 7) / 8 * 8;
    ASSERT_EQ(static_cast<int64_t>(bytes.size()) * 8, pixels * pixel_bits);
    for (int64_t p = 0; p < pixels; ++p) {
      for (int64_t i = 0; i < pixel_bits; ++i) {
        const int64_t at = p * pixel_bits + i;
        const int bit = bytes[static_cast<size_t>(at / 8)] >> (at % 8) & 1;
        const int64_t c = i / f.bits;
        const int32_t value =
            c < f.channels ? values[static_cast<size_t>(c * pixels + p)] : 0;  // filling the byte
        ASSERT_EQ(bit, value >> (i % f.bits) & 1) << "pixel " << p << ", bit " << i;
      }
    }
  });
}

TEST(Packing, pixels_are_whole_bytes_and_count_the_elements_that_fill_them) {
  EXPECT_EQ(pixel_bytes(3, 2), 1U);
  EXPECT_EQ(pixel_bytes(5, 2), 2U);
  EXPECT_EQ(pixel_bytes(3, 4), 2U);
  EXPECT_EQ(pixel_bytes(3, 16), 6U);
  EXPECT_EQ(pixel_elements(3, 2), 4U);
  EXPECT_EQ(pixel_elements(5, 2), 8U);
  EXPECT_EQ(pixel_elements(3, 4), 4U);
  EXPECT_EQ(pixel_elements(3, 8), 3U);
}

TEST(Packing, a_weight_that_p4_cannot_hold_is_refused_by_layer_and_value) {
  graph::IntegerLayer conv;
  conv.name = "stem";
  conv.weight_bits = 4;
  conv.p4 = true;
  conv.weights = {4, 3};
  conv.bias = {0};
  conv.rescale = {{1, 0}};
  try {
    pack_weights(conv, format_of(2, 1, 1, 8, false), {1, 1, 2}, 8, 16);
    FAIL() << "3 is no power of two";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("stem"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("weight 3"), std::string::npos);
  }
}

}  // namespace
}  // namespace tessera::deploy
