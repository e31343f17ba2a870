#pragma once

/// The PE array with its rescaling, as the compute engine sees it: operands in, values and cycles
/// out. Backends (model, RTL, lockstep) are chosen at run time and differ in nothing else.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "abi/npu_commands.hpp"
#include "abi/number_formats.hpp"
#include "chip/array_timing.hpp"
#include "npu/rescale.hpp"

namespace tessera::npu {

/// A matrix of operands, one row an output channel (weights) or a convolution pixel (activations),
/// each row the T * L lanes of its reduction in the order of the steps; lanes that pad a step are
/// zero. Elements are integers, p4 weights decoded (abi::p4_decode). Unsigned 16-bit activations
/// are stored modulo 2^16; abi::PeMode says how to read them.
struct OperandMatrix {
  const int16_t* data = nullptr;
  std::size_t stride = 0;  ///< elements between rows; a multiple of kOperandAlignment
};

/// Rows of an OperandMatrix are padded with zeros to a multiple of this many elements.
constexpr std::size_t kOperandAlignment = 32;

/// One RUN, as far as the array and the rescaling are concerned. What it points to outlives it.
struct ArrayRun {
  abi::PeMode mode;
  chip::RunShape shape;                      ///< at least 1 channel, 1 pixel, 1 step
  const std::vector<uint32_t>* bank_cycles;  ///< [shape.fetches()]
  OperandMatrix weights;                     ///< [channels]
  Rescaling rescaling;
  const abi::ChannelParameters* parameters;  ///< [channels]
};

/// What a RUN asks for a group of convolution pixels.
struct PixelOperands {
  OperandMatrix activations;  ///< [pixels], of one slice
  const uint32_t* positions;  ///< [pixels]: y * convolution_width + x in the layer's map
};

/// Results of some channels at some pixels, both numbered within the RUN. The result of channel k
/// and pixel p of the block is at [k * stride + p].
struct ResultBlock {
  uint64_t first_channel = 0;
  uint64_t channels = 0;
  uint64_t first_pixel = 0;
  uint64_t pixels = 0;
  const int64_t* accumulators = nullptr;  ///< 48-bit two's complement
  const int32_t* values = nullptr;        ///< rescaled
  std::size_t stride = 0;
};

/// Gives a RUN its operands and takes its results.
class ArrayClient {
 public:
  virtual ~ArrayClient() = default;

  /// Operands of pixels first .. first + count - 1 for the channels of block `slice`; 0 if the
  /// RUN is not sliced, and all blocks have the same. Good until the next call. May be asked for
  /// again, as often as the array reads them.
  virtual PixelOperands pixels(uint64_t slice, uint64_t first, uint64_t count) = 0;

  /// Called once for every channel and pixel; the pixels of a channel come in ascending order. The
  /// block is good during the call.
  virtual void take(const ResultBlock& block) = 0;
};

/// Overflow of a 48-bit accumulator at any step of a reduction; accumulators wrap.
struct ArrayOverflow {
  bool happened = false;
  uint64_t channel = 0;  ///< the first channel with an overflow, counted within the run
};

struct ArrayResult {
  chip::RunCycles cycles;
  ArrayOverflow overflow;
  uint64_t saturations = 0;  ///< of the rescaling (npu/rescale.hpp)
};

class ArrayBackend {
 public:
  virtual ~ArrayBackend() = default;

  virtual ArrayResult run(const ArrayRun& run, ArrayClient& client) = 0;

  /// Whether a RUN of that mode and that many operands a reduction takes chip::run_cycles in any
  /// case and cannot overflow, so that its values may be computed in another thread while its
  /// cycles pass.
  virtual bool predictable(const abi::PeMode& /*mode*/, std::size_t /*reduction*/) const {
    return false;
  }
};

}  // namespace tessera::npu
