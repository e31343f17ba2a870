#pragma once

/// Physical addresses of the chip as its host core sees them. Those below the NPU, and RAM, are
/// the ones of QEMU's `virt` board (qemu/hw/riscv/virt.c), so that one ELF runs on both.

#include <stdint.h>

namespace tessera::abi {

constexpr uint32_t kFinisherBase = 0x0010'0000;  ///< SiFive test finisher
constexpr uint32_t kFinisherSize = 0x1000;
constexpr uint32_t kClintBase = 0x0200'0000;
constexpr uint32_t kClintSize = 0x1'0000;
constexpr uint32_t kPlicBase = 0x0C00'0000;
constexpr uint32_t kPlicSize = 0x60'0000;
constexpr uint32_t kUartBase = 0x1000'0000;  ///< 16550
constexpr uint32_t kUartSize = 0x100;
constexpr uint32_t kMaxClusters = 16;
constexpr uint32_t kNpuBase = 0x4000'0000;  ///< registers of cluster n at base + n * stride
constexpr uint32_t kNpuStride = 0x10'0000;
constexpr uint32_t kRamBase = 0x8000'0000;  ///< core-local RAM; DRAM follows without a gap

/// PLIC interrupt sources (UART as on `virt`; the NPU clusters follow its last device).
constexpr uint32_t kUartIrq = 10;
constexpr uint32_t kNpuIrq = 40;  ///< of cluster 0; cluster n is kNpuIrq + n

/// CLINT mtime ticks a second, as on `virt`.
constexpr uint32_t kTimebaseHz = 10'000'000;

/// Words written to the test finisher: exit code in bits 31:16 for `kFinisherFail`.
constexpr uint32_t kFinisherPass = 0x5555;
constexpr uint32_t kFinisherFail = 0x3333;
constexpr uint32_t kFinisherReset = 0x7777;

}  // namespace tessera::abi
