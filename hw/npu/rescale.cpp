#include "npu/rescale.hpp"

#include <algorithm>

#include "abi/number_formats.hpp"

namespace tessera::npu {

namespace {

__extension__ using Int128 = __int128;

/// Sums up to this magnitude times a 16-bit multiplier plus rounding stay within 64 bits.
constexpr int64_t kNarrowLimit = int64_t{1} << 46;

template <bool kStochastic, typename Wide>
uint64_t rescale_as(const Rescaling& rescaling, const abi::ChannelParameters& parameters,
                    uint32_t layer_channel, const int64_t* accumulators, const uint32_t* positions,
                    std::size_t pixels, int32_t* values) {
  const int shift = parameters.shift;
  const Wide multiplier = parameters.multiplier;
  int64_t addend = shift == 0 ? 0 : int64_t{1} << (shift - 1);
  uint64_t above = 0;
  uint64_t below = 0;
  for (std::size_t p = 0; p < pixels; ++p) {
    if constexpr (kStochastic) {
      const uint32_t hash = abi::rounding_hash(rescaling.seed, layer_channel, positions[p]);
      addend = static_cast<int64_t>(abi::rounding_noise(hash, shift));
    }
    const Wide scaled = (static_cast<Wide>(accumulators[p]) + parameters.bias) * multiplier;
    const Wide rounded = (scaled + addend) >> shift;
    above += rounded > rescaling.high;
    below += rounded < rescaling.low;
    values[p] = static_cast<int32_t>(std::clamp<Wide>(rounded, rescaling.low, rescaling.high));
  }
  return above + (rescaling.low != 0 ? below : 0);
}

}  // namespace

uint64_t rescale(const Rescaling& rescaling, const abi::ChannelParameters& parameters,
                 uint64_t channel, const int64_t* accumulators, const uint32_t* positions,
                 std::size_t pixels, int32_t* values) {
  const auto [smallest, largest] = std::minmax_element(accumulators, accumulators + pixels);
  const bool narrow = pixels == 0 || (*smallest + parameters.bias > -kNarrowLimit &&
                                      *largest + parameters.bias < kNarrowLimit);
  const auto layer_channel = rescaling.channel_first + static_cast<uint32_t>(channel);
  const auto as =
      narrow ? (rescaling.stochastic ? rescale_as<true, int64_t> : rescale_as<false, int64_t>)
             : (rescaling.stochastic ? rescale_as<true, Int128> : rescale_as<false, Int128>);
  return as(rescaling, parameters, layer_channel, accumulators, positions, pixels, values);
}

}  // namespace tessera::npu
