#include "compress/torch_convolution.hpp"

#include <gtest/gtest.h>
#include <torch/torch.h>

#include <vector>

namespace tessera::compress {
namespace {

struct Case {
  int64_t images, in, out, size, kernel;
  ConvolutionShape shape;
};

/// Largest difference relative to the largest magnitude.
double relative_error(const at::Tensor& actual, const at::Tensor& expected) {
  const at::Tensor difference = (actual.to(at::kFloat) - expected).abs().max();
  return difference.item<double>() / expected.abs().max().item<double>();
}

/// Values that bfloat16 holds, so that only the results are rounded.
at::Tensor rounded_randn(at::IntArrayRef sizes) {
  return at::randn(sizes).to(at::kBFloat16).to(at::kFloat);
}

TEST(TorchConvolution, values_and_gradients_are_those_of_float32_on_both_sides_of_every_threshold) {
  torch::manual_seed(7);
  const std::vector<Case> cases = {
      {3, 5, 7, 12, 3, {1, 1, 1, 1, 1, 1, 1}},  {3, 5, 7, 8, 3, {1, 1, 1, 1, 1, 1, 1}},
      {3, 16, 8, 4, 3, {1, 1, 1, 1, 1, 1, 1}},  {2, 16, 8, 2, 3, {1, 1, 1, 1, 1, 1, 1}},
      {2, 4, 6, 9, 3, {2, 2, 1, 1, 1, 1, 1}},   {2, 4, 6, 8, 1, {2, 2, 0, 0, 1, 1, 1}},
      {2, 4, 6, 7, 5, {2, 1, 2, 0, 1, 1, 1}},   {2, 8, 8, 4, 3, {1, 1, 1, 1, 1, 1, 8}},
      {2, 8, 4, 4, 3, {1, 1, 1, 1, 1, 1, 2}},   {2, 4, 4, 6, 3, {1, 1, 2, 2, 2, 2, 1}},
      {2, 33, 17, 5, 3, {1, 1, 0, 0, 1, 1, 1}},
  };
  for (size_t i = 0; i < cases.size(); ++i) {
    const Case& c = cases[i];
    const ConvolutionShape& s = c.shape;
    at::Tensor x = rounded_randn({c.images, c.in, c.size, c.size}).requires_grad_(true);
    at::Tensor w = rounded_randn({c.out, c.in / s.groups, c.kernel, c.kernel}).requires_grad_(true);
    at::Tensor b = rounded_randn({c.out}).requires_grad_(true);
    const at::Tensor expected = at::conv2d(x, w, b, at::IntArrayRef({s.stride_h, s.stride_w}),
                                           at::IntArrayRef({s.pad_h, s.pad_w}),
                                           at::IntArrayRef({s.dilation_h, s.dilation_w}), s.groups);
    const at::Tensor dy = rounded_randn(expected.sizes());
    const auto wanted = torch::autograd::grad({expected}, {x, w, b}, {dy});
    const at::Tensor actual = bfloat16_convolution(x, w, b, s);
    EXPECT_EQ(actual.scalar_type(), at::kBFloat16);
    ASSERT_EQ(actual.sizes(), expected.sizes()) << "case " << i;
    EXPECT_LT(relative_error(actual, expected), 0.01) << "case " << i;
    const auto got = torch::autograd::grad({actual}, {x, w, b}, {dy.to(at::kBFloat16)});
    for (size_t n = 0; n < 3; ++n) {
      ASSERT_EQ(got[n].sizes(), wanted[n].sizes());
      EXPECT_EQ(got[n].scalar_type(), at::kFloat);
      EXPECT_LT(relative_error(got[n], wanted[n]), 0.02) << "case " << i << " gradient " << n;
    }
  }
}

}  // namespace
}  // namespace tessera::compress
