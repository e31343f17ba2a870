#include "compress/thresholds.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

namespace tessera::compress {
namespace {

using graph::Quantization;

constexpr int kCandidates = 200;
constexpr int kRadixCandidates = 8;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

double nearest(double value, const Quantization& grid, double scale) {
  return scale * graph::quantize(static_cast<float>(value), static_cast<float>(scale), grid);
}

/// The smallest scale at which the largest magnitude is not clipped.
double full_scale(double largest, const Quantization& grid) {
  if (largest <= 0) return 1.0 / grid.max();
  return largest / grid.max();
}

/// In falling order.
std::vector<double> candidate_scales(double largest, const Quantization& grid, bool radix_point) {
  std::vector<double> scales;
  const double full = full_scale(largest, grid);
  if (radix_point) {
    const double top = std::exp2(std::ceil(std::log2(full)));
    for (int i = 0; i < kRadixCandidates; ++i) scales.push_back(std::ldexp(top, -i));
    return scales;
  }
  // Powers of two repeat an octave lower; above full scale only they can gain.
  const double reach = grid.code == graph::WeightCode::kPowerOfTwo ? 1.5 : 1.0;
  for (int i = kCandidates; i > 0; --i) scales.push_back(full * reach * i / kCandidates);
  return scales;
}

template <typename Score>
float best_scale(const std::vector<double>& scales, const Score& score) {
  double best = scales.front();
  double best_score = kInfinity;
  for (const double scale : scales) {
    const double value = score(static_cast<float>(scale));
    if (value < best_score) {
      best = scale;
      best_score = value;
    }
  }
  return static_cast<float>(best);
}

/// full_scale, or the power of two above it; rounded to float upwards, so that nothing is clipped.
float unclipped_scale(double largest, const Quantization& grid, bool radix_point) {
  if (radix_point) return static_cast<float>(candidate_scales(largest, grid, true).front());
  return static_cast<float>(full_scale(largest, grid));
}

}  // namespace

Histogram::Histogram(double largest_magnitude, size_t bins)
    : limit(largest_magnitude), counts(bins + bins % 2) {}

void Histogram::add(float value) {
  const auto last = static_cast<double>(counts.size() - 1);
  const double bin = limit > 0 ? std::floor((value + limit) / width()) : 0;
  counts[static_cast<size_t>(std::clamp(bin, 0.0, last))] += 1;
}

double squared_error(const Histogram& histogram, const Quantization& grid, double scale) {
  double error = 0;
  for (size_t bin = 0; bin < histogram.counts.size(); ++bin) {
    if (histogram.counts[bin] == 0) continue;
    const double difference = histogram.center(bin) - nearest(histogram.center(bin), grid, scale);
    error += histogram.counts[bin] * difference * difference;
  }
  return error;
}

double squared_error(const float* values, size_t count, const Quantization& grid, double scale) {
  double error = 0;
  for (size_t i = 0; i < count; ++i) {
    const double difference = values[i] - nearest(values[i], grid, scale);
    error += difference * difference;
  }
  return error;
}

double kl_divergence(const Histogram& histogram, const Quantization& grid, double scale) {
  const size_t half = histogram.counts.size() / 2;
  const auto groups = static_cast<size_t>(grid.max()) + 1;
  const double bins_in_range = std::round(scale * grid.max() / histogram.width());
  const size_t kept = static_cast<size_t>(std::min(bins_in_range, static_cast<double>(half)));
  if (kept < groups) return kInfinity;

  std::vector<double> magnitudes(half);
  for (size_t i = 0; i < half; ++i) {
    magnitudes[i] = histogram.counts[half + i] + histogram.counts[half - 1 - i];
  }
  std::vector<double> p(magnitudes.begin(), magnitudes.begin() + static_cast<long>(kept));
  for (size_t i = kept; i < half; ++i) p.back() += magnitudes[i];

  double p_sum = 0, q_sum = 0;
  std::vector<double> q(kept);
  for (size_t group = 0; group < groups; ++group) {
    const size_t begin = group * kept / groups, end = (group + 1) * kept / groups;
    double sum = 0, occupied = 0;
    for (size_t i = begin; i < end; ++i) {
      sum += magnitudes[i];
      occupied += p[i] > 0 ? 1 : 0;
    }
    for (size_t i = begin; i < end; ++i) {
      if (p[i] > 0) q[i] = sum / occupied;
      p_sum += p[i];
      q_sum += q[i];
    }
  }
  double divergence = 0;
  for (size_t i = 0; i < kept; ++i) {
    if (p[i] == 0) continue;
    if (q[i] == 0) return kInfinity;
    divergence += p[i] / p_sum * std::log(p[i] / p_sum / (q[i] / q_sum));
  }
  return divergence;
}

float choose_scale(const Histogram& histogram, const Quantization& grid, Threshold method,
                   bool radix_point) {
  const bool too_fine = static_cast<size_t>(grid.max()) * 4 > histogram.counts.size();
  if (method == Threshold::kMax || too_fine || histogram.limit <= 0) {
    return unclipped_scale(histogram.limit, grid, radix_point);
  }
  const std::vector<double> scales = candidate_scales(histogram.limit, grid, radix_point);
  return best_scale(scales, [&](double scale) {
    return method == Threshold::kKl ? kl_divergence(histogram, grid, scale)
                                    : squared_error(histogram, grid, scale);
  });
}

float choose_scale(const float* values, size_t count, const Quantization& grid, Threshold method,
                   bool radix_point) {
  double largest = 0;
  for (size_t i = 0; i < count; ++i) largest = std::max<double>(largest, std::fabs(values[i]));
  if (method == Threshold::kMax || largest <= 0) {
    return unclipped_scale(largest, grid, radix_point);
  }
  return best_scale(candidate_scales(largest, grid, radix_point),
                    [&](double scale) { return squared_error(values, count, grid, scale); });
}

}  // namespace tessera::compress
