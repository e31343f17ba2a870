#pragma once

/// Entropy coding of packed weights (abi/weight_coding.hpp): what the chip's decoder undoes.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "abi/weight_coding.hpp"

namespace tessera::deploy {

/// Code lengths by symbol; 0: the symbol has no code.
using CodeLengths = std::array<uint8_t, abi::kMaxSymbols>;

/// The prefix code of at most abi::kMaxCodeBits bits that makes symbols of these frequencies
/// shortest (L. Larmore, D. Hirschberg, "A fast algorithm for optimal length-limited Huffman
/// codes", J. ACM 37(3), 1990). A symbol that occurs alone has one bit.
CodeLengths best_code(const std::array<uint64_t, abi::kMaxSymbols>& frequencies);

/// The table of a canonical code.
std::vector<uint8_t> code_table(const CodeLengths& lengths);

/// What is wrong with a table, in words that follow "its code table"; empty if nothing is.
std::string table_fault(const uint8_t* table, uint32_t bytes);

/// A block for a decoder of `lanes` lanes, even lanes with the first code and odd ones with the
/// second. Every byte has a code.
std::vector<uint8_t> code_block(const uint8_t* bytes, size_t size_bytes,
                                const std::array<CodeLengths, abi::kTableBanks>& codes,
                                uint32_t lanes);

/// The weights of a layer: tables and blocks, one behind the other.
struct CodedWeights {
  uint32_t tables = 0;
  std::vector<uint8_t> bytes;
  std::vector<uint32_t> pieces;  ///< where each table and block begins, and the end
};

/// Codes packed weights, a block for every `block_bytes`. Weights of 16 bits get a table for each
/// of their bytes.
CodedWeights code_weights(const std::vector<uint8_t>& packed, uint32_t block_bytes, int weight_bits,
                          uint32_t lanes);

}  // namespace tessera::deploy
