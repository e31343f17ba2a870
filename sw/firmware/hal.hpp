#pragma once

/// What the firmware needs from the core it runs on. Two implementations: hal_riscv.cpp for the
/// modelled core, and the platform's native core, which runs the same source on the host.

#include <stdint.h>

namespace tessera::firmware::hal {

/// 32-bit device register access.
uint32_t read32(uint32_t address);
void write32(uint32_t address, uint32_t value);
/// 8-bit device register access (UART).
uint8_t read8(uint32_t address);
void write8(uint32_t address, uint8_t value);

/// Memory (RAM and DRAM) at a physical address, for `bytes` bytes.
void* memory(uint32_t address, uint32_t bytes);

/// Sleeps until the PLIC has an interrupt pending. The hart takes none: who waits claims it, which
/// spares the way into a handler and back.
void wait_for_interrupt();

/// Does not return.
[[noreturn]] void halt();

}  // namespace tessera::firmware::hal

namespace tessera::firmware {

/// Called by the hardware layer on a synchronous exception; does not return.
[[noreturn]] void exception(uint32_t cause, uint32_t pc, uint32_t address);
/// Entry; `boot_info` is the address of abi::BootInfo.
void main(uint32_t boot_info);

}  // namespace tessera::firmware
