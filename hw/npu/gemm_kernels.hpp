#pragma once

/// Private to gemm*.cpp: one entry point an instruction set, each in a file compiled for it.

#include "npu/gemm.hpp"

namespace tessera::npu {

void gemm_portable(const GemmBlock& block);
#ifdef TESSERA_X86_KERNELS
void gemm_avx2(const GemmBlock& block);
void gemm_avx512(const GemmBlock& block);
#endif

/// Calls tile(pixel, channel) for the corner of every kPixels x kChannels tile of the block, with
/// channels in panels that stay in the second-level cache while the pixels pass by.
template <int kPixels, int kChannels, typename Tile>
inline void for_each_tile(const GemmBlock& block, const Tile& tile) {
  constexpr std::size_t kPanelChannels = 64;
  for (std::size_t panel = 0; panel < block.channels; panel += kPanelChannels) {
    const std::size_t end =
        block.channels - panel < kPanelChannels ? block.channels : panel + kPanelChannels;
    for (std::size_t p = 0; p < block.pixels; p += kPixels) {
      for (std::size_t k = panel; k < end; k += kChannels) tile(p, k);
    }
  }
}

/// Stores one sum.
inline void put(const GemmBlock& block, std::size_t p, std::size_t k, int32_t sum) {
  int64_t& out = block.out[k * block.out_stride + p];
  const int64_t value = static_cast<int64_t>(sum) * (int64_t{1} << block.shift);
  out = block.accumulate ? out + value : value;
}

}  // namespace tessera::npu
