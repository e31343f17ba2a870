#pragma once

/// The PE array as the compute engine sees it: operands in, accumulators and cycles out. Backends
/// (model, RTL, lockstep) are chosen at run time and differ in nothing else.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "abi/number_formats.hpp"
#include "chip/array_timing.hpp"

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

/// One RUN, as far as the array is concerned.
struct ArrayRun {
  abi::PeMode mode;
  chip::RunShape shape;                      ///< at least 1 channel, 1 pixel, 1 step
  const std::vector<uint32_t>* bank_cycles;  ///< one entry a group of C pixels; outlives the run
  OperandMatrix weights;                     ///< [channels]; outlives the run
};

/// Overflow of a 48-bit accumulator at any step of a reduction; accumulators wrap.
struct ArrayOverflow {
  bool happened = false;
  uint64_t channel = 0;  ///< the first channel with an overflow, counted within the run
};

class ArrayBackend {
 public:
  virtual ~ArrayBackend() = default;

  /// Starts a run; every begin_run is followed by compute calls for all its pixels and end_run.
  virtual void begin_run(const ArrayRun& run) = 0;

  /// Computes pixels first_pixel .. first_pixel + pixel_count - 1 of the run under way. Calls come
  /// in ascending order without gaps; all but the last start and end at a group of C pixels. Writes
  /// the 48-bit accumulator of channel k and the call's p-th pixel to
  /// accumulators[k * accumulator_stride + p].
  virtual void compute(uint64_t first_pixel, uint64_t pixel_count, const OperandMatrix& activations,
                       int64_t* accumulators, std::size_t accumulator_stride) = 0;

  /// Ends the run: its cycles by the timing of chip/array_timing.hpp.
  virtual chip::RunCycles end_run() = 0;

  /// Of the run that ended last.
  virtual ArrayOverflow overflow() const = 0;
};

}  // namespace tessera::npu
