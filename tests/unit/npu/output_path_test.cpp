#include "npu/output_path.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

#include "abi/number_formats.hpp"

namespace tessera::npu {
namespace {

__extension__ using Int128 = __int128;

Int128 floor_shift(Int128 value, int shift) {
  const Int128 divisor = Int128{1} << shift;
  const Int128 quotient = value / divisor;
  return value % divisor < 0 ? quotient - 1 : quotient;
}

struct Clamped {
  int32_t value;
  bool saturated;
};

Clamped naive_clamp(Int128 value, int32_t low, int32_t high) {
  if (value > high) return {high, true};
  if (value < low) return {low, low != 0};
  return {static_cast<int32_t>(value), false};
}

abi::ComputeConfig plain_config() {
  abi::ComputeConfig config{};
  config.output_bits = 8;
  config.output_signed = 1;
  config.pool_h = config.pool_w = config.pool_stride_y = config.pool_stride_x = 1;
  config.low = -128;
  config.high = 127;
  config.seed = 99;
  return config;
}

TEST(OutputPath, the_residual_is_rescaled_added_and_clamped) {
  std::mt19937 random(22);
  SCOPED_TRACE("seed 22");
  for (int i = 0; i < 200; ++i) {
    abi::ComputeConfig config = plain_config();
    config.residual_bits = 8;
    config.own_multiplier = static_cast<uint16_t>(random());
    config.residual_multiplier = static_cast<uint16_t>(random());
    config.add_shift = static_cast<uint8_t>(1 + random() % 47);
    config.residual_low = -100;
    config.residual_high = 90;
    OutputPath path(config, 1);
    int32_t values[8];
    int32_t residuals[16];
    for (auto& value : values) value = static_cast<int32_t>(random() % 65536) - 32768;
    for (auto& value : residuals) value = static_cast<int32_t>(random() % 256) - 128;
    int32_t expected[8];
    for (int p = 0; p < 8; ++p) {
      const Int128 sum = static_cast<Int128>(values[p]) * config.own_multiplier +
                         static_cast<Int128>(residuals[2 * p]) * config.residual_multiplier +
                         (Int128{1} << (config.add_shift - 1));
      expected[p] = naive_clamp(floor_shift(sum, config.add_shift), -100, 90).value;
    }
    path.add_residual(values, 8, residuals, 2);
    for (int p = 0; p < 8; ++p) ASSERT_EQ(values[p], expected[p]);
  }
}

TEST(OutputPath, pooling_windows_may_span_pieces) {
  std::mt19937 random(23);
  SCOPED_TRACE("seed 23");
  for (const auto kind : {abi::PoolKind::kMax, abi::PoolKind::kAverage}) {
    abi::ComputeConfig config = plain_config();
    config.pool_kind = static_cast<uint8_t>(kind);
    config.pool_h = 2;
    config.pool_w = 3;
    config.pool_multiplier = 43691;  // 1/6
    config.pool_shift = 18;
    config.pool_low = -128;
    config.pool_high = 127;
    OutputPath path(config, 2);
    std::vector<int32_t> values(60);
    for (auto& value : values) value = static_cast<int32_t>(random() % 256) - 128;
    std::vector<int32_t> pooled;
    for (std::size_t first = 0; first < values.size(); first += 7) {
      const std::size_t count = std::min<std::size_t>(7, values.size() - first);
      int32_t outputs[7];
      int32_t other[7];
      const std::vector<int32_t> zeros(count, 0);
      const std::size_t completed = path.pool(1, values.data() + first, count, outputs);
      EXPECT_EQ(path.pool(0, zeros.data(), count, other), completed);
      pooled.insert(pooled.end(), outputs, outputs + completed);
    }
    ASSERT_EQ(pooled.size(), 10u);
    for (std::size_t o = 0; o < 10; ++o) {
      const auto begin = values.begin() + static_cast<std::ptrdiff_t>(6 * o);
      Int128 sum = 0;
      for (auto it = begin; it != begin + 6; ++it) sum += *it;
      const int32_t expected =
          kind == abi::PoolKind::kMax
              ? *std::max_element(begin, begin + 6)
              : naive_clamp(floor_shift(sum * 43691 + (1 << 17), 18), -128, 127).value;
      ASSERT_EQ(pooled[o], expected);
    }
  }
}

}  // namespace
}  // namespace tessera::npu
