#pragma once

/// The register map of a cluster as a table: names, access rights, descriptions.

#include <cstdint>
#include <string>

#include "abi/npu_registers.hpp"

namespace tessera::npu {

enum class Access : uint8_t { RO, RW, WO, W1C };

struct Register {
  const char* name;
  uint32_t offset;
  Access access;
  const char* description;

  bool readable() const { return access != Access::WO; }
  bool writable() const { return access != Access::RO; }
};

/// The register at `offset`, or null.
const Register* find_register(uint64_t offset);

/// "npu register LOAD_FIFO (0x40, write only)", or that there is none at this offset.
std::string describe_register(uint64_t offset);

}  // namespace tessera::npu
