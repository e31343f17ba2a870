#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace tessera::periph {

/// One register of a device, or an array of equal ones.
struct RegisterInfo {
  const char* name;
  uint32_t offset;            ///< bytes from the device's base
  uint32_t size_bytes;        ///< of one element
  uint32_t count = 1;         ///< elements
  uint32_t stride_bytes = 4;  ///< from one element to the next
};

/// The registers of a device, for decoding and for messages.
class RegisterTable {
 public:
  RegisterTable(std::vector<RegisterInfo> registers) : registers_(std::move(registers)) {}

  /// The register that holds the byte at `offset`: "priority[3]", "threshold", or "0x1f4" if
  /// there is none.
  std::string name(uint32_t offset) const;
  const std::vector<RegisterInfo>& registers() const { return registers_; }

 private:
  std::vector<RegisterInfo> registers_;
};

}  // namespace tessera::periph
