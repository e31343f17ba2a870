#pragma once

/// The local memories of a cluster, in one address space of regions (abi::kLocalActivations, ...).

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "chip/chip.hpp"
#include "npu/statistics.hpp"

namespace tessera::npu {

struct AddressSpan {
  uint64_t address = 0;
  uint64_t bytes = 0;

  bool overlaps(const AddressSpan& other) const {
    return address < other.address + other.bytes && other.address < address + bytes;
  }
};

class LocalMemories {
 public:
  /// All zero. Throws std::runtime_error if a memory exceeds abi::kLocalRegionBytes.
  explicit LocalMemories(const chip::Scratchpads& sizes);

  uint32_t size_bytes(Memory memory) const;

  /// The memory that holds bytes [address, address + bytes), or none if they are not all in one.
  std::optional<Memory> memory_at(uint64_t address, uint64_t bytes) const;

  /// The first address of [address, address + bytes) that no memory holds; address itself if all
  /// of them exist.
  uint64_t first_bad_address(uint64_t address, uint64_t bytes) const;

  /// The byte at `address`; the caller has checked the range with memory_at.
  uint8_t* at(uint64_t address);
  const uint8_t* at(uint64_t address) const;

 private:
  std::array<std::vector<uint8_t>, kMemoryCount> memories_;
};

}  // namespace tessera::npu
