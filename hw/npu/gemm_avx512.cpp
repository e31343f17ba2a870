#include <immintrin.h>

#include "npu/gemm_kernels.hpp"

namespace tessera::npu {

namespace {

constexpr int kPixels = 4;
constexpr int kChannels = 4;
constexpr std::size_t kLanes = 32;

inline __m512i load(const int16_t* data) { return _mm512_loadu_si512(data); }

/// The sums of the elements of four vectors.
inline __m128i sums_of(const __m512i (&v)[4]) {
  __m128i quarter[4];
  for (int i = 0; i < 4; ++i) {
    const __m256i half = _mm256_add_epi32(_mm512_maskz_extracti64x4_epi64(0xF, v[i], 0),
                                          _mm512_maskz_extracti64x4_epi64(0xF, v[i], 1));
    quarter[i] = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  }
  return _mm_hadd_epi32(_mm_hadd_epi32(quarter[0], quarter[1]),
                        _mm_hadd_epi32(quarter[2], quarter[3]));
}

}  // namespace

void gemm_avx512(const GemmBlock& block) {
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
    __m512i sum[kChannels][kPixels] = {};
    for (std::size_t i = 0; i < block.length; i += kLanes) {
      const __m512i x[kPixels] = {load(a[0] + i), load(a[1] + i), load(a[2] + i), load(a[3] + i)};
      for (int j = 0; j < kChannels; ++j) {
        const __m512i y = load(w[j] + i);
        for (int n = 0; n < kPixels; ++n) sum[j][n] = _mm512_dpwssd_epi32(sum[j][n], x[n], y);
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
