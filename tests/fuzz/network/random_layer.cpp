#include "fuzz/network/random_layer.hpp"

#include <algorithm>
#include <cmath>

namespace tessera::fuzz {
namespace {

using graph::Quantization;
using graph::Shape;
using graph::WeightCode;
using graph::Window;

/// Of a bias in units of its accumulator.
constexpr float kLargestBias = 1 << 30;

/// One dimension of a window.
struct Side {
  int64_t kernel = 1, stride = 1, dilation = 1, before = 0, after = 0;

  int64_t extent() const { return (kernel - 1) * dilation + 1; }
};

Side random_side(Random& random, int64_t size, const WindowLimits& limits) {
  Side side;
  side.kernel = random.chance(50) ? random.pick(1, 3) : random.pick(1, 5);
  side.stride = random.chance(60) ? 1 : random.pick(1, 4);
  if (random.chance(25)) side.dilation = random.pick(1, limits.largest_dilation);
  while (side.extent() > size + (limits.may_pad ? 2 : 0)) {
    if (side.dilation > 1) {
      --side.dilation;
    } else {
      --side.kernel;
    }
  }
  if (!limits.may_pad) return side;
  // Every window sees the map, unless it may lie beyond.
  const int64_t most = side.extent() - (limits.may_pad_beyond && random.chance(10) ? 0 : 1);
  if (random.chance(55)) {
    side.before = random.pick(0, most);
    side.after = random.pick(0, most);
  }
  while (side.extent() > size + side.before + side.after) {
    side.before < most ? ++side.before : ++side.after;
  }
  return side;
}

Quantization random_weight_grid(Random& random, int64_t channels) {
  static const std::vector<int> kBits{8, 8, 8, 4, 4, 2, 2, 16, 16, 3, 5, 6, 7, 12};
  Quantization grid;
  if (random.chance(20)) {
    grid.bits = 4;
    grid.code = WeightCode::kPowerOfTwo;
  } else {
    grid.bits = random.any(kBits);
  }
  grid.scales.resize(random.chance(70) ? static_cast<size_t>(channels) : 1);
  return grid;
}

int32_t random_weight(Random& random, const Quantization& grid) {
  if (grid.code != WeightCode::kPowerOfTwo) {
    return static_cast<int32_t>(random.pick(grid.min(), grid.max()));
  }
  const auto exponent = random.pick(-1, 6);
  const int32_t magnitude = exponent < 0 ? 0 : 1 << exponent;
  return random.chance(50) ? -magnitude : magnitude;
}

}  // namespace

Quantization random_grid(Random& random) {
  static const std::vector<int> kBits{8, 8, 8, 4, 4, 2, 16, 16, 3, 5, 6, 7, 9, 12};
  Quantization grid;
  grid.bits = random.any(kBits);
  grid.is_signed = random.chance(40);
  float scale = random.real(1.0F, 3.0F) / static_cast<float>(grid.max());
  if (random.chance(30)) scale = std::exp2(std::round(std::log2(scale)));
  grid.scales = {scale};
  return grid;
}

Quantization random_grid_for(Random& random, float scale) {
  Quantization grid = random_grid(random);
  while (scale / grid.scales[0] > kLargestScaleRatio) grid = random_grid(random);
  return grid;
}

bool are_close(const Quantization& a, const Quantization& b) {
  const float ratio = a.scales[0] / b.scales[0];
  return ratio < kLargestScaleRatio && ratio > 1 / kLargestScaleRatio;
}

Window random_window(Random& random, const Shape& map, const WindowLimits& limits) {
  const Side y = random_side(random, map[1], limits);
  const Side x = random_side(random, map[2], limits);
  return {y.kernel,   x.kernel, y.stride, x.stride, y.dilation,
          x.dilation, y.before, x.before, y.after,  x.after};
}

RandomWeights random_weights(Random& random, const Shape& shape, float input_scale) {
  const int64_t inner = graph::element_count(shape) / shape[0];
  RandomWeights made{{shape, {}}, random_weight_grid(random, shape[0]), {}};
  Quantization& grid = made.grid;
  const float size = 3.0F / std::sqrt(static_cast<float>(inner)) / static_cast<float>(grid.max());
  for (float& scale : grid.scales) scale = size * random.real(0.5F, 1.5F);
  const bool has_bias = random.chance(80);
  if (has_bias) made.bias.shape = {shape[0]};
  for (int64_t k = 0; k < shape[0]; ++k) {
    const float scale = grid.scales[grid.scales.size() == 1 ? 0 : static_cast<size_t>(k)];
    for (int64_t i = 0; i < inner; ++i) {
      made.weight.data.push_back(scale * static_cast<float>(random_weight(random, grid)));
    }
    if (!has_bias) continue;
    const float most = std::min(0.5F, kLargestBias * input_scale * scale);
    made.bias.data.push_back(random.real(-most, most));
  }
  return made;
}

}  // namespace tessera::fuzz
