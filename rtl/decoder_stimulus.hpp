#pragma once

/// Stimulus for a decoder of coded weights: tables and blocks, good and bad.

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "npu/weight_decoder.hpp"
#include "rtl/verilated_decoder.hpp"

namespace tessera::rtl {

/// A table or a block, and what the model makes of it.
struct DecoderTrial {
  bool after_reset = false;
  DecoderStart start;
  std::vector<uint8_t> stream;  ///< whole words
  uint32_t stall_percent = 0;   ///< of the beats
  std::string bad_table;        ///< what is wrong with it, in words; empty: nothing, or a block
  npu::DecoderResult expected;
  std::vector<uint8_t> expected_bytes;
};

/// Draws tables and blocks for one model decoder, which takes each as it is drawn. The sequence
/// depends on the seed alone.
class DecoderStimulus {
 public:
  DecoderStimulus(uint32_t lanes, uint32_t beat_words, uint64_t seed)
      : lanes_(lanes), random_(seed), model_(lanes, beat_words * abi::kCodeWordBytes) {}

  DecoderTrial next();

  /// Code lengths by symbol of a bank's table; 0: none. What a block that was drawn is coded with.
  const std::vector<uint32_t>& lengths(uint32_t bank) const { return lengths_[bank]; }

  uint64_t below(uint64_t bound) { return random_() % bound; }

 private:
  bool one_in(uint64_t n) { return below(n) == 0; }
  std::vector<uint32_t> random_counts();
  void spoil(DecoderTrial& trial);
  void draw_table(DecoderTrial& trial);
  void draw_block(DecoderTrial& trial);
  std::vector<uint8_t> random_words(std::size_t words);

  uint32_t lanes_;
  std::mt19937_64 random_;
  npu::WeightDecoder model_;
  std::vector<uint32_t> lengths_[abi::kTableBanks] = {std::vector<uint32_t>(abi::kMaxSymbols),
                                                      std::vector<uint32_t>(abi::kMaxSymbols)};
  uint64_t drawn_ = 0;
};

}  // namespace tessera::rtl
