#pragma once

/// Local side of a load or store command.

#include <cstdint>
#include <optional>

#include "abi/npu_commands.hpp"
#include "npu/compute_unit.hpp"
#include "npu/scratchpad.hpp"

namespace tessera::npu {

/// Bytes of zero frame that the load engine writes in a cycle.
constexpr uint64_t kFillBytesPerCycle = 16;

class LocalTransfer {
 public:
  explicit LocalTransfer(const abi::Transfer& transfer) : transfer_(transfer) {}

  /// kBadAddress if a byte falls outside of the memory of the first one, or there are more bytes
  /// than a region has addresses; kIllegalMode (info: word of abi::Transfer) if `padding` is not
  /// allowed and there is some.
  std::optional<Fault> check(const LocalMemories& memories, bool padding_allowed) const;

  /// Whether nothing moves and nothing is filled.
  bool empty() const { return copied_bytes() == 0 && frame_bytes() == 0; }
  uint64_t copied_bytes() const;
  uint64_t frame_bytes() const;
  uint64_t frame_cycles() const {
    return (frame_bytes() + kFillBytesPerCycle - 1) / kFillBytesPerCycle;
  }
  void fill_frame(LocalMemories& memories) const;

  /// The memory of a transfer that passed the check and is not empty.
  Memory memory(const LocalMemories& memories) const;

  /// Local address of the first copied byte; there is at least one.
  uint64_t first_copied_address() const;

 private:
  uint64_t row_bytes() const;  ///< with padding
  uint64_t rows() const;       ///< of a plane, with padding
  int64_t row_address(uint64_t z, uint64_t y) const;

  abi::Transfer transfer_;
};

}  // namespace tessera::npu
