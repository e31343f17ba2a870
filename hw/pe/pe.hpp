#pragma once

/// The processing element: fused multiplier and 48-bit accumulator, without time.

#include <cstdint>

#include "abi/number_formats.hpp"
#include "pe/fused_multiplier.hpp"
#include "pe/operand_word.hpp"

namespace tessera::pe {

/// `value` reduced to 48-bit two's complement.
constexpr int64_t wrap_accumulator(int64_t value) {
  constexpr int kUnused = 64 - abi::kAccumulatorBits;
  return static_cast<int64_t>(static_cast<uint64_t>(value) << kUnused) >> kUnused;
}

/// One PE. A step adds the sum over the mode's lanes to the accumulator:
///
///     Pe pe({8, 8, false, false});             // 4 lanes of unsigned 8-bit by signed 8-bit
///     pe.step(pack({1, 2, 3, 4}, 8, false), pack({1, 1, 1, -1}, 8, true));
///     pe.accumulator();                        // 2
class Pe {
 public:
  /// Throws ModeError for an impossible mode.
  explicit Pe(const abi::PeMode& mode) : multiplier_(mode) {}

  /// Changes the mode of the steps to come; the accumulator stays. Throws ModeError.
  void set_mode(const abi::PeMode& mode);
  const abi::PeMode& mode() const { return multiplier_.mode(); }

  /// One multiply-accumulate over all lanes. Word bits beyond the mode's lanes are ignored.
  LaneSum step(const OperandWord& activations, const OperandWord& weights);

  /// Sets the accumulator to zero and lowers the overflow flag.
  void clear();

  /// Inverts accumulator bit `bit` (0..47): a soft error.
  void flip_accumulator_bit(int bit);

  /// 48-bit two's complement, sign-extended.
  int64_t accumulator() const { return accumulator_; }

  /// Whether the accumulator left the 48-bit range, and wrapped, since the last clear.
  bool overflow() const { return overflow_; }

  /// Lanes with a zero operand, and all lanes, over the steps since construction.
  uint64_t gated_lanes() const { return gated_lanes_; }
  uint64_t stepped_lanes() const { return stepped_lanes_; }

 private:
  FusedMultiplier multiplier_;
  int64_t accumulator_ = 0;
  bool overflow_ = false;
  uint64_t gated_lanes_ = 0;
  uint64_t stepped_lanes_ = 0;
};

}  // namespace tessera::pe
