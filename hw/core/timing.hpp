#pragma once

#include <cstdint>

namespace tessera::core {

/// What instructions cost, in clock cycles: an in-order, single-issue core of three stages. An
/// instruction costs `instruction` plus the extras of its class plus what its memory accesses take
/// beyond `hidden_memory`.
struct CoreTiming {
  uint32_t instruction = 1;    ///< every instruction; at least 1
  uint32_t taken_branch = 1;   ///< extra, conditional branch that is taken
  uint32_t jump = 1;           ///< extra, jal and jalr
  uint32_t multiply = 2;       ///< extra, mul, mulh, mulhsu, mulhu
  uint32_t divide = 32;        ///< extra, div, divu, rem, remu (one bit a cycle)
  uint32_t atomic = 1;         ///< extra, amo*, lr, sc
  uint32_t csr = 0;            ///< extra, Zicsr instructions
  uint32_t fence_i = 3;        ///< extra, fence.i (the pipeline refills)
  uint32_t trap = 3;           ///< extra, entering a handler by exception or interrupt; mret
  uint32_t hidden_memory = 1;  ///< cycles of each fetch or data access that the pipeline hides: a
                               ///< single-cycle memory costs nothing extra
};

}  // namespace tessera::core
