#include "deploy/weight_coding.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <queue>
#include <random>

namespace tessera::deploy {
namespace {

using Frequencies = std::array<uint64_t, abi::kMaxSymbols>;

uint64_t cost_bits(const Frequencies& frequencies, const CodeLengths& lengths) {
  uint64_t bits = 0;
  for (size_t i = 0; i < frequencies.size(); ++i) bits += frequencies[i] * lengths[i];
  return bits;
}

/// Sum over the codes of 2^-length, times 2^kMaxCodeBits.
uint64_t kraft(const CodeLengths& lengths) {
  uint64_t sum = 0;
  for (const uint8_t length : lengths) {
    if (length != 0) sum += uint64_t{1} << (abi::kMaxCodeBits - length);
  }
  return sum;
}

/// Bits of Huffman's code, of any length: the sum of the weights of its inner nodes.
uint64_t unlimited_bits(const Frequencies& frequencies) {
  std::priority_queue<uint64_t, std::vector<uint64_t>, std::greater<>> queue;
  for (const uint64_t f : frequencies) {
    if (f != 0) queue.push(f);
  }
  uint64_t bits = 0;
  while (queue.size() > 1) {
    const uint64_t first = queue.top();
    queue.pop();
    const uint64_t second = queue.top();
    queue.pop();
    bits += first + second;
    queue.push(first + second);
  }
  return bits;
}

TEST(BestCode, is_as_short_as_huffmans_where_that_fits_the_limit) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 50; ++round) {
    Frequencies frequencies = {};
    const size_t symbols = 2 + random() % 255;
    for (size_t i = 0; i < symbols; ++i) frequencies[i] = 1000 + random() % 1000;
    const CodeLengths lengths = best_code(frequencies);
    EXPECT_EQ(cost_bits(frequencies, lengths), unlimited_bits(frequencies)) << "round " << round;
    EXPECT_EQ(kraft(lengths), uint64_t{1} << abi::kMaxCodeBits);
  }
}

/// Least cost of codes of `symbols` descending frequencies with the leaves left at a depth.
uint64_t least_cost(const std::vector<uint64_t>& frequencies, size_t symbol, uint32_t depth,
                    uint64_t open) {
  if (symbol == frequencies.size()) return 0;
  uint64_t best = UINT64_MAX;
  for (uint32_t length = depth; length <= abi::kMaxCodeBits; ++length) {
    const uint64_t places = open << (length - depth);
    if (places == 0 || places > uint64_t{1} << abi::kMaxCodeBits) continue;
    const uint64_t rest = least_cost(frequencies, symbol + 1, length, places - 1);
    if (rest != UINT64_MAX) best = std::min(best, rest + frequencies[symbol] * length);
  }
  return best;
}

TEST(BestCode, is_the_shortest_within_the_limit) {
  // Fibonacci numbers make Huffman's code as deep as it has symbols.
  std::vector<uint64_t> fibonacci = {1, 1};
  while (fibonacci.size() < 15) {
    fibonacci.push_back(fibonacci[fibonacci.size() - 1] + fibonacci[fibonacci.size() - 2]);
  }
  std::reverse(fibonacci.begin(), fibonacci.end());
  Frequencies frequencies = {};
  for (size_t i = 0; i < fibonacci.size(); ++i) frequencies[7 * i] = fibonacci[i];
  const CodeLengths lengths = best_code(frequencies);
  EXPECT_EQ(*std::max_element(lengths.begin(), lengths.end()), abi::kMaxCodeBits);
  EXPECT_GT(cost_bits(frequencies, lengths), unlimited_bits(frequencies));
  EXPECT_EQ(cost_bits(frequencies, lengths), least_cost(fibonacci, 0, 0, 1));
}

TEST(BestCode, of_equal_bytes_has_as_many_bits_as_they) {
  Frequencies frequencies;
  frequencies.fill(5);
  for (const uint8_t length : best_code(frequencies)) EXPECT_EQ(length, 8);
}

TEST(BestCode, of_a_byte_that_occurs_alone_has_a_bit_and_of_none_none) {
  Frequencies frequencies = {};
  EXPECT_EQ(best_code(frequencies), CodeLengths{});
  frequencies[200] = 9;
  CodeLengths one = {};
  one[200] = 1;
  EXPECT_EQ(best_code(frequencies), one);
}

/// a: 0, b: 10, c: 11.
CodeLengths abc() {
  CodeLengths lengths = {};
  lengths['a'] = 1;
  lengths['b'] = 2;
  lengths['c'] = 2;
  return lengths;
}

TEST(CodeTable, has_the_counts_then_the_symbols) {
  std::vector<uint8_t> expected(24);
  expected[0] = 1;
  expected[2] = 2;
  expected.insert(expected.end(), {'a', 'b', 'c', 0});
  EXPECT_EQ(code_table(abc()), expected);
  EXPECT_EQ(table_fault(expected.data(), static_cast<uint32_t>(expected.size())), "");
}

TEST(CodeTable, with_a_fault_says_which) {
  const auto fault = [](const std::function<void(std::vector<uint8_t>&)>& spoil) {
    std::vector<uint8_t> table = code_table(abc());
    spoil(table);
    return table_fault(table.data(), static_cast<uint32_t>(table.size()));
  };
  EXPECT_EQ(fault([](auto& t) { t.resize(22); }), "is too short");
  EXPECT_EQ(fault([](auto& t) { t[4] = 1; }), "is no prefix code");
  EXPECT_EQ(fault([](auto& t) { t[0] = t[2] = 0; }), "has no code, or too many");
  EXPECT_EQ(fault([](auto& t) { t[23] = 2; }), "has no code, or too many");
  EXPECT_EQ(fault([](auto& t) { t.push_back(0); }), "has another size");
  EXPECT_EQ(fault([](auto& t) { t[2] = 0; }), "has another size");
}

TEST(CodeBlock, holds_the_words_in_the_order_in_which_the_lanes_ask_for_them) {
  // Lane 0: a and eight b, 17 bits; lane 1: eight c, 16 bits. Both hold fewer than 12 bits before
  // the fourth step and take their second word, of which lane 0 needs a bit and lane 1 none.
  std::vector<uint8_t> bytes;
  for (int step = 0; step < 9; ++step) {
    bytes.push_back(step == 0 ? 'a' : 'b');
    if (step < 8) bytes.push_back('c');
  }
  const std::vector<uint8_t> expected = {0x55, 0x55, 0xFF, 0xFF, 0, 0, 0, 0};
  EXPECT_EQ(code_block(bytes.data(), bytes.size(), {abc(), abc()}, 2), expected);
}

TEST(CodeWeights, of_16_bits_have_a_table_for_each_byte) {
  std::vector<uint8_t> packed;
  for (int i = 0; i < 400; ++i) {
    packed.push_back(static_cast<uint8_t>(i));
    packed.push_back(i % 50 == 0 ? 0xFF : 0);
  }
  const CodedWeights coded = code_weights(packed, 160, 16, 4);
  EXPECT_EQ(coded.tables, 2U);
  ASSERT_EQ(coded.pieces.size(), 2U + 5U + 1U);
  EXPECT_EQ(coded.pieces[1] - coded.pieces[0], abi::kMaxTableBytes);
  EXPECT_EQ(coded.pieces[2] - coded.pieces[1], abi::table_bytes(2));
  EXPECT_EQ(coded.pieces.back(), coded.bytes.size());
  const CodedWeights narrow = code_weights(packed, 160, 8, 4);
  EXPECT_EQ(narrow.tables, 1U);
  EXPECT_GT(narrow.bytes.size(), coded.bytes.size() - abi::table_bytes(2));
}

}  // namespace
}  // namespace tessera::deploy
