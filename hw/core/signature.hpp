#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/elf.hpp"

namespace tessera::core {

/// Reads `size_bytes` of memory at `address` without side effects (debug transport); false if it
/// could not read all of it.
using MemoryReader = std::function<bool(uint32_t address, void* data, uint32_t size_bytes)>;

/// The signature that a RISC-V architecture test leaves in memory: the 32-bit words from the symbol
/// `begin_signature` up to `end_signature`, one a line, as 8 lower-case hexadecimal digits. Throws
/// ElfError if a symbol is missing, the range is reversed or not of whole words, or it cannot be
/// read.
std::string signature_text(const Elf& elf, const MemoryReader& read);

/// Address of `tohost`, a store to which ends an architecture test (value 1: passed); nothing if
/// the program has no such symbol.
std::optional<uint32_t> tohost_address(const Elf& elf);

/// Exit code of a value stored to `tohost`: 0 if it says "passed" (1), the number of the failed
/// test case (value / 2) if it is another odd value, nothing if the value does not end
/// the test.
std::optional<uint32_t> tohost_exit_code(uint32_t value);

}  // namespace tessera::core
