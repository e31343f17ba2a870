#pragma once

/// The PE clock by clock: the ports of rtl/pe.sv as structs, the interface that a clocked PE
/// implements, and the model behind it.

#include <array>
#include <cstdint>

#include "abi/number_formats.hpp"
#include "pe/operand_word.hpp"
#include "pe/pe.hpp"

namespace tessera::pe {

/// Rising edges from the one that samples a step's operands to the one that puts its sum into the
/// accumulator, both counted: align, multiply, accumulate.
constexpr int kLatencyCycles = 3;

/// What a PE samples at a rising edge. Within one step the order is clear, accumulate, capture.
struct PeInputs {
  abi::PeMode mode;         ///< of this step; may change with every step
  OperandWord activations;  ///< L*aw bits; higher bits are ignored
  OperandWord weights;      ///< L*ww bits; higher bits are ignored
  bool valid = false;       ///< the operands are to be accumulated
  bool clear = false;       ///< the accumulation starts from zero, with or without operands
  bool capture = false;     ///< the accumulator is copied to the shadow register afterwards
  bool drain = false;       ///< the shadow register takes `drain_data` at this very edge
  int64_t drain_data = 0;   ///< 48-bit two's complement: the neighbour's shadow register
  bool drain_overflow = false;
};

/// What a PE shows after a rising edge.
struct PeOutputs {
  int64_t accumulator = 0;         ///< 48-bit two's complement, sign-extended
  bool accumulator_valid = false;  ///< a step entered the accumulator at this edge
  bool overflow = false;           ///< the accumulator wrapped since the last clear
  int64_t shadow = 0;              ///< last captured accumulator, or what was drained into it
  bool shadow_overflow = false;    ///< `overflow` as captured with it
  bool captured = false;           ///< the shadow register was captured at this edge
};

/// A PE that is advanced one clock cycle at a time.
class ClockedPe {
 public:
  virtual ~ClockedPe() = default;

  /// Back to power-on: pipeline empty, accumulator and shadow register zero.
  virtual void reset() = 0;

  /// One rising edge. Throws ModeError for an impossible mode, whether or not the step is valid.
  virtual PeOutputs clock(const PeInputs& inputs) = 0;

  /// Inverts bit `bit` (0..47) of the accumulator register between two edges: a soft error, by
  /// which checkers are checked.
  virtual void flip_accumulator_bit(int bit) = 0;
};

/// The model PE behind the RTL's pipeline: two stages of delay, then the accumulator.
class ModelPe final : public ClockedPe {
 public:
  ModelPe();
  void reset() override;
  PeOutputs clock(const PeInputs& inputs) override;
  void flip_accumulator_bit(int bit) override { pe_.flip_accumulator_bit(bit); }

  /// The PE at the end of the pipeline, for its statistics.
  const Pe& pe() const { return pe_; }

 private:
  std::array<PeInputs, kLatencyCycles - 1> pipeline_;
  Pe pe_;
  PeOutputs outputs_;
};

}  // namespace tessera::pe
