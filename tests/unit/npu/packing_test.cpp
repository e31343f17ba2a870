#include "npu/packing.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "abi/number_formats.hpp"
#include "npu/scratchpad.hpp"

namespace tessera::npu {
namespace {

/// Bit by bit.
int32_t element_at(const std::vector<uint8_t>& bytes, std::size_t index, int bits) {
  int32_t raw = 0;
  for (int b = 0; b < bits; ++b) {
    const std::size_t bit = index * static_cast<std::size_t>(bits) + static_cast<std::size_t>(b);
    raw |= (bytes[bit / 8] >> (bit % 8) & 1) << b;
  }
  return raw;
}

TEST(Packing, every_element_unpacks_to_its_bits) {
  std::mt19937 random(5);
  SCOPED_TRACE("seed 5");
  std::vector<uint8_t> bytes(200);
  for (auto& byte : bytes) byte = static_cast<uint8_t>(random());
  for (const int bits : {2, 4, 8, 16}) {
    for (const bool is_signed : {false, true}) {
      for (const std::size_t count : {1u, 3u, 4u, 31u, 99u}) {
        std::vector<int16_t> out(count + 1, 0x7A7A);
        unpack(bytes.data(), count, bits,
               is_signed ? ElementFormat::kSigned : ElementFormat::kUnsigned, out.data());
        for (std::size_t i = 0; i < count; ++i) {
          int32_t expected = element_at(bytes, i, bits);
          if (is_signed && (expected >> (bits - 1) & 1) != 0) expected -= 1 << bits;
          ASSERT_EQ(element_value(out[i], bits, is_signed), expected) << bits << " bits, at " << i;
        }
        EXPECT_EQ(out[count], 0x7A7A) << "wrote past the end";
      }
    }
  }
}

TEST(Packing, power_of_two_codes_unpack_to_their_integers) {
  const uint8_t bytes[] = {0x70, 0x8F, 0x16};
  int16_t out[6];
  unpack(bytes, 6, 4, ElementFormat::kP4, out);
  const unsigned codes[] = {0x0, 0x7, 0xF, 0x8, 0x6, 0x1};
  for (int i = 0; i < 6; ++i) EXPECT_EQ(out[i], abi::p4_decode(codes[i]));
  EXPECT_EQ(out[0], 64);
  EXPECT_EQ(out[3], -64);
}

TEST(Packing, elements_put_come_back) {
  std::mt19937 random(6);
  SCOPED_TRACE("seed 6");
  for (const int bits : {2, 4, 8, 16}) {
    std::vector<uint8_t> bytes(packed_bytes(37, bits), 0);
    std::vector<int32_t> values(37);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<int32_t>(random() & ((1U << bits) - 1));
      put_element(bytes.data(), i, bits, i % 2 != 0 ? values[i] : values[i] - (1 << bits));
    }
    for (std::size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(element_at(bytes, i, bits), values[i]);
    }
  }
}

TEST(LocalMemories, ranges_are_found_only_where_memory_is) {
  chip::Scratchpads sizes;
  sizes.activation_bytes = 1024;
  sizes.weight_bytes = 2048;
  sizes.output_bytes = 512;
  sizes.parameter_bytes = 64;
  LocalMemories memories(sizes);
  EXPECT_EQ(memories.memory_at(0, 1024), Memory::kActivations);
  EXPECT_EQ(memories.memory_at(0, 1025), std::nullopt);
  EXPECT_EQ(memories.memory_at(0x0100'0000 + 2000, 48), Memory::kWeights);
  EXPECT_EQ(memories.memory_at(0x0200'0000, 1), Memory::kOutputs);
  EXPECT_EQ(memories.memory_at(0x0300'0000 + 64, 1), std::nullopt);
  EXPECT_EQ(memories.memory_at(0x0400'0000, 1), std::nullopt);
  EXPECT_EQ(memories.memory_at(UINT64_MAX, 1), std::nullopt);
  EXPECT_EQ(memories.first_bad_address(1000, 100), 1024u);
  EXPECT_EQ(memories.first_bad_address(0x0400'0010, 100), 0x0400'0010u);
  *memories.at(0x0200'0000) = 7;
  EXPECT_EQ(*memories.at(0x0200'0000), 7);
  EXPECT_EQ(*memories.at(0), 0);
}

}  // namespace
}  // namespace tessera::npu
