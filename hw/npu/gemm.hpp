#pragma once

/// Integer matrix product on 16-bit operands: exact, with the vector instructions of the machine
/// that it runs on.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera::npu {

/// out[k * out_stride + p] (+)= (sum over i < length of a[p * a_stride + i] * w[k * w_stride + i])
/// << shift, for p < pixels and k < channels. Every sum of any subset of the products must lie
/// within 32 bits. length is a multiple of kOperandAlignment (npu/array.hpp).
struct GemmBlock {
  std::size_t pixels, channels, length;
  const int16_t* a;
  std::size_t a_stride;
  const int16_t* w;
  std::size_t w_stride;
  int64_t* out;
  std::size_t out_stride;
  int shift;
  bool accumulate;  ///< add to what is there
};

struct GemmKernel {
  const char* name;  ///< instruction set
  void (*run)(const GemmBlock&);
};

/// The kernels this machine can run, the fastest first; never empty.
std::vector<GemmKernel> gemm_kernels();

}  // namespace tessera::npu
