#pragma once

/// Local side of a load or store command.

#include <cstdint>
#include <optional>

#include "abi/npu_commands.hpp"
#include "npu/compute_unit.hpp"
#include "npu/scratchpad.hpp"

namespace tessera::npu {

class LocalTransfer {
 public:
  explicit LocalTransfer(const abi::Transfer& transfer) : transfer_(transfer) {}

  /// kBadAddress if a byte falls outside of the memory of the first one, or there are more bytes
  /// than a region has addresses.
  std::optional<Fault> check(const LocalMemories& memories) const;

  /// From the first to the last byte, gaps included, of a transfer that passed the check.
  AddressSpan span() const;

  /// Of all rows; 0: nothing moves.
  uint64_t bytes() const;

  /// The memory of a transfer that passed the check and is not empty.
  Memory memory(const LocalMemories& memories) const;

 private:
  int64_t row_address(uint64_t z, uint64_t y) const;
  int64_t first_address() const;

  abi::Transfer transfer_;
};

}  // namespace tessera::npu
