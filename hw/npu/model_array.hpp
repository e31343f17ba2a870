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
  /// `kernel` defaults to the fastest of this machine. Works on as many groups of pixels at a time
  /// as `chunk_pixels` allows, one at least.
  ModelArray();
  explicit ModelArray(const GemmKernel& kernel, std::size_t chunk_pixels = kChunkPixels);

  ArrayResult run(const ArrayRun& run, ArrayClient& client) override;
  bool predictable(const abi::PeMode& mode, std::size_t reduction) const override;

  static constexpr std::size_t kChunkPixels = 256;

 private:
  struct Channels {
    uint64_t first, count;
  };

  void compute(const ArrayRun& run, Channels channels, const OperandMatrix& activations,
               uint64_t pixels);
  void multiply(const ArrayRun& run, Channels channels, const int16_t* activations,
                std::size_t stride, uint64_t pixels, std::size_t chunk, int shift, bool accumulate);
  void find_overflow(const ArrayRun& run, Channels some, const OperandMatrix& activations,
                     uint64_t pixels);

  GemmKernel kernel_;
  std::size_t chunk_pixels_;
  std::size_t length_ = 0;  ///< T * L rounded up to kOperandAlignment
  ArrayOverflow overflow_;
  std::vector<int64_t> accumulators_;  ///< [channels][pixels of the chunk]
  std::vector<int32_t> values_;        ///< the same
  std::vector<int16_t> high_bytes_;
  std::vector<int16_t> low_bytes_;
};

}  // namespace tessera::npu
