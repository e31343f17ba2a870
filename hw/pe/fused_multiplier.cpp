#include "pe/fused_multiplier.hpp"

#include "pe/mode.hpp"

namespace tessera::pe {
namespace {

constexpr unsigned kTreeLevels = 6;

/// log2 of the number of digits of an operand: 0 for 2 bits to 3 for 16.
unsigned fused_levels(unsigned bits) {
  unsigned levels = 0;
  while ((2U << levels) < bits) ++levels;
  return levels;
}

unsigned activation_index(unsigned b) { return (b >> 1 & 1U) | (b >> 2 & 2U) | (b >> 3 & 4U); }
unsigned weight_index(unsigned b) { return (b & 1U) | (b >> 1 & 2U) | (b >> 2 & 4U); }

int digit_value(uint32_t digit, bool is_signed) {
  const int low = static_cast<int>(digit & 1U);
  const int high = static_cast<int>(digit >> 1 & 1U);
  return low + (is_signed ? -2 * high : 2 * high);
}

}  // namespace

int brick(uint32_t activation_digit, bool activation_signed, uint32_t weight_digit,
          bool weight_signed) {
  return digit_value(activation_digit, activation_signed) *
         digit_value(weight_digit, weight_signed);
}

int shift_add_cell(uint32_t activation_digit, bool activation_signed, uint32_t code) {
  const unsigned exponent = code & 7U;
  if (exponent == 7U) return 0;
  const int digit = digit_value(activation_digit, activation_signed);
  const int negated = (code & 8U) != 0 ? -digit : digit;
  return negated * (1 << (static_cast<unsigned>(abi::kP4FractionBits) - exponent));
}

FusedMultiplier::FusedMultiplier(const abi::PeMode& mode) : mode_(mode) {
  check_mode(mode);
  const unsigned fa = fused_levels(mode.activation_bits);
  const unsigned fw = fused_levels(mode.weight_bits);
  const unsigned a_top = (1U << fa) - 1U;
  const unsigned w_top = (1U << fw) - 1U;
  for (unsigned b = 0; b < kBricks; ++b) {
    const unsigned a = activation_index(b);
    const unsigned w = weight_index(b);
    // Lane index, from its low bit up: the unfused bits of A, then those of W.
    const unsigned lane = (a >> fa) | ((w >> fw) << (3U - fa));
    routes_[b] = {static_cast<uint8_t>((lane << fa) | (a & a_top)),
                  static_cast<uint8_t>((lane << fw) | (w & w_top)),
                  mode.activation_signed && (a & a_top) == a_top, (w & w_top) == w_top};
  }
  for (unsigned k = 0; k < kTreeLevels / 2; ++k) {
    level_shifts_[2 * k] = k < fw ? 2 << k : 0;
    level_shifts_[2 * k + 1] = k < fa ? 2 << k : 0;
  }
}

LaneSum FusedMultiplier::multiply(const OperandWord& activations,
                                  const OperandWord& weights) const {
  return {tree_sum(activations, weights), count_gated_lanes(activations, weights)};
}

int32_t FusedMultiplier::tree_sum(const OperandWord& activations,
                                  const OperandWord& weights) const {
  std::array<int32_t, kBricks> node;
  unsigned level = 0;
  if (mode_.p4) {
    for (unsigned pair = 0; pair < kBricks / 2; ++pair) {
      const Route& route = routes_[2 * pair];
      const uint32_t code = lane_bits(weights, route.weight_digit / 2, 4);
      node[pair] = shift_add_cell(lane_bits(activations, route.activation_digit, 2),
                                  route.activation_signed, code);
    }
    level = 1;
  } else {
    for (unsigned b = 0; b < kBricks; ++b) {
      const Route& route = routes_[b];
      node[b] = brick(lane_bits(activations, route.activation_digit, 2), route.activation_signed,
                      lane_bits(weights, route.weight_digit, 2), route.weight_signed);
    }
  }
  for (; level < kTreeLevels; ++level) {
    const unsigned count = static_cast<unsigned>(kBricks) >> (level + 1);
    for (unsigned i = 0; i < count; ++i) {
      node[i] = node[2 * i] + node[2 * i + 1] * (1 << level_shifts_[level]);
    }
  }
  return node[0];
}

int FusedMultiplier::count_gated_lanes(const OperandWord& activations,
                                       const OperandWord& weights) const {
  int gated = 0;
  const int lane_count = abi::lanes(mode_);
  for (int lane = 0; lane < lane_count; ++lane) {
    const uint32_t weight = lane_bits(weights, lane, mode_.weight_bits);
    const bool weight_zero = mode_.p4 ? abi::p4_decode(weight) == 0 : weight == 0;
    if (weight_zero || lane_bits(activations, lane, mode_.activation_bits) == 0) ++gated;
  }
  return gated;
}

}  // namespace tessera::pe
