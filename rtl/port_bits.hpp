#pragma once

/// Bit fields of the ports of a Verilated model, whatever the width of the port. Include after
/// verilated.h.

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace tessera::rtl {

/// Sets bits [offset, offset + width) of a port of up to 64 bits. width is 1..32.
template <typename Port>
std::enable_if_t<std::is_integral_v<Port>> put_bits(Port& port, unsigned offset, unsigned width,
                                                    uint32_t value) {
  const uint64_t mask = (uint64_t{1} << width) - 1U;
  port = static_cast<Port>((port & ~(mask << offset)) | ((value & mask) << offset));
}

/// The same for a wider port.
template <std::size_t kWords>
void put_bits(VlWide<kWords>& port, unsigned offset, unsigned width, uint32_t value) {
  const unsigned word = offset / 32;
  const unsigned shift = offset % 32;
  const uint64_t mask = ((uint64_t{1} << width) - 1U) << shift;
  const uint64_t bits = (static_cast<uint64_t>(value) << shift) & mask;
  port[word] = (port[word] & ~static_cast<uint32_t>(mask)) | static_cast<uint32_t>(bits);
  if (shift + width > 32) {
    port[word + 1] =
        (port[word + 1] & ~static_cast<uint32_t>(mask >> 32)) | static_cast<uint32_t>(bits >> 32);
  }
}

/// Bits [offset, offset + width) of a port of up to 64 bits. width is 1..32.
template <typename Port>
std::enable_if_t<std::is_integral_v<Port>, uint32_t> get_bits(const Port& port, unsigned offset,
                                                              unsigned width) {
  const uint64_t mask = (uint64_t{1} << width) - 1U;
  return static_cast<uint32_t>((static_cast<uint64_t>(port) >> offset) & mask);
}

/// The same for a wider port.
template <std::size_t kWords>
uint32_t get_bits(const VlWide<kWords>& port, unsigned offset, unsigned width) {
  const unsigned word = offset / 32;
  const unsigned shift = offset % 32;
  uint64_t bits = port[word];
  if (shift + width > 32) bits |= static_cast<uint64_t>(port[word + 1]) << 32;
  return static_cast<uint32_t>((bits >> shift) & ((uint64_t{1} << width) - 1U));
}

/// The `width` (1..32) low bits of `bits` as a two's complement number.
constexpr int32_t sign_extended(uint32_t bits, unsigned width) {
  const unsigned unused = 32 - width;
  return static_cast<int32_t>(bits << unused) >> unused;
}

}  // namespace tessera::rtl
