#pragma once

/// The load engine's decoder of entropy-coded weights (abi/weight_coding.hpp), values and cycles.
/// rtl/weight_decoder.sv is the same in SystemVerilog.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "abi/weight_coding.hpp"
#include "npu/decoder_step.hpp"

namespace tessera::npu {

/// Cycles from the last step of a block to the last bytes at the output, and from the last word of
/// a table to the table's being usable: symbol number, symbol.
constexpr uint64_t kDecoderPipelineCycles = 2;

/// As rtl/weight_decoder.sv numbers them.
enum class DecoderFault : uint8_t {
  kNone,
  kTable,     ///< no prefix code, no code, or symbols other than counted
  kEarly,     ///< a lane asked for a word behind the last
  kNoCode,    ///< no code begins with a lane's bits
  kLeftOver,  ///< words were not taken
};

/// What a transfer to the decoder took. Time counts from the cycle in which the first beat arrives
/// to that of the last bytes (of a table: its last entry), both included, if a beat arrives every
/// cycle.
struct DecoderResult {
  DecoderFault fault = DecoderFault::kNone;
  uint64_t cycles = 0;  ///< up to the fault, if there was one
  uint64_t words = 0;   ///< taken
  uint64_t bytes = 0;   ///< decoded, in whole steps

  bool ok() const { return fault == DecoderFault::kNone; }
};

/// Beats of words go to a FIFO of lanes + a beat's words, which takes a beat while it has the
/// room. From the cycle behind a beat's arrival the lanes take its words: of a block all lanes in
/// one step, as soon as the FIFO has the words that the step needs; of a table one word a cycle.
class WeightDecoder {
 public:
  /// `lanes` symbols a cycle, power of two in 2..64; beats of `beat_bytes`, power of two (a beat of
  /// one byte counts as a word).
  WeightDecoder(uint32_t lanes, uint32_t beat_bytes);

  /// Takes a table of whole words into the banks of the mask; after a fault these hold none.
  DecoderResult load_table(const uint8_t* table, std::size_t bytes, uint32_t banks);

  /// Decodes a block of whole words to `bytes` bytes at `out`, up to a fault.
  DecoderResult decode(const uint8_t* block, std::size_t block_bytes, uint8_t* out,
                       std::size_t bytes);

  /// Forgets the tables.
  void reset();

  /// By which the decoder is done after the last beat of so many bytes of stream.
  uint64_t cycles_behind(const DecoderResult& result, std::size_t stream_bytes) const;

  uint64_t beats(std::size_t stream_bytes) const {
    return (stream_bytes + beat_bytes_ - 1) / beat_bytes_;
  }

 private:
  static bool fill(std::vector<DecoderEntry>& table, const uint8_t* bytes, std::size_t size);

  /// A stream's way through the FIFO.
  class Arrival;

  uint32_t lanes_;
  uint32_t beat_bytes_;
  StepDecoder step_decoder_;
  std::vector<DecoderEntry> tables_;  ///< of the banks, and one more
  std::vector<uint8_t> padded_;       ///< the block that is decoded
};

}  // namespace tessera::npu
