#include "compress/torch_convolution.hpp"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <tuple>
#include <vector>

namespace tessera::compress {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

constexpr at::ScalarType kType = at::kBFloat16;
constexpr at::MemoryFormat kChannelsLast = at::MemoryFormat::ChannelsLast;

// oneDNN's own kernels lose to a plain matrix product where maps are small: gradients of weights
// up to 8x8 pixels, the other two up to 4x4.
constexpr int64_t kMaxPixelsOfWeightProduct = 64;
constexpr int64_t kMaxPixelsOfProduct = 16;

/// Sizes of a convolution without groups or dilation, as a matrix product over patches.
struct Patches {
  int64_t images, channels, height, width, kernel_h, kernel_w, out_h, out_w;
  ConvolutionShape shape;

  int64_t rows() const { return images * out_h * out_w; }
  int64_t columns() const { return kernel_h * kernel_w * channels; }

  /// Calls body(patch row, tap, pixel row of x) for the taps of image n that lie inside.
  template <typename Body>
  void for_taps(int64_t n, const Body& body) const {
    for (int64_t oy = 0; oy < out_h; ++oy) {
      for (int64_t ox = 0; ox < out_w; ++ox) {
        const int64_t row = (n * out_h + oy) * out_w + ox;
        for (int64_t ky = 0; ky < kernel_h; ++ky) {
          const int64_t y = oy * shape.stride_h + ky - shape.pad_h;
          if (y < 0 || y >= height) continue;
          for (int64_t kx = 0; kx < kernel_w; ++kx) {
            const int64_t x = ox * shape.stride_w + kx - shape.pad_w;
            if (x < 0 || x >= width) continue;
            body(row, ky * kernel_w + kx, (n * height + y) * width + x);
          }
        }
      }
    }
  }
};

Patches patches_of(const at::Tensor& x, const at::Tensor& weight, int64_t out_h, int64_t out_w,
                   const ConvolutionShape& shape) {
  return {x.size(0),      x.size(1), x.size(2), x.size(3), weight.size(2),
          weight.size(3), out_h,     out_w,     shape};
}

/// {images * out_h * out_w, kernel_h * kernel_w * channels}; outside of the image is 0.
at::Tensor gather_patches(const at::Tensor& x, const Patches& p) {
  at::Tensor columns = at::zeros({p.rows(), p.columns()}, x.options());
  const auto* source = x.data_ptr<at::BFloat16>();
  auto* target = columns.data_ptr<at::BFloat16>();
  const size_t size_bytes = static_cast<size_t>(p.channels) * sizeof(at::BFloat16);
  at::parallel_for(0, p.images, 1, [&](int64_t first, int64_t last) {
    for (int64_t n = first; n < last; ++n) {
      p.for_taps(n, [&](int64_t row, int64_t tap, int64_t pixel) {
        std::memcpy(target + row * p.columns() + tap * p.channels, source + pixel * p.channels,
                    size_bytes);
      });
    }
  });
  return columns;
}

/// The transpose of gather_patches: every pixel is the sum of the patches that it was in.
at::Tensor scatter_patches(const at::Tensor& columns, const Patches& p) {
  at::Tensor x =
      at::empty({p.images, p.channels, p.height, p.width}, columns.options(), kChannelsLast);
  const auto* source = columns.data_ptr<at::BFloat16>();
  auto* target = x.data_ptr<at::BFloat16>();
  const int64_t image_size = p.height * p.width * p.channels;
  at::parallel_for(0, p.images, 1, [&](int64_t first, int64_t last) {
    std::vector<float> sums(static_cast<size_t>(image_size));
    for (int64_t n = first; n < last; ++n) {
      std::fill(sums.begin(), sums.end(), 0.0F);
      p.for_taps(n, [&](int64_t row, int64_t tap, int64_t pixel) {
        const auto* from = source + row * p.columns() + tap * p.channels;
        float* to = sums.data() + pixel * p.channels - n * image_size;
        for (int64_t c = 0; c < p.channels; ++c) to[c] += static_cast<float>(from[c]);
      });
      for (int64_t i = 0; i < image_size; ++i) {
        target[n * image_size + i] = sums[static_cast<size_t>(i)];
      }
    }
  });
  return x;
}

/// {K, KH * KW * C}, a view of weights with channels last.
at::Tensor as_matrix(const at::Tensor& weight) {
  return weight.permute({0, 2, 3, 1}).reshape({weight.size(0), -1});
}

/// {N, C, H, W} with channels last, from {N * H * W, C}.
at::Tensor as_map(const at::Tensor& rows, int64_t images, int64_t height, int64_t width) {
  return rows.view({images, height, width, rows.size(1)}).permute({0, 3, 1, 2});
}

/// {N * H * W, C}, a view of a map with channels last.
at::Tensor as_rows(const at::Tensor& map) {
  return map.permute({0, 2, 3, 1}).reshape({-1, map.size(1)});
}

bool is_plain(const ConvolutionShape& s) {
  return s.groups == 1 && s.dilation_h == 1 && s.dilation_w == 1;
}

at::Tensor forward_product(const at::Tensor& x, const at::Tensor& weight, const at::Tensor& bias,
                           const Patches& p) {
  const at::Tensor patches = gather_patches(x, p), matrix = as_matrix(weight).t();
  return as_map(bias.defined() ? at::addmm(bias, patches, matrix) : at::mm(patches, matrix),
                p.images, p.out_h, p.out_w);
}

std::vector<int64_t> pair(int64_t h, int64_t w) { return {h, w}; }

class Convolution : public torch::autograd::Function<Convolution> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const c10::optional<at::Tensor>& bias, const ConvolutionShape& s) {
    const at::Tensor x16 = x.to(kType).contiguous(kChannelsLast);
    const at::Tensor w16 = weight.to(kType).contiguous(kChannelsLast);
    const at::Tensor b16 = bias ? bias->to(kType) : at::Tensor();
    context->save_for_backward({x16, w16});
    context->saved_data["shape"] = std::vector<int64_t>{
        s.stride_h, s.stride_w, s.pad_h, s.pad_w, s.dilation_h, s.dilation_w, s.groups};
    context->saved_data["bias"] = bias && bias->requires_grad();
    context->saved_data["type"] = static_cast<int64_t>(x.scalar_type());
    const int64_t out_h =
        (x.size(2) + 2 * s.pad_h - s.dilation_h * (weight.size(2) - 1) - 1) / s.stride_h + 1;
    const int64_t out_w =
        (x.size(3) + 2 * s.pad_w - s.dilation_w * (weight.size(3) - 1) - 1) / s.stride_w + 1;
    if (is_plain(s) && out_h * out_w <= kMaxPixelsOfProduct) {
      return forward_product(x16, w16, b16, patches_of(x16, w16, out_h, out_w, s));
    }
    return at::conv2d(x16, w16, b16, pair(s.stride_h, s.stride_w), pair(s.pad_h, s.pad_w),
                      pair(s.dilation_h, s.dilation_w), s.groups);
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor& x = saved[0];
    const at::Tensor& weight = saved[1];
    const auto v = context->saved_data["shape"].toIntVector();
    const ConvolutionShape s{v[0], v[1], v[2], v[3], v[4], v[5], v[6]};
    const at::Tensor dy = gradients[0].to(kType).contiguous(kChannelsLast);
    const Patches p = patches_of(x, weight, dy.size(2), dy.size(3), s);
    const int64_t pixels = p.out_h * p.out_w;
    const bool want_x = context->needs_input_grad(0), want_w = context->needs_input_grad(1);
    const bool want_b = context->saved_data["bias"].toBool();
    const bool product_x = want_x && is_plain(s) && pixels <= kMaxPixelsOfProduct;
    const bool product_w = want_w && is_plain(s) && pixels <= kMaxPixelsOfWeightProduct;

    at::Tensor dx, dw, db;
    const std::array<bool, 3> direct = {want_x && !product_x, want_w && !product_w, false};
    if (direct[0] || direct[1]) {
      std::tie(dx, dw, db) = at::convolution_backward(
          dy, x, weight, c10::nullopt, pair(s.stride_h, s.stride_w), pair(s.pad_h, s.pad_w),
          pair(s.dilation_h, s.dilation_w), false, pair(0, 0), s.groups, direct);
    }
    if (product_x) dx = scatter_patches(at::mm(as_rows(dy), as_matrix(weight)), p);
    if (product_w) {
      const at::Tensor matrix = at::mm(as_rows(dy).t(), gather_patches(x, p));
      dw = as_map(matrix.view({-1, p.channels}), weight.size(0), p.kernel_h, p.kernel_w);
    }
    if (want_x) dx = dx.to(static_cast<at::ScalarType>(context->saved_data["type"].toInt()));
    if (want_w) dw = dw.to(at::kFloat).contiguous(kChannelsLast);
    if (want_b) db = as_rows(dy).sum(0, false, at::kFloat);
    return {dx, dw, db, at::Tensor()};
  }
};

}  // namespace

at::Tensor bfloat16_convolution(const at::Tensor& x, const at::Tensor& weight,
                                const at::Tensor& bias, const ConvolutionShape& shape) {
  return Convolution::apply(x, weight, bias.defined() ? c10::make_optional(bias) : c10::nullopt,
                            shape);
}

}  // namespace tessera::compress
