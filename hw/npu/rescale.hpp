#pragma once

/// From accumulators to values: bias, scale, rounding, clamp, by the formulas of
/// abi::ComputeConfig, exactly. What the output path does beyond is in npu/output_path.hpp.

#include <cstddef>
#include <cstdint>

#include "abi/npu_commands.hpp"

namespace tessera::npu {

/// Rescaling of a RUN.
struct Rescaling {
  bool stochastic = false;
  uint32_t seed = 0;           ///< of the stochastic rounding
  uint32_t channel_first = 0;  ///< number in the layer of the RUN's channel 0
  int32_t low = 0;             ///< clamp, within -32768..65535; low <= high
  int32_t high = 0;
};

/// values[p] = clamp(round((accumulators[p] + bias) * multiplier / 2^shift)) for `pixels`
/// convolution pixels of the RUN's channel `channel`. Returns the saturations: values that the
/// clamp changed, except to a lower bound of 0, which is what ReLU is.
uint64_t rescale(const Rescaling& rescaling, const abi::ChannelParameters& parameters,
                 uint64_t channel, const int64_t* accumulators, const uint32_t* positions,
                 std::size_t pixels, int32_t* values);

}  // namespace tessera::npu
