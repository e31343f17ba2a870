#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace tessera::fuzz {

/// Uniform whole numbers that do not depend on the standard library's distributions.
class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}

  int64_t pick(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(engine_() % static_cast<uint64_t>(high - low + 1));
  }
  bool chance(int percent) { return pick(1, 100) <= percent; }
  float real(float low, float high) {
    return low + (high - low) * static_cast<float>(pick(0, 1 << 20)) / static_cast<float>(1 << 20);
  }
  template <class T>
  const T& any(const std::vector<T>& values) {
    return values[static_cast<size_t>(pick(0, static_cast<int64_t>(values.size()) - 1))];
  }

 private:
  std::mt19937_64 engine_;
};

}  // namespace tessera::fuzz
