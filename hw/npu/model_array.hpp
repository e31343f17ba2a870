#pragma once

#include <vector>

#include "npu/array.hpp"
#include "npu/gemm.hpp"

namespace tessera::npu {

/// The array as integer matrix products and the timing equations. Values are exact for every mode:
/// products are summed in 32 bits over stretches of the reduction too short to overflow, the
/// stretches in 64 bits, and the 64-bit sum wraps to 48. Operands too wide for that are split into
/// bytes first.
class ModelArray : public ArrayBackend {
 public:
  /// `kernel` defaults to the fastest of this machine.
  ModelArray();
  explicit ModelArray(const GemmKernel& kernel);

  void begin_run(const ArrayRun& run) override;
  void compute(uint64_t first_pixel, uint64_t pixel_count, const OperandMatrix& activations,
               int64_t* accumulators, std::size_t accumulator_stride) override;
  chip::RunCycles end_run() override;
  ArrayOverflow overflow() const override { return overflow_; }

 private:
  void multiply(const int16_t* activations, std::size_t stride, uint64_t pixels, std::size_t chunk,
                int shift, bool accumulate, int64_t* out, std::size_t out_stride) const;
  void find_overflow(const OperandMatrix& activations, uint64_t pixels);

  GemmKernel kernel_;
  ArrayRun run_{};
  std::size_t length_ = 0;  ///< T * L rounded up to kOperandAlignment
  ArrayOverflow overflow_;
  std::vector<int16_t> high_bytes_;
  std::vector<int16_t> low_bytes_;
};

}  // namespace tessera::npu
