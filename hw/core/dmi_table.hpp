#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace tessera::core {

/// A part of the address space that can be accessed through a pointer. An empty one (size_bytes 0)
/// covers nothing.
struct DmiRegion {
  uint32_t base = 0;
  uint32_t size_bytes = 0;  ///< 4 or more, or 0
  unsigned char* pointer = nullptr;
  uint32_t read_stall_cycles = 0;   ///< beyond what the pipeline hides
  uint32_t write_stall_cycles = 0;  ///< likewise
  bool readable = false;
  bool writable = false;

  /// Whether `bytes` (1..4) bytes from `address` on are inside.
  bool covers(uint32_t address, uint32_t bytes) const {
    return address - base <= size_bytes - bytes && size_bytes != 0;
  }
  unsigned char* at(uint32_t address) const { return pointer + (address - base); }
};

/// The DMI regions that a core holds. They do not overlap: a new one replaces those it touches.
class DmiTable {
 public:
  void insert(const DmiRegion& region) {
    invalidate(region.base, region.base + (region.size_bytes - 1));
    regions_.push_back(region);
  }
  /// Removes all regions that touch [first, last].
  void invalidate(uint32_t first, uint32_t last) {
    for (auto region = regions_.begin(); region != regions_.end();) {
      const bool touches = region->base <= last && first <= region->base + (region->size_bytes - 1);
      region = touches ? regions_.erase(region) : region + 1;
    }
  }
  const DmiRegion* find_readable(uint32_t address, uint32_t bytes) const {
    for (const DmiRegion& region : regions_) {
      if (region.readable && region.covers(address, bytes)) return &region;
    }
    return nullptr;
  }
  const DmiRegion* find_writable(uint32_t address, uint32_t bytes) const {
    for (const DmiRegion& region : regions_) {
      if (region.writable && region.covers(address, bytes)) return &region;
    }
    return nullptr;
  }

 private:
  std::vector<DmiRegion> regions_;
};

}  // namespace tessera::core
