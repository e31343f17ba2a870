#pragma once

/// Number formats of the PE array and the output path: operand widths, lanes, the power-of-two
/// code and the rounding hash. Freestanding.

#include <stdint.h>

namespace tessera::abi {

constexpr int kAccumulatorBits = 48;
constexpr int kMaxOperandWordBits = 128;

/// An operand width the multiplier splits into.
constexpr bool is_operand_width(int bits) {
  return bits == 2 || bits == 4 || bits == 8 || bits == 16;
}

/// What a PE does in a cycle: activation width, weight width, activation sign, multiplier or
/// shift-add weights (p4: weight_bits is 4).
struct PeMode {
  uint8_t activation_bits = 8;  ///< 2, 4, 8 or 16
  uint8_t weight_bits = 8;      ///< 2, 4, 8 or 16; 4 in mode p4
  bool activation_signed = false;
  bool p4 = false;
};

/// Multiply-accumulates a PE does in a cycle: (16/aw) * (16/ww), 1 to 64.
constexpr int lanes(int activation_bits, int weight_bits) {
  return (16 / activation_bits) * (16 / weight_bits);
}
constexpr int lanes(const PeMode& mode) { return lanes(mode.activation_bits, mode.weight_bits); }

/// Lane l of an operand word of `bits` wide lanes occupies word bits [l*bits, (l+1)*bits).
constexpr int activation_word_bits(const PeMode& m) { return lanes(m) * m.activation_bits; }
constexpr int weight_word_bits(const PeMode& m) { return lanes(m) * m.weight_bits; }

/// Mode p4: bit 3 is the sign, bits 2:0 the exponent e. The weight is +-2^-e for e in 0..6; e = 7
/// is zero whatever the sign (the packer writes 0b0111). In integers, with the least significant
/// bit worth 2^-6, the weight is +-2^(6-e).
constexpr int kP4Zero = 0b0111;
constexpr int kP4FractionBits = 6;

constexpr int p4_decode(unsigned code) {
  const int exponent = static_cast<int>(code & 7U);
  if (exponent == 7) return 0;
  const int magnitude = 1 << (kP4FractionBits - exponent);
  return (code & 8U) != 0 ? -magnitude : magnitude;
}

/// The code of an integer weight, or -1 if it is not 0 or +-2^0..6.
constexpr int p4_encode(int weight) {
  if (weight == 0) return kP4Zero;
  const int magnitude = weight < 0 ? -weight : weight;
  for (int shift = 0; shift <= kP4FractionBits; ++shift) {
    if (magnitude == (1 << shift)) return (weight < 0 ? 8 : 0) | (kP4FractionBits - shift);
  }
  return -1;
}

/// Smallest and largest value of an integer format.
constexpr int32_t min_value(int bits, bool is_signed) { return is_signed ? -(1 << (bits - 1)) : 0; }
constexpr int32_t max_value(int bits, bool is_signed) {
  return is_signed ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
}

/// Random bits of stochastic rounding: a function of the layer's seed and the output coordinates
/// and nothing else, so that tiling, clusters and order cannot change a value. Six rounds of the
/// add-rotate-xor function of Speck64 (Beaulieu et al., 2013, eprint 2013/404) on (channel,
/// pixel), keyed by the seed plus the round number: additions and exclusive-ors only, so cheap in
/// gates. `pixel` is y * width + x of the convolution's output, before pooling.
constexpr uint32_t rounding_hash(uint32_t seed, uint32_t channel, uint32_t pixel) {
  uint32_t x = channel;
  uint32_t y = pixel;
  for (uint32_t round = 0; round < 6; ++round) {
    x = (((x >> 8) | (x << 24)) + y) ^ (seed + round);
    y = ((y << 3) | (y >> 29)) ^ x;
  }
  return x ^ y;
}

/// The `shift` low bits that stochastic rounding adds before an arithmetic right shift by `shift`
/// (0..47): the hash, its most significant bits aligned to bit shift-1.
constexpr uint64_t rounding_noise(uint32_t hash, int shift) {
  return shift <= 32 ? (static_cast<uint64_t>(hash) << shift) >> 32
                     : static_cast<uint64_t>(hash) << (shift - 32);
}

}  // namespace tessera::abi
