#pragma once

/// How the RTL codes operand widths.

#include <cstdint>

namespace tessera::rtl {

/// log2(bits) - 1, for 2, 4, 8 and 16 bits.
constexpr uint8_t width_code(int bits) {
  uint8_t code = 0;
  while ((4 << code) <= bits) ++code;
  return code;
}

}  // namespace tessera::rtl
