#pragma once

/// A RUN whose operands and results all lie in memory: for replays, co-simulation and tests.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "npu/array.hpp"

namespace tessera::npu {

class MatrixClient final : public ArrayClient {
 public:
  /// `activations` [slices][shape.pixels] and `positions` [shape.pixels] outlive the client;
  /// slices: the blocks of a sliced shape, else 1.
  MatrixClient(const chip::RunShape& shape, const OperandMatrix& activations,
               const uint32_t* positions)
      : accumulators(shape.channels * shape.pixels),
        values(shape.channels * shape.pixels),
        pixels_(shape.pixels),
        activations_(activations),
        positions_(positions) {}

  PixelOperands pixels(uint64_t slice, uint64_t first, uint64_t) override {
    const uint64_t row = slice * pixels_ + first;
    return {{activations_.data + row * activations_.stride, activations_.stride},
            positions_ + first};
  }

  void take(const ResultBlock& block) override {
    for (uint64_t k = 0; k < block.channels; ++k) {
      const uint64_t to = (block.first_channel + k) * pixels_ + block.first_pixel;
      const std::size_t from = k * block.stride;
      std::copy_n(block.accumulators + from, block.pixels, accumulators.data() + to);
      std::copy_n(block.values + from, block.pixels, values.data() + to);
    }
  }

  std::vector<int64_t> accumulators;  ///< [channels][pixels]; zero where nothing was taken
  std::vector<int32_t> values;        ///< [channels][pixels]

 private:
  uint64_t pixels_;
  OperandMatrix activations_;
  const uint32_t* positions_;
};

}  // namespace tessera::npu
