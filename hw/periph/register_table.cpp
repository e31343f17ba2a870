#include "periph/register_table.hpp"

#include <array>
#include <cstdio>

namespace tessera::periph {

std::string RegisterTable::name(uint32_t offset) const {
  for (const RegisterInfo& r : registers_) {
    if (offset < r.offset) continue;
    const uint32_t index = (offset - r.offset) / r.stride_bytes;
    const uint32_t byte = (offset - r.offset) % r.stride_bytes;
    if (index >= r.count || byte >= r.size_bytes) continue;
    return r.count == 1 ? r.name : std::string(r.name) + "[" + std::to_string(index) + "]";
  }
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "0x%x", offset);
  return text.data();
}

}  // namespace tessera::periph
