#include "compress/torch_quantize.hpp"

#include <ATen/Parallel.h>
#include <torch/torch.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

/// The loops are bound by arithmetic unless they use the machine's widest vectors.
#define TESSERA_VECTORS \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))

namespace tessera::compress {
namespace {

using graph::Quantization;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Elements that are done in one go. The sum over a scale's elements is that of its pieces, so that
/// it does not depend on the number of threads.
constexpr int64_t kPieceElements = 1 << 13;

struct Range {
  float low, high;
};

float as_float(float value) { return value; }
float as_float(const at::BFloat16& value) {
  const uint32_t bits = uint32_t{value.x} << 16;
  float result = 0;
  std::memcpy(&result, &bits, sizeof(result));
  return result;
}

void store(float& to, float value) { to = value; }
/// To nearest, ties to even; numbers only.
void store(at::BFloat16& to, float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  to.x = static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

/// Nearest integer; ties to even.
struct NearestInteger {
  static float of(float value) { return std::rint(value); }
};

/// Nearest of 0, +-1, +-2, .. +-64 in the linear domain; ties to the larger magnitude.
struct NearestPower {
  static float of(float value) {
    const float magnitude = std::fabs(value);
    // [3/4 * 2^e, 3/2 * 2^e) is nearest to 2^e: the exponent of 4/3 of the magnitude.
    const float above = std::max(magnitude, 0.75F) / 0.75F;
    uint32_t bits = 0;
    std::memcpy(&bits, &above, sizeof(bits));
    bits &= 0x7F800000;
    float power = 0;
    std::memcpy(&power, &bits, sizeof(power));
    return magnitude >= 0.5F ? std::copysign(std::min(power, 64.0F), value) : 0.0F;
  }
};

/// What is quantised: elements, or sums of two.
template <typename In>
struct One {
  using Element = In;
  const In* x;
  float operator[](int64_t i) const { return as_float(x[i]); }
  One from(int64_t first) const { return {x + first}; }
};

template <typename In>
struct Sum {
  using Element = In;
  const In *x, *other;
  float operator[](int64_t i) const { return as_float(x[i]) + as_float(other[i]); }
  Sum from(int64_t first) const { return {x + first, other + first}; }
};

template <typename Nearest, typename Operand, typename Out>
TESSERA_VECTORS void forward_piece(Operand operand, Out* y, int64_t count, float scale,
                                   Range range) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float value = operand[i] / scale;
    store(y[i], Nearest::of(std::min(std::max(value, range.low), range.high)) * scale);
  }
}

/// Returns the gradient of the scale over the scale.
template <typename Nearest, typename Operand, typename Out>
TESSERA_VECTORS float backward_piece(Operand operand, const Out* dy, typename Operand::Element* dx,
                                     int64_t count, float scale, Range range) {
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) {
    const float value = operand[i] / scale;
    const float clamped = std::min(std::max(value, range.low), range.high);
    const float gradient = as_float(dy[i]);
    const bool inside = value == clamped;
    store(dx[i], inside ? gradient : 0.0F);
    sum += gradient * (Nearest::of(clamped) - (inside ? value : 0.0F));
  }
  return sum;
}

/// Of the elements of a scale.
int64_t pieces_of(int64_t slice) { return (slice + kPieceElements - 1) / kPieceElements; }

/// Calls body(piece, scale number, first element, count) for all pieces.
template <typename Body>
void for_pieces(int64_t elements, int64_t scales, const Body& body) {
  const int64_t slice = elements / scales;
  const int64_t pieces = pieces_of(slice);
  at::parallel_for(0, scales * pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t first = piece % pieces * kPieceElements;
      body(piece, piece / pieces, piece / pieces * slice + first,
           std::min(kPieceElements, slice - first));
    }
  });
}

/// Calls body(operand, nearest, out) with objects of the types that the tensors and the grid need;
/// `out` is a null pointer.
template <typename Body>
void with_types(const at::Tensor& x, const at::Tensor& other, bool powers, at::ScalarType type,
                const Body& body) {
  const auto with_operand = [&](auto operand) {
    const auto with_nearest = [&](auto nearest) {
      if (type == at::kBFloat16) {
        body(operand, nearest, static_cast<at::BFloat16*>(nullptr));
      } else {
        body(operand, nearest, static_cast<float*>(nullptr));
      }
    };
    powers ? with_nearest(NearestPower()) : with_nearest(NearestInteger());
  };
  const auto with_element = [&](auto* null) {
    using In = std::remove_pointer_t<decltype(null)>;
    const In* values = x.data_ptr<In>();
    if (other.defined()) {
      with_operand(Sum<In>{values, other.data_ptr<In>()});
    } else {
      with_operand(One<In>{values});
    }
  };
  if (x.scalar_type() == at::kBFloat16) {
    with_element(static_cast<at::BFloat16*>(nullptr));
  } else {
    with_element(static_cast<float*>(nullptr));
  }
}

template <typename Nearest, typename Out, typename Operand>
void run_forward(Operand operand, const at::Tensor& scales, Range range, at::Tensor& y) {
  const auto* scale = scales.data_ptr<float>();
  auto* to = y.data_ptr<Out>();
  for_pieces(y.numel(), scales.numel(), [&](int64_t, int64_t s, int64_t first, int64_t count) {
    forward_piece<Nearest>(operand.from(first), to + first, count, scale[s], range);
  });
}

/// Returns the gradients of the logarithms of the scales.
template <typename Nearest, typename Out, typename Operand>
at::Tensor run_backward(Operand operand, const at::Tensor& scales, Range range,
                        const at::Tensor& dy, at::Tensor& dx) {
  const auto* scale = scales.data_ptr<float>();
  const auto* gradient = dy.data_ptr<Out>();
  auto* to = dx.data_ptr<typename Operand::Element>();
  const int64_t pieces = pieces_of(dx.numel() / scales.numel());
  std::vector<float> sums(static_cast<size_t>(scales.numel() * pieces));
  for_pieces(dx.numel(), scales.numel(), [&](int64_t n, int64_t s, int64_t first, int64_t count) {
    sums[static_cast<size_t>(n)] = backward_piece<Nearest>(operand.from(first), gradient + first,
                                                           to + first, count, scale[s], range);
  });
  at::Tensor result = at::empty_like(scales);
  for (int64_t s = 0; s < scales.numel(); ++s) {
    const auto begin = sums.begin() + s * pieces;
    result.data_ptr<float>()[s] =
        static_cast<float>(std::accumulate(begin, begin + pieces, 0.0) * scale[s]);
  }
  return result;
}

class FakeQuantize : public torch::autograd::Function<FakeQuantize> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& log_scale, const c10::optional<at::Tensor>& other,
                            const Quantization& grid, at::ScalarType type) {
    const at::MemoryFormat format = x.suggest_memory_format();
    const at::Tensor from = x.contiguous(format);
    const at::Tensor also = other ? other->to(x.scalar_type()).contiguous(format) : at::Tensor();
    const at::Tensor scales = log_scale.exp();
    context->save_for_backward({from, also, scales});
    const bool powers = grid.code == graph::WeightCode::kPowerOfTwo;
    const Range range = {static_cast<float>(grid.min()), static_cast<float>(grid.max())};
    context->saved_data["powers"] = powers;
    context->saved_data["low"] = static_cast<double>(range.low);
    context->saved_data["high"] = static_cast<double>(range.high);
    at::Tensor y = at::empty_like(from, from.options().dtype(type));
    with_types(from, also, powers, type, [&](auto operand, auto nearest, auto* out) {
      run_forward<decltype(nearest), std::remove_pointer_t<decltype(out)>>(operand, scales, range,
                                                                           y);
    });
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &other = saved[1], &scales = saved[2];
    const Range range = {static_cast<float>(context->saved_data["low"].toDouble()),
                         static_cast<float>(context->saved_data["high"].toDouble())};
    const bool powers = context->saved_data["powers"].toBool();
    const at::Tensor dy = gradients[0].contiguous(x.suggest_memory_format());
    at::Tensor dx = at::empty_like(x), dscale;
    with_types(x, other, powers, dy.scalar_type(), [&](auto operand, auto nearest, auto* out) {
      dscale = run_backward<decltype(nearest), std::remove_pointer_t<decltype(out)>>(
          operand, scales, range, dy, dx);
    });
    return {dx, dscale, other.defined() ? dx : at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

at::Tensor fake_quantize(const at::Tensor& x, const at::Tensor& other, const at::Tensor& log_scale,
                         const Quantization& grid, at::ScalarType type) {
  return FakeQuantize::apply(
      x, log_scale, other.defined() ? c10::make_optional(other) : c10::nullopt, grid, type);
}

at::Tensor nearest_integers(const at::Tensor& x, const at::Tensor& log_scale,
                            const Quantization& grid) {
  at::NoGradGuard no_grad;
  std::vector<int64_t> shape(static_cast<size_t>(x.dim()), 1);
  shape[0] = log_scale.numel();
  return fake_quantize(x / log_scale.exp().view(shape), at::Tensor(), at::zeros({1}), grid,
                       at::kFloat);
}

}  // namespace tessera::compress
