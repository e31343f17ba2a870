#include <cstddef>

#include "abi/number_formats.hpp"
#include "npu/compute_unit.hpp"

namespace tessera::npu {

namespace {

#define TESSERA_CONFIG_WORD(field) static_cast<uint32_t>(offsetof(abi::ComputeConfig, field) / 4)

/// Limits of values between the stages of the output path.
constexpr int32_t kInnerLow = -32768;
constexpr int32_t kInnerHigh = 65535;
constexpr int kMaxShift = 47;

struct Clamp {
  int32_t low, high;
  uint32_t word;
};

bool inside(const Clamp& clamp, int32_t low, int32_t high) {
  return clamp.low <= clamp.high && clamp.low >= low && clamp.high <= high;
}

/// Whether slices are not whole groups, or too few taps are left to a kernel.
bool bad_groups(const abi::ComputeConfig& c) {
  if (c.slice_channels == 0) return c.group_outputs != 0 || c.group_inputs != 0;
  if (c.group_outputs == 0 || c.group_inputs == 0 || c.spread_y == 0 || c.spread_x == 0)
    return true;
  const auto taps = [](uint32_t segments, uint32_t spread, uint32_t step) {
    return step % spread == 0 && segments > uint64_t{spread - 1} * (step / spread);
  };
  return c.slice_channels % c.group_outputs != 0 ||
         c.segment_elements != c.slice_channels / c.group_outputs * c.group_inputs ||
         !taps(c.segments_y, c.spread_y, c.pixel_step_y) ||
         !taps(c.segments_x, c.spread_x, c.pixel_step_x);
}

std::optional<uint32_t> bad_operand_word(const abi::ComputeConfig& c) {
  if (!abi::is_operand_width(c.activation_bits) || !abi::is_operand_width(c.weight_bits) ||
      c.activation_signed > 1 || c.p4 > 1 || (c.p4 == 1 && c.weight_bits != 4)) {
    return TESSERA_CONFIG_WORD(activation_bits);
  }
  if (c.segment_elements == 0) return TESSERA_CONFIG_WORD(segment_elements);
  if (c.segments_y == 0) return TESSERA_CONFIG_WORD(segments_y);
  if (c.segments_x == 0) return TESSERA_CONFIG_WORD(segments_x);
  const uint64_t segments = static_cast<uint64_t>(c.segments_y) * c.segments_x;
  if (segments > kMaxReduction || segments * c.segment_elements > kMaxReduction) {
    return TESSERA_CONFIG_WORD(segment_elements);
  }
  if (uint64_t{c.input_pixel_pitch} * 8 % c.activation_bits != 0) {
    return TESSERA_CONFIG_WORD(input_pixel_pitch);
  }
  if (bad_groups(c)) return TESSERA_CONFIG_WORD(group_outputs);
  // The residual of a slice starts at a whole byte.
  if (uint64_t{c.slice_channels} * c.residual_bits % 8 != 0) {
    return TESSERA_CONFIG_WORD(slice_channels);
  }
  return std::nullopt;
}

std::optional<uint32_t> bad_format_word(const abi::ComputeConfig& c) {
  const bool has_residual = c.residual_bits != 0;
  if (!abi::is_operand_width(c.output_bits) || c.output_signed > 1 ||
      (has_residual && !abi::is_operand_width(c.residual_bits)) || c.residual_signed > 1) {
    return TESSERA_CONFIG_WORD(output_bits);
  }
  if (c.stochastic > 1 || c.pool_kind > static_cast<uint8_t>(abi::PoolKind::kAverage) ||
      (has_residual && (c.add_shift < 1 || c.add_shift > kMaxShift)) || c.pool_shift > kMaxShift) {
    return TESSERA_CONFIG_WORD(stochastic);
  }
  return std::nullopt;
}

std::optional<uint32_t> bad_window_word(const abi::ComputeConfig& c) {
  const bool pools = c.pool_kind != static_cast<uint8_t>(abi::PoolKind::kNone);
  if (c.pool_h == 0 || c.pool_w == 0 || (!pools && (c.pool_h != 1 || c.pool_w != 1))) {
    return TESSERA_CONFIG_WORD(pool_h);
  }
  if (c.pool_stride_y == 0 || c.pool_stride_x == 0 ||
      (!pools && (c.pool_stride_y != 1 || c.pool_stride_x != 1))) {
    return TESSERA_CONFIG_WORD(pool_stride_y);
  }
  const bool spreads = c.spread_y > 1 || c.spread_x > 1;
  if (c.spread_y == 0 || c.spread_x == 0 ||
      (spreads && (pools || c.residual_bits != 0 || c.stochastic != 0))) {
    return TESSERA_CONFIG_WORD(spread_y);
  }
  return std::nullopt;
}

std::optional<uint32_t> bad_clamp_word(const abi::ComputeConfig& c) {
  Clamp stages[3];
  int count = 0;
  stages[count++] = {c.low, c.high, TESSERA_CONFIG_WORD(low)};
  if (c.residual_bits != 0) {
    stages[count++] = {c.residual_low, c.residual_high, TESSERA_CONFIG_WORD(residual_low)};
  }
  if (c.pool_kind == static_cast<uint8_t>(abi::PoolKind::kAverage)) {
    stages[count++] = {c.pool_low, c.pool_high, TESSERA_CONFIG_WORD(pool_low)};
  }
  for (int i = 0; i + 1 < count; ++i) {
    if (!inside(stages[i], kInnerLow, kInnerHigh)) return stages[i].word;
  }
  const bool is_signed = c.output_signed != 0;
  if (!inside(stages[count - 1], abi::min_value(c.output_bits, is_signed),
              abi::max_value(c.output_bits, is_signed))) {
    return stages[count - 1].word;
  }
  return std::nullopt;
}

#undef TESSERA_CONFIG_WORD

}  // namespace

std::optional<Fault> check_config(const abi::ComputeConfig& config) {
  for (const auto check : {bad_operand_word, bad_format_word, bad_window_word, bad_clamp_word}) {
    if (const auto word = check(config)) return Fault{abi::NpuError::kIllegalMode, *word};
  }
  return std::nullopt;
}

}  // namespace tessera::npu
