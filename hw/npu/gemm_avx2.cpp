#include <immintrin.h>

#include "npu/gemm_kernels.hpp"

namespace tessera::npu {

namespace {

constexpr int kPixels = 4;
constexpr int kChannels = 2;
constexpr std::size_t kLanes = 16;

inline __m256i load(const int16_t* data) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(data));
}

/// The sums of the elements of four vectors.
inline __m128i sums_of(const __m256i (&v)[4]) {
  __m128i half[4];
  for (int i = 0; i < 4; ++i) {
    half[i] = _mm_add_epi32(_mm256_castsi256_si128(v[i]), _mm256_extracti128_si256(v[i], 1));
  }
  return _mm_hadd_epi32(_mm_hadd_epi32(half[0], half[1]), _mm_hadd_epi32(half[2], half[3]));
}

}  // namespace

void gemm_avx2(const GemmBlock& block) {
  for_each_tile<kPixels, kChannels>(block, [&](std::size_t p, std::size_t k) {
    // A ragged tile repeats its last row; the copies are computed and dropped.
    const int16_t* a[kPixels];
    const int16_t* w[kChannels];
    for (std::size_t i = 0; i < kPixels; ++i) {
      a[i] = block.a + (p + i < block.pixels ? p + i : block.pixels - 1) * block.a_stride;
    }
    for (std::size_t j = 0; j < kChannels; ++j) {
      w[j] = block.w + (k + j < block.channels ? k + j : block.channels - 1) * block.w_stride;
    }
    __m256i sum[kChannels][kPixels] = {};
    for (std::size_t i = 0; i < block.length; i += kLanes) {
      const __m256i w0 = load(w[0] + i);
      const __m256i w1 = load(w[1] + i);
      for (int n = 0; n < kPixels; ++n) {
        const __m256i x = load(a[n] + i);
        sum[0][n] = _mm256_add_epi32(sum[0][n], _mm256_madd_epi16(x, w0));
        sum[1][n] = _mm256_add_epi32(sum[1][n], _mm256_madd_epi16(x, w1));
      }
    }
    for (std::size_t j = 0; j < kChannels && k + j < block.channels; ++j) {
      int32_t values[kPixels];
      _mm_storeu_si128(reinterpret_cast<__m128i*>(values), sums_of(sum[j]));
      for (std::size_t i = 0; i < kPixels && p + i < block.pixels; ++i) {
        put(block, p + i, k + j, values[i]);
      }
    }
  });
}

}  // namespace tessera::npu
