#pragma once

/// Convolution as a matrix product of weights and unfolded input pixels.

#include <Eigen/Core>
#include <algorithm>
#include <cstdint>
#include <vector>

#include "graph/graph.hpp"

namespace tessera::reference {

/// Sizes of a convolution from {C, H, W} to {K, OH, OW}.
struct ConvolutionShape {
  int64_t channels = 0, height = 0, width = 0;
  int64_t out_channels = 0, out_height = 0, out_width = 0;
  int64_t groups = 1;
  graph::Window window;

  int64_t taps() const { return channels / groups * window.kernel_h * window.kernel_w; }
  int64_t pixels() const { return out_height * out_width; }
};

/// Writes the input value of every tap (row) for output pixels begin..end-1 (column) of one group,
/// row-major. `x` is the group's first channel; padding is 0.
template <class Scalar, class Input>
void unfold(const ConvolutionShape& s, const Input* x, int64_t begin, int64_t end,
            Scalar* columns) {
  const graph::Window& w = s.window;
  for (int64_t c = 0; c < s.channels / s.groups; ++c, x += s.height * s.width) {
    for (int64_t kh = 0; kh < w.kernel_h; ++kh) {
      for (int64_t kw = 0; kw < w.kernel_w; ++kw) {
        int64_t oy = begin / s.out_width;
        int64_t ox = begin % s.out_width;
        for (int64_t pixel = begin; pixel < end;) {
          const int64_t y = oy * w.stride_h - w.pad_top + kh * w.dilation_h;
          const int64_t run = std::min(end - pixel, s.out_width - ox);
          const Input* row = y >= 0 && y < s.height ? x + y * s.width : nullptr;
          int64_t column = ox * w.stride_w - w.pad_left + kw * w.dilation_w;
          for (int64_t i = 0; i < run; ++i, column += w.stride_w) {
            const bool inside = row != nullptr && column >= 0 && column < s.width;
            *columns++ = inside ? static_cast<Scalar>(row[column]) : Scalar{0};
          }
          pixel += run;
          ox = 0;
          ++oy;
        }
      }
    }
  }
}

/// Calls emit(first_channel, channels, first_pixel, pixels, sums) for blocks that together cover
/// the output; sums is row-major {channels, pixels}. weights are {K, C/groups, KH, KW}. Sums are
/// taken in Scalar, in any order.
template <class Scalar, class Input, class Emit>
void convolve(const ConvolutionShape& s, const Input* x, const Scalar* weights, const Emit& emit) {
  using Matrix = Eigen::Matrix<Scalar, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  // Unfolded: few megabytes, and so many columns that packing the weights is little of a product.
  constexpr int64_t kBlockElements = 1 << 19;
  const int64_t taps = s.taps();
  const int64_t block = std::clamp<int64_t>(kBlockElements / taps, 16, s.pixels() + 16);
  const int64_t out_per_group = s.out_channels / s.groups;
  std::vector<Scalar> columns(static_cast<size_t>(taps * std::min(block, s.pixels())));
  Matrix sums;
  for (int64_t group = 0; group < s.groups; ++group) {
    const Input* input = x + group * (s.channels / s.groups) * s.height * s.width;
    const Eigen::Map<const Matrix> w(weights + group * out_per_group * taps, out_per_group, taps);
    for (int64_t begin = 0; begin < s.pixels(); begin += block) {
      const int64_t end = std::min(begin + block, s.pixels());
      unfold(s, input, begin, end, columns.data());
      const Eigen::Map<const Matrix> unfolded(columns.data(), taps, end - begin);
      sums.noalias() = w * unfolded;
      emit(group * out_per_group, out_per_group, begin, end - begin, sums.data());
    }
  }
}

}  // namespace tessera::reference
