#pragma once

#include <cstdint>
#include <vector>

namespace tessera::noc {

/// Addresses [base, base + size) go to port `output`, where they become offset + (address - base).
struct AddressRange {
  uint64_t base = 0;
  uint64_t size = 0;
  unsigned output = 0;
  uint64_t offset = 0;
};

/// Which port an address belongs to.
class AddressMap {
 public:
  /// Throws std::runtime_error if the range is empty, wraps around or overlaps another.
  void add(const AddressRange& range);

  /// The range that holds all of [address, address + bytes), or null.
  const AddressRange* find(uint64_t address, uint64_t bytes) const;

  const std::vector<AddressRange>& ranges() const { return ranges_; }

 private:
  std::vector<AddressRange> ranges_;
};

}  // namespace tessera::noc
