#pragma once

/// How the RTL codes operand widths.

#include <cstdint>

#include "abi/number_formats.hpp"

namespace tessera::rtl {

/// log2(bits) - 1, for 2, 4, 8 and 16 bits.
constexpr uint8_t width_code(int bits) {
  uint8_t code = 0;
  while ((4 << code) <= bits) ++code;
  return code;
}

/// That of a mode's weights. The RTL ignores it in p4, so it is another one there than that of the
/// 4 bits which a code takes: a mutant that minds it shows.
constexpr uint8_t weight_width_code(const abi::PeMode& mode) {
  return width_code(mode.p4 ? 16 : mode.weight_bits);
}

}  // namespace tessera::rtl
