#pragma once

/// Faults that a co-simulation of the decoder injects, so that its checker is seen to fail.

#include <cstdint>
#include <string>

namespace tessera::rtl {

/// One inverted bit, seen by the RTL decoder alone.
struct DecoderBitFault {
  enum class Target : uint8_t {
    kStream,     ///< of a beat that is offered
    kHeld,       ///< of the number of words in the FIFO
    kBytesLeft,  ///< of the bytes still to decode
    kWordsLeft   ///< of the words still to take
  };

  Target target = Target::kStream;
  int bit = 0;
  uint64_t stream = 0;  ///< which stream, counted from 0
  uint64_t cycle = 0;   ///< of the stream, before it; a beat: the first offered from then on
};

/// Reads "stream:BIT@STREAM:CYCLE", "held:...", "bytes:..." or "words:...". Throws
/// CosimOptionError, also for a bit that a decoder of the size does not have.
DecoderBitFault parse_decoder_fault(const std::string& text, uint32_t lanes, uint32_t beat_words);

}  // namespace tessera::rtl
