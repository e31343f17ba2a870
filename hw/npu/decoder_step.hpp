#pragma once

/// One step of the weight decoder, all lanes at once, for weight_decoder.cpp.

#include <array>
#include <cstdint>

#include "abi/weight_coding.hpp"

namespace tessera::npu {

/// By the first kMaxCodeBits bits of a code: its symbol and length; length 0: no code.
struct DecoderEntry {
  uint8_t symbol = 0;
  uint8_t bits = 0;
};
constexpr std::size_t kDecoderEntries = std::size_t{1} << abi::kMaxCodeBits;  ///< of a bank

/// Bits of the lanes, the next one on top, and how many there are.
struct LaneBits {
  std::array<uint32_t, abi::kMaxDecoderLanes> bits{};
  std::array<uint32_t, abi::kMaxDecoderLanes> count{};
};

struct DecoderStep {
  uint32_t words = 0;    ///< that lanes took
  bool no_code = false;  ///< a lane has bits that begin no code
};

/// Lanes 0 .. count - 1 take words from `next` on where they have fewer than kMaxCodeBits bits, and
/// give a symbol each. `tables`: the banks' entries one after the other, an entry more behind them;
/// `next`: kMaxDecoderLanes words, even if fewer are taken.
using StepDecoder = DecoderStep (*)(LaneBits& lanes, const DecoderEntry* tables, uint32_t count,
                                    const uint8_t* next, uint8_t* out);

DecoderStep decode_step(LaneBits& lanes, const DecoderEntry* tables, uint32_t count,
                        const uint8_t* next, uint8_t* out);
#ifdef TESSERA_X86_KERNELS
/// The same for a multiple of 16 lanes, with AVX-512F.
DecoderStep decode_step_avx512(LaneBits& lanes, const DecoderEntry* tables, uint32_t count,
                               const uint8_t* next, uint8_t* out);
#endif

}  // namespace tessera::npu
