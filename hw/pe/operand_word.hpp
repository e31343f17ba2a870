#pragma once

/// The 128-bit operand word of a PE and the lanes in it.

#include <cstdint>
#include <vector>

namespace tessera::pe {

/// Up to 128 bits of packed operands, little endian: lane l of `bits` wide lanes occupies bits
/// [l*bits, (l+1)*bits). Lanes are 2, 4, 8 or 16 bits wide, so none crosses the 64-bit halves.
struct OperandWord {
  uint64_t low = 0;   ///< bits 63:0
  uint64_t high = 0;  ///< bits 127:64

  friend bool operator==(const OperandWord& a, const OperandWord& b) {
    return a.low == b.low && a.high == b.high;
  }
  friend bool operator!=(const OperandWord& a, const OperandWord& b) { return !(a == b); }
};

/// The raw bits of lane `lane` (zero-extended). `bits` is 2, 4, 8 or 16; lane < 128 / bits.
inline uint32_t lane_bits(const OperandWord& word, int lane, int bits) {
  const int offset = lane * bits;
  const uint64_t half = offset < 64 ? word.low : word.high;
  return static_cast<uint32_t>(half >> (offset & 63)) & ((1U << bits) - 1U);
}

/// The value of lane `lane`, sign-extended if `is_signed`.
inline int32_t lane_value(const OperandWord& word, int lane, int bits, bool is_signed) {
  const auto raw = static_cast<int32_t>(lane_bits(word, lane, bits));
  return is_signed && (raw >> (bits - 1)) != 0 ? raw - (1 << bits) : raw;
}

/// Overwrites lane `lane` with the low `bits` bits of `value`.
inline void set_lane(OperandWord& word, int lane, int bits, int32_t value) {
  const int offset = lane * bits;
  uint64_t& half = offset < 64 ? word.low : word.high;
  const uint64_t mask = (uint64_t{1} << bits) - 1U;
  half &= ~(mask << (offset & 63));
  half |= (static_cast<uint64_t>(static_cast<uint32_t>(value)) & mask) << (offset & 63);
}

/// The word with `values[l]` in lane l and zeros above.
/// Throws std::out_of_range if a value does not fit, or there are more than 128 / bits of them.
OperandWord pack(const std::vector<int32_t>& values, int bits, bool is_signed);

/// The values of lanes 0 to lane_count-1. Throws std::out_of_range if the word has fewer lanes.
std::vector<int32_t> unpack(const OperandWord& word, int lane_count, int bits, bool is_signed);

/// The word with all but the low `bit_count` (0..128) bits cleared.
OperandWord low_bits(const OperandWord& word, int bit_count);

/// The word with bit `bit` (0..127) inverted.
OperandWord flip_bit(OperandWord word, int bit);

}  // namespace tessera::pe
