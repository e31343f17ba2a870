#pragma once

/// From rescaled values (npu/rescale.hpp) to stored elements: residual, pooling. The formulas are
/// those of abi::ComputeConfig, exactly.

#include <cstdint>
#include <vector>

#include "abi/npu_commands.hpp"

namespace tessera::npu {

/// The output path over one RUN. Convolution pixels arrive in the order of the RUN, in pieces, all
/// channels of a piece before the next; pooling windows may span pieces.
///
/// Saturations: values that a clamp (residual, average pool) changed, except to a lower bound of 0,
/// which is what ReLU is.
class OutputPath {
 public:
  /// `config` has passed check_config (npu/compute_unit.hpp).
  OutputPath(const abi::ComputeConfig& config, uint32_t channel_count);

  /// Adds the residual of `pixels` convolution pixels: values[p] and residuals[p *
  /// residual_stride].
  void add_residual(int32_t* values, std::size_t pixels, const int32_t* residuals,
                    std::size_t residual_stride);

  /// Pools the values of `pixels` convolution pixels of the RUN's channel number `index`. Writes
  /// the windows that they complete to `outputs` and returns how many; with no pooling that is
  /// every pixel.
  std::size_t pool(uint32_t index, const int32_t* values, std::size_t pixels, int32_t* outputs);

  uint64_t saturations() const { return saturations_; }

 private:
  struct Window {
    int64_t value = 0;  ///< running maximum or sum
    uint64_t pixels = 0;
  };

  int32_t clamp(int64_t value, int32_t low, int32_t high);

  const abi::ComputeConfig config_;
  const uint64_t window_pixels_;
  std::vector<Window> windows_;  ///< per channel of the RUN
  uint64_t saturations_ = 0;
};

}  // namespace tessera::npu
