#pragma once

/// Bit-packed elements: element e of a row lies at bits [e * bits, (e + 1) * bits), little endian;
/// bits is 2, 4, 8 or 16.

#include <cstddef>
#include <cstdint>

namespace tessera::npu {

enum class ElementFormat : uint8_t {
  kUnsigned,  ///< 16-bit elements unpack modulo 2^16
  kSigned,
  kP4,  ///< abi::p4_decode of 4-bit codes
};

constexpr uint64_t packed_bytes(uint64_t elements, int bits) {
  return (elements * static_cast<uint64_t>(bits) + 7) / 8;
}

/// Unpacks the first `count` elements of the row at `bytes`.
void unpack(const uint8_t* bytes, std::size_t count, int bits, ElementFormat format, int16_t* out);

/// Puts the low `bits` bits of `value` at element `index` of a row whose bits there are zero.
void put_element(uint8_t* bytes, std::size_t index, int bits, int32_t value);

/// An unpacked element as a number: undoes the modulo of unsigned 16-bit elements.
constexpr int32_t element_value(int16_t element, int bits, bool is_signed) {
  return bits == 16 && !is_signed ? static_cast<int32_t>(static_cast<uint16_t>(element))
                                  : static_cast<int32_t>(element);
}

}  // namespace tessera::npu
