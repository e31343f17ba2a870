#include "npu/gemm.hpp"

#include "npu/gemm_kernels.hpp"

namespace tessera::npu {

std::vector<GemmKernel> gemm_kernels() {
  std::vector<GemmKernel> kernels;
#ifdef TESSERA_X86_KERNELS
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512vnni")) {
    kernels.push_back({"avx512-vnni", &gemm_avx512});
  }
  if (__builtin_cpu_supports("avx2")) kernels.push_back({"avx2", &gemm_avx2});
#endif
  kernels.push_back({"portable", &gemm_portable});
  return kernels;
}

void gemm_portable(const GemmBlock& block) {
  for_each_tile<1, 1>(block, [&](std::size_t p, std::size_t k) {
    const int16_t* a = block.a + p * block.a_stride;
    const int16_t* w = block.w + k * block.w_stride;
    int32_t sum = 0;
    for (std::size_t i = 0; i < block.length; ++i) sum += a[i] * w[i];
    put(block, p, k, sum);
  });
}

}  // namespace tessera::npu
