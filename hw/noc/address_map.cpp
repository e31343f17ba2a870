#include "noc/address_map.hpp"

#include <sstream>
#include <stdexcept>

namespace tessera::noc {

namespace {

std::string hex(const AddressRange& range) {
  std::ostringstream out;
  out << std::hex << "0x" << range.base << "..0x" << range.base + range.size - 1;
  return out.str();
}

}  // namespace

void AddressMap::add(const AddressRange& range) {
  if (range.size == 0 || range.base + (range.size - 1) < range.base) {
    throw std::runtime_error("address range at port " + std::to_string(range.output) +
                             " is empty or wraps around; give it a size");
  }
  for (const AddressRange& other : ranges_) {
    if (range.base <= other.base + (other.size - 1) &&
        other.base <= range.base + (range.size - 1)) {
      throw std::runtime_error("address range " + hex(range) + " overlaps " + hex(other) +
                               "; move one of them");
    }
  }
  ranges_.push_back(range);
}

const AddressRange* AddressMap::find(uint64_t address, uint64_t bytes) const {
  for (const AddressRange& range : ranges_) {
    const uint64_t offset = address - range.base;
    if (address >= range.base && offset < range.size && bytes <= range.size - offset) {
      return &range;
    }
  }
  return nullptr;
}

}  // namespace tessera::noc
