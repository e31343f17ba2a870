#include "compress/batches.hpp"

#include <array>
#include <cmath>
#include <numeric>
#include <utility>

namespace tessera::compress {
namespace {

constexpr uint64_t kFlipBit = uint64_t{1} << 32;

/// SplitMix64 (Steele, Lea, Flood, Fast splittable pseudorandom number generators, 2014).
uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15U;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
  return x ^ (x >> 31);
}

/// Position i of a line of `size` pixels that is continued by its mirror image at both ends.
int64_t reflected(int64_t i, int64_t size) {
  if (size == 1) return 0;
  const int64_t period = 2 * (size - 1);
  const int64_t position = (i % period + period) % period;
  return position < size ? position : period - position;
}

}  // namespace

std::vector<int64_t> epoch_order(int64_t count, uint64_t seed, int epoch) {
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  uint64_t state = mix(seed ^ mix(static_cast<uint64_t>(epoch)));
  for (size_t i = order.size(); i > 1; --i) {
    state = mix(state);
    std::swap(order[i - 1], order[state % i]);
  }
  return order;
}

graph::InputNormalization measure_normalization(const data::Dataset& dataset, bool zero_mean) {
  graph::InputNormalization normalization;
  const int64_t plane = dataset.height * dataset.width;
  for (int64_t c = 0; c < dataset.channels; ++c) {
    int64_t sum = 0, squares = 0;
    for (int64_t i = 0; i < dataset.count; ++i) {
      const uint8_t* pixels = dataset.image(i) + c * plane;
      for (int64_t p = 0; p < plane; ++p) {
        sum += pixels[p];
        squares += int64_t{pixels[p]} * pixels[p];
      }
    }
    const double count = static_cast<double>(dataset.count * plane);
    const double mean = zero_mean ? static_cast<double>(sum) / count / 255 : 0;
    const double variance = static_cast<double>(squares) / count / (255.0 * 255) - mean * mean;
    normalization.mean.push_back(static_cast<float>(mean));
    normalization.std.push_back(static_cast<float>(variance > 0 ? std::sqrt(variance) : 1));
  }
  return normalization;
}

uint64_t augmentation_key(uint64_t seed, int epoch, int64_t index) {
  const auto image = static_cast<uint64_t>(index), pass = static_cast<uint64_t>(epoch);
  const uint64_t key = mix(mix(seed ^ mix(pass + 0x5EED)) ^ image);
  const uint64_t flip = (mix(seed ^ mix(image)) ^ pass) & 1;
  return (key & ~kFlipBit) | (flip != 0 ? kFlipBit : 0);
}

void augment_image(const data::Dataset& dataset, int64_t index,
                   const graph::InputNormalization& normalization, const Augmentation& augmentation,
                   uint64_t key, float* pixels) {
  const auto range = static_cast<uint64_t>(2 * augmentation.shift_pixels + 1);
  const int64_t dy = static_cast<int64_t>((key & 0xFFFF) % range) - augmentation.shift_pixels;
  const int64_t dx = static_cast<int64_t>((key >> 16 & 0xFFFF) % range) - augmentation.shift_pixels;
  const bool flip = augmentation.flip && (key & kFlipBit) != 0;
  const int64_t height = dataset.height, width = dataset.width;
  const uint8_t* source = dataset.image(index);
  std::vector<int64_t> columns(static_cast<size_t>(width));
  for (int64_t x = 0; x < width; ++x) {
    columns[static_cast<size_t>(x)] = reflected((flip ? width - 1 - x : x) - dx, width);
  }
  std::array<float, 256> table{};
  for (int64_t c = 0; c < dataset.channels; ++c) {
    const float mean = normalization.mean[static_cast<size_t>(c)];
    const float std = normalization.std[static_cast<size_t>(c)];
    for (size_t byte = 0; byte < 256; ++byte) {
      table[byte] = (static_cast<float>(byte) / 255.0F - mean) / std;
    }
    for (int64_t y = 0; y < height; ++y) {
      const uint8_t* row = source + (c * height + reflected(y - dy, height)) * width;
      for (const int64_t x : columns) *pixels++ = table[row[x]];
    }
  }
}

}  // namespace tessera::compress
