#pragma once

/// The fused multiplier of a PE, computed brick by brick as the RTL does (rtl/pe_multiplier.sv).
///
/// 64 bricks, each the product of two 2-bit digits, feed a binary adder tree of six levels. Brick
/// b has the index bits {A2 W2 A1 W1 A0 W0}: A tells which activation digits it serves, W which
/// weight digits. Tree level 2k joins the bricks that differ in W_k, level 2k+1 those that differ
/// in A_k. Where the operand is wider than 2^(k+1) bits, the two are the low and high part of one
/// operand and the upper is shifted left by 2^(k+1) bits first; otherwise they belong to different
/// lanes and are added as they are. The same bricks and adders so make one 16x16 product, 64 2x2
/// products, or anything between, and the tree's root is the sum over all lanes.
///
/// In mode p4 a shift-add cell takes the place of the two bricks that would multiply an activation
/// digit by a 4-bit weight; the tree above is the same.

#include <array>
#include <cstdint>

#include "abi/number_formats.hpp"
#include "pe/operand_word.hpp"

namespace tessera::pe {

constexpr int kBricks = 64;

/// Product of two 2-bit digits. A digit is 0..3, or -2..1 where its sign flag is set.
/// Range -6..9.
int brick(uint32_t activation_digit, bool activation_signed, uint32_t weight_digit,
          bool weight_signed);

/// A 2-bit activation digit (0..3, or -2..1) times a p4 weight, by negation and shift.
/// Range -192..192.
int shift_add_cell(uint32_t activation_digit, bool activation_signed, uint32_t code);

/// What a step of the multiplier yields.
struct LaneSum {
  int32_t sum = 0;      ///< sum over lanes of activation times weight; fits 32 bits in every mode
  int gated_lanes = 0;  ///< lanes whose activation or weight is zero: no multiplier energy
};

/// The fused multiplier configured for one mode.
class FusedMultiplier {
 public:
  /// Throws ModeError for an impossible mode.
  explicit FusedMultiplier(const abi::PeMode& mode);

  const abi::PeMode& mode() const { return mode_; }

  /// The sum over the mode's L lanes; word bits above L*aw and L*ww are ignored.
  LaneSum multiply(const OperandWord& activations, const OperandWord& weights) const;

 private:
  /// Where a brick takes its digits from, and whether they are the top digits of a signed operand.
  struct Route {
    uint8_t activation_digit;  ///< digit of the activation word, 0..63
    uint8_t weight_digit;      ///< digit of the weight word, 0..63
    bool activation_signed;
    bool weight_signed;
  };

  int32_t tree_sum(const OperandWord& activations, const OperandWord& weights) const;
  int count_gated_lanes(const OperandWord& activations, const OperandWord& weights) const;

  abi::PeMode mode_;
  std::array<Route, kBricks> routes_;
  std::array<int, 6> level_shifts_;  ///< left shift of the upper input at each tree level
};

}  // namespace tessera::pe
