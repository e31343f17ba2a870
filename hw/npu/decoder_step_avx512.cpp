#include <immintrin.h>

#include "npu/decoder_step.hpp"

namespace tessera::npu {

DecoderStep decode_step_avx512(LaneBits& lanes, const DecoderEntry* tables, uint32_t count,
                               const uint8_t* next, uint8_t* out) {
  static_assert(sizeof(DecoderEntry) == 2);
  const __m512i bank = _mm512_and_si512(
      _mm512_setr_epi32(0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1), _mm512_set1_epi32(1));
  const __m512i bank_entries = _mm512_slli_epi32(bank, abi::kMaxCodeBits);
  DecoderStep step;
  for (uint32_t lane = 0; lane < count; lane += 16) {
    __m512i held = _mm512_loadu_si512(lanes.count.data() + lane);
    __m512i bits = _mm512_loadu_si512(lanes.bits.data() + lane);
    const __mmask16 needs = _mm512_cmplt_epu32_mask(held, _mm512_set1_epi32(abi::kMaxCodeBits));
    const __m256i stream = _mm256_loadu_si256(
        reinterpret_cast<const __m256i*>(next + step.words * abi::kCodeWordBytes));
    const __m512i words = _mm512_maskz_expand_epi32(needs, _mm512_cvtepu16_epi32(stream));
    step.words += static_cast<uint32_t>(__builtin_popcount(needs));
    bits = _mm512_or_si512(bits,
                           _mm512_sllv_epi32(words, _mm512_sub_epi32(_mm512_set1_epi32(16), held)));
    const __m512i place =
        _mm512_add_epi32(_mm512_srli_epi32(bits, 32 - abi::kMaxCodeBits), bank_entries);
    const __m512i entries = _mm512_i32gather_epi32(place, tables, sizeof(DecoderEntry));
    const __m512i taken = _mm512_and_si512(_mm512_srli_epi32(entries, 8), _mm512_set1_epi32(0xFF));
    step.no_code = step.no_code || _mm512_cmpeq_epi32_mask(taken, _mm512_setzero_si512()) != 0;
    held = _mm512_mask_add_epi32(held, needs, held, _mm512_set1_epi32(16));
    _mm512_storeu_si512(lanes.count.data() + lane, _mm512_sub_epi32(held, taken));
    _mm512_storeu_si512(lanes.bits.data() + lane, _mm512_sllv_epi32(bits, taken));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out + lane), _mm512_cvtepi32_epi8(entries));
  }
  return step;
}

}  // namespace tessera::npu
