#pragma once

/// The RTL decoder of coded weights (rtl/weight_decoder.sv), compiled by Verilator.

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace tessera::rtl {

/// What starts a stream.
struct DecoderStart {
  bool is_table = false;
  uint32_t banks = 0;  ///< of a table
  uint32_t words = 0;  ///< of the stream, 1 to 2^25 - 1
  uint32_t bytes = 0;  ///< of a block, 1 to 2^25 - 1
};

/// What the ports show during a cycle.
struct DecoderOutputs {
  bool ready = false;          ///< a beat is taken in this cycle if it is offered
  std::vector<uint8_t> bytes;  ///< of the lanes that have one, from lane 0 on
  bool done = false;
  uint32_t fault = 0;  ///< npu::DecoderFault, with done
};

/// Registers that a fault can be put into.
enum class DecoderRegister : uint8_t { kHeld, kBytesLeft, kWordsLeft };

class DecoderDevice {
 public:
  virtual ~DecoderDevice() = default;

  virtual uint32_t lanes() const = 0;
  virtual uint32_t beat_words() const = 0;
  virtual void reset() = 0;
  /// A cycle with `start`, and no beat.
  virtual void start(const DecoderStart& start) = 0;
  /// A cycle; `beat` is null or beat_words() words that are offered in it.
  virtual DecoderOutputs clock(const uint16_t* beat) = 0;
  virtual void flip(DecoderRegister target, int bit) = 0;
};

/// Lanes and words a beat of the RTL decoders that were compiled.
std::vector<std::pair<uint32_t, uint32_t>> decoder_sizes();

/// One of them, after a reset. Throws CosimOptionError if there is none of the size.
std::unique_ptr<DecoderDevice> make_verilated_decoder(uint32_t lanes, uint32_t beat_words);

}  // namespace tessera::rtl
