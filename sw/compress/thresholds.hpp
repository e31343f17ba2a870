#pragma once

/// Scales of integer grids, chosen from the values that the grids have to hold.

#include <cstdint>
#include <vector>

#include "graph/graph.hpp"

namespace tessera::compress {

enum class Threshold : uint8_t {
  kMax,  ///< nothing is clipped
  kMse,  ///< least mean squared error
  kKl    ///< least Kullback-Leibler divergence of the histograms before and after
};

/// Counts of values between -limit and limit, in an even number of bins of equal width.
struct Histogram {
  Histogram(double largest_magnitude, size_t bins);

  void add(float value);
  double width() const { return 2 * limit / static_cast<double>(counts.size()); }
  double center(size_t bin) const { return (static_cast<double>(bin) + 0.5) * width() - limit; }

  double limit;
  std::vector<double> counts;
};

/// Sum over the bins of count * (center - its nearest grid point)^2.
double squared_error(const Histogram& histogram, const graph::Quantization& grid, double scale);
/// The same over values.
double squared_error(const float* values, size_t count, const graph::Quantization& grid,
                     double scale);

/// Divergence D(P || Q) of the magnitudes when the grid clips at scale * max (Migacz, 8-bit
/// inference with TensorRT, GTC 2017). P: the bins of |value| below the threshold, those above
/// added to the last one. Q: the bins below the threshold merged into max + 1 groups of nearly
/// equal size, each group's count shared equally among its bins that are not empty in P. Both are
/// normalised. Infinite if Q is zero where P is not; bins narrower than the grid's steps are
/// needed, so it is infinite too if the threshold spans fewer bins than there are groups.
double kl_divergence(const Histogram& histogram, const graph::Quantization& grid, double scale);

/// The scale of `grid` (bits, sign and code are read) that is best by `method`; the larger one of
/// equals. With `radix_point` a power of two. A grid finer than a quarter of the histogram's bins
/// clips nothing whatever the method, since the histogram cannot tell its errors. All values
/// zero: 1 / max.
float choose_scale(const Histogram& histogram, const graph::Quantization& grid, Threshold method,
                   bool radix_point);

/// The same for `count` values (weights); kKl is taken as kMse.
float choose_scale(const float* values, size_t count, const graph::Quantization& grid,
                   Threshold method, bool radix_point);

}  // namespace tessera::compress
