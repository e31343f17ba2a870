#include "npu/output_path.hpp"

#include <algorithm>

namespace tessera::npu {

namespace {

int64_t half_of(int shift) { return shift == 0 ? 0 : int64_t{1} << (shift - 1); }

abi::PoolKind pool_kind(const abi::ComputeConfig& config) {
  return static_cast<abi::PoolKind>(config.pool_kind);
}

}  // namespace

OutputPath::OutputPath(const abi::ComputeConfig& config, uint32_t channel_count)
    : config_(config),
      window_pixels_(static_cast<uint64_t>(config.pool_h) * config.pool_w),
      windows_(channel_count) {}

int32_t OutputPath::clamp(int64_t value, int32_t low, int32_t high) {
  if (value > high) {
    ++saturations_;
    return high;
  }
  if (value < low) {
    saturations_ += low != 0;
    return low;
  }
  return static_cast<int32_t>(value);
}

void OutputPath::add_residual(int32_t* values, std::size_t pixels, const int32_t* residuals,
                              std::size_t residual_stride) {
  const int64_t half = half_of(config_.add_shift);
  for (std::size_t p = 0; p < pixels; ++p) {
    const int64_t sum =
        static_cast<int64_t>(values[p]) * config_.own_multiplier +
        static_cast<int64_t>(residuals[p * residual_stride]) * config_.residual_multiplier;
    values[p] =
        clamp((sum + half) >> config_.add_shift, config_.residual_low, config_.residual_high);
  }
}

std::size_t OutputPath::pool(uint32_t index, const int32_t* values, std::size_t pixels,
                             int32_t* outputs) {
  const abi::PoolKind kind = pool_kind(config_);
  if (kind == abi::PoolKind::kNone) {
    std::copy(values, values + pixels, outputs);
    return pixels;
  }
  Window window = windows_[index];
  const int64_t half = half_of(config_.pool_shift);
  std::size_t completed = 0;
  for (std::size_t p = 0; p < pixels; ++p) {
    if (kind == abi::PoolKind::kMax) {
      window.value = window.pixels == 0 ? values[p] : std::max<int64_t>(window.value, values[p]);
    } else {
      window.value += values[p];
    }
    if (++window.pixels < window_pixels_) continue;
    outputs[completed++] =
        kind == abi::PoolKind::kMax
            ? static_cast<int32_t>(window.value)
            : clamp((window.value * config_.pool_multiplier + half) >> config_.pool_shift,
                    config_.pool_low, config_.pool_high);
    window = {};
  }
  windows_[index] = window;
  return completed;
}

}  // namespace tessera::npu
