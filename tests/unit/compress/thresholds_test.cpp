#include "compress/thresholds.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

namespace tessera::compress {
namespace {

using graph::Quantization;
using graph::WeightCode;

Quantization grid_of(int bits, bool is_signed, WeightCode code = WeightCode::kTwosComplement) {
  Quantization grid;
  grid.bits = bits;
  grid.is_signed = is_signed;
  grid.code = code;
  return grid;
}

/// All points of a grid, by definition.
std::vector<double> points(const Quantization& grid, double scale) {
  std::vector<double> result;
  if (grid.code == WeightCode::kPowerOfTwo) {
    result.push_back(0);
    for (int e = 0; e <= 6; ++e) {
      result.push_back(std::ldexp(scale, e));
      result.push_back(-std::ldexp(scale, e));
    }
    return result;
  }
  const int low = grid.is_signed ? -(1 << (grid.bits - 1)) : 0;
  const int high = grid.is_signed ? (1 << (grid.bits - 1)) - 1 : (1 << grid.bits) - 1;
  for (int q = low; q <= high; ++q) result.push_back(scale * q);
  return result;
}

double brute_force_error(const std::vector<float>& values, const Quantization& grid, double scale) {
  double sum = 0;
  for (const float value : values) {
    double best = std::numeric_limits<double>::infinity();
    for (const double point : points(grid, scale)) {
      best = std::min(best, (value - point) * (value - point));
    }
    sum += best;
  }
  return sum;
}

std::vector<float> normal_values(size_t count, unsigned seed, bool positive) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  std::vector<float> values(count);
  for (float& value : values) value = positive ? std::fabs(normal(random)) : normal(random);
  return values;
}

TEST(Thresholds, the_squared_error_is_the_distance_to_the_nearest_grid_point) {
  const std::vector<float> values = normal_values(200, 3, false);
  for (const Quantization& grid : {grid_of(2, true), grid_of(3, true), grid_of(4, false),
                                   grid_of(8, true), grid_of(4, true, WeightCode::kPowerOfTwo)}) {
    for (const float scale : {0.01F, 0.1F, 0.7F}) {
      const double expected = brute_force_error(values, grid, scale);
      EXPECT_NEAR(squared_error(values.data(), values.size(), grid, scale), expected,
                  1e-4 * expected)
          << grid.bits << " bits, scale " << scale;
    }
  }
}

TEST(Thresholds, the_mse_scale_is_as_good_as_a_dense_search) {
  for (const unsigned seed : {1U, 2U, 3U}) {
    SCOPED_TRACE(seed);
    const std::vector<float> values = normal_values(300, seed, false);
    for (const Quantization& grid : {grid_of(2, true), grid_of(4, true), grid_of(6, true),
                                     grid_of(4, true, WeightCode::kPowerOfTwo)}) {
      double best = std::numeric_limits<double>::infinity();
      for (double scale = 0.0005; scale < 5; scale *= 1.005) {
        best = std::min(best, brute_force_error(values, grid, scale));
      }
      const float scale = choose_scale(values.data(), values.size(), grid, Threshold::kMse, false);
      EXPECT_LE(brute_force_error(values, grid, scale), best * 1.02) << grid.bits;
    }
  }
}

TEST(Thresholds, a_histogram_gives_the_scale_that_its_values_give) {
  const std::vector<float> values = normal_values(20000, 5, true);
  float largest = 0;
  for (const float value : values) largest = std::max(largest, value);
  Histogram histogram(largest, 4096);
  for (const float value : values) histogram.add(value);
  const Quantization grid = grid_of(4, false);
  const float from_values =
      choose_scale(values.data(), values.size(), grid, Threshold::kMse, false);
  const float from_bins = choose_scale(histogram, grid, Threshold::kMse, false);
  EXPECT_NEAR(from_bins, from_values, 0.01 * from_values);
  EXPECT_LT(from_values * 15, largest) << "4 bit grids must clip the tail";
}

/// The divergence as the paper's pseudo-code has it, for one threshold of `kept` bins.
double brute_force_kl(const std::vector<double>& magnitudes, size_t kept, size_t levels) {
  std::vector<double> p(magnitudes.begin(), magnitudes.begin() + static_cast<long>(kept));
  for (size_t i = kept; i < magnitudes.size(); ++i) p[kept - 1] += magnitudes[i];
  std::vector<double> q(kept, 0);
  for (size_t level = 0; level < levels; ++level) {
    double sum = 0;
    int occupied = 0;
    for (size_t i = 0; i < kept; ++i) {
      if (i < level * kept / levels || i >= (level + 1) * kept / levels) continue;
      sum += magnitudes[i];
      if (p[i] > 0) ++occupied;
    }
    for (size_t i = level * kept / levels; i < (level + 1) * kept / levels; ++i) {
      if (p[i] > 0) q[i] = sum / occupied;
    }
  }
  double p_sum = 0, q_sum = 0, divergence = 0;
  for (size_t i = 0; i < kept; ++i) p_sum += p[i];
  for (size_t i = 0; i < kept; ++i) q_sum += q[i];
  for (size_t i = 0; i < kept; ++i) {
    if (p[i] == 0) continue;
    if (q[i] == 0) return std::numeric_limits<double>::infinity();
    divergence += p[i] / p_sum * (std::log(p[i] / p_sum) - std::log(q[i] / q_sum));
  }
  return divergence;
}

TEST(Thresholds, the_kl_scale_has_the_least_divergence_of_all_thresholds) {
  for (const unsigned seed : {1U, 2U, 3U, 4U}) {
    SCOPED_TRACE(seed);
    // 64 bins of magnitudes, a normal body and a few far outliers.
    std::mt19937 random(seed);
    std::vector<double> magnitudes(64);
    for (size_t i = 0; i < 64; ++i) {
      magnitudes[i] = std::floor(5000 * std::exp(-static_cast<double>(i * i) / 200)) +
                      static_cast<double>(random() % 3);
    }
    Histogram histogram(6.4, 128);
    for (size_t i = 0; i < 64; ++i) histogram.counts[64 + i] = magnitudes[i];
    const Quantization grid = grid_of(3, false);

    double best = std::numeric_limits<double>::infinity();
    for (size_t kept = 8; kept <= 64; ++kept) {
      const double scale = histogram.width() * static_cast<double>(kept) / grid.max();
      const double expected = brute_force_kl(magnitudes, kept, 8);
      const double got = kl_divergence(histogram, grid, scale);
      if (std::isinf(expected)) {
        EXPECT_TRUE(std::isinf(got));
      } else {
        EXPECT_NEAR(got, expected, 1e-9) << kept;
      }
      best = std::min(best, expected);
    }
    const float scale = choose_scale(histogram, grid, Threshold::kKl, false);
    EXPECT_NEAR(kl_divergence(histogram, grid, scale), best, 1e-9);
    EXPECT_LT(scale * 7, 6.0) << "the outliers must be clipped";
  }
}

TEST(Thresholds, magnitudes_of_both_signs_count) {
  Histogram one_sided(1, 32), two_sided(1, 32);
  for (size_t i = 0; i < 16; ++i) {
    one_sided.counts[16 + i] = static_cast<double>(2 * (17 - i));
    two_sided.counts[16 + i] = static_cast<double>(17 - i);
    two_sided.counts[15 - i] = static_cast<double>(17 - i);
  }
  const Quantization grid = grid_of(3, true);
  for (const double scale : {0.1, 0.2, 0.3}) {
    EXPECT_DOUBLE_EQ(kl_divergence(one_sided, grid, scale), kl_divergence(two_sided, grid, scale));
  }
}

TEST(Thresholds, nothing_is_clipped_by_the_largest_magnitude) {
  const std::vector<float> values = {0.1F, -0.9F, 0.5F};
  const Quantization grid = grid_of(8, true);
  const float scale = choose_scale(values.data(), values.size(), grid, Threshold::kMax, false);
  EXPECT_FLOAT_EQ(scale, 0.9F / 127);
  EXPECT_EQ(graph::quantize(-0.9F, scale, grid), -127);
}

TEST(Thresholds, radix_points_are_powers_of_two_and_the_best_of_them) {
  const std::vector<float> values = normal_values(500, 9, false);
  for (const int bits : {3, 4, 8}) {
    const Quantization grid = grid_of(bits, true);
    const float scale = choose_scale(values.data(), values.size(), grid, Threshold::kMse, true);
    int exponent = 0;
    EXPECT_EQ(std::frexp(scale, &exponent), 0.5F);
    const double error = brute_force_error(values, grid, scale);
    EXPECT_LE(error, brute_force_error(values, grid, scale * 2));
    EXPECT_LE(error, brute_force_error(values, grid, scale / 2));
  }
  const float unclipped =
      choose_scale(values.data(), values.size(), grid_of(8, true), Threshold::kMax, true);
  for (const float value : values) EXPECT_LE(std::fabs(value), unclipped * 127);
}

TEST(Thresholds, values_that_are_all_zero_get_a_scale_too) {
  const std::vector<float> zeros(5);
  const Quantization grid = grid_of(8, true);
  EXPECT_FLOAT_EQ(choose_scale(zeros.data(), 5, grid, Threshold::kMse, false), 1.0F / 127);
  EXPECT_FLOAT_EQ(choose_scale(Histogram(0, 64), grid, Threshold::kKl, false), 1.0F / 127);
}

TEST(Thresholds, an_input_that_lies_on_the_grid_keeps_it) {
  std::vector<float> values;
  for (int byte = 0; byte < 256; ++byte) values.push_back(static_cast<float>(byte) / 255 / 0.35F);
  Histogram histogram(values.back(), 8192);
  for (const float value : values) histogram.add(value);
  const float scale = choose_scale(histogram, grid_of(8, false), Threshold::kMse, false);
  for (int byte = 0; byte < 256; ++byte) {
    EXPECT_EQ(graph::quantize(values[static_cast<size_t>(byte)], scale, grid_of(8, false)), byte);
  }
}

TEST(PowerOfTwo, every_weight_goes_to_the_nearest_power_in_the_linear_domain) {
  const Quantization grid = grid_of(4, true, WeightCode::kPowerOfTwo);
  for (int i = -9000; i <= 9000; ++i) {
    const float value = static_cast<float>(i) * 0.01F;
    const int q = graph::quantize(value, 1, grid);
    double best = std::numeric_limits<double>::infinity();
    for (const double point : points(grid, 1)) best = std::min(best, std::fabs(value - point));
    EXPECT_NEAR(std::fabs(static_cast<double>(value) - q), best, 1e-6) << value;
  }
}

}  // namespace
}  // namespace tessera::compress
