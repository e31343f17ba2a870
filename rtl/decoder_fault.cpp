#include "rtl/decoder_fault.hpp"

#include <cstdio>

#include "rtl/pe_fault.hpp"

namespace tessera::rtl {
namespace {

/// Bits of a counter of up to `most`.
int bits_for(uint32_t most) {
  int bits = 0;
  for (; most != 0; most >>= 1) ++bits;
  return bits;
}

}  // namespace

DecoderBitFault parse_decoder_fault(const std::string& text, uint32_t lanes, uint32_t beat_words) {
  constexpr int kSizeBits = 25;
  DecoderBitFault fault;
  char name[8] = {};
  unsigned long long stream = 0;
  unsigned long long cycle = 0;
  int used = 0;
  const int read = std::sscanf(text.c_str(), "%7[a-z]:%4d@%12llu:%12llu%n", name, &fault.bit,
                               &stream, &cycle, &used);
  const std::string target = name;
  int bits = 0;
  if (target == "stream") {
    fault.target = DecoderBitFault::Target::kStream;
    bits = static_cast<int>(16 * beat_words);
  } else if (target == "held") {
    fault.target = DecoderBitFault::Target::kHeld;
    bits = bits_for(lanes + beat_words);
  } else if (target == "bytes") {
    fault.target = DecoderBitFault::Target::kBytesLeft;
    bits = kSizeBits;
  } else if (target == "words") {
    fault.target = DecoderBitFault::Target::kWordsLeft;
    bits = kSizeBits;
  }
  if (read != 4 || static_cast<std::size_t>(used) != text.size() || bits == 0) {
    throw CosimOptionError("fault '" + text +
                           "' is not understood; write stream:BIT@STREAM:CYCLE, held:..., "
                           "bytes:... or words:..., for example held:1@40:2");
  }
  if (fault.bit < 0 || fault.bit >= bits) {
    throw CosimOptionError("fault '" + text + "': the bit must be 0 to " +
                           std::to_string(bits - 1));
  }
  fault.stream = stream;
  fault.cycle = cycle;
  return fault;
}

}  // namespace tessera::rtl
