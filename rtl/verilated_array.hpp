#pragma once

/// The RTL array with its sequencer (rtl/sequenced_array.sv), compiled by Verilator, one clock
/// cycle at a time. Handshake rules and the meaning of every port: docs/rtl/array.md.

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "abi/number_formats.hpp"
#include "pe/operand_word.hpp"

namespace tessera::rtl {

/// An array size that was not compiled, or a run that no array can do.
class ArrayError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What the array samples at a rising edge.
struct ArrayInputs {
  bool start_valid = false;
  uint32_t channels = 0;  ///< of the run that starts; at least 1
  uint32_t pixels = 0;    ///< at least 1
  uint32_t steps = 0;     ///< at least 1
  abi::PeMode mode;       ///< of the run that starts

  bool feed_valid = false;
  std::vector<pe::OperandWord> weights;      ///< [rows]; looked at only if feed_valid
  std::vector<pe::OperandWord> activations;  ///< [columns]; looked at only if feed_valid

  bool drain_ready = false;
};

/// A row of the column that leaves.
struct ArrayResult {
  bool valid = false;       ///< the row has a channel; else the rest means nothing
  int64_t accumulator = 0;  ///< 48-bit two's complement, sign-extended
  bool overflow = false;    ///< the accumulator wrapped
};

/// What the array shows in the cycle before the next rising edge. None of it depends on the inputs
/// of the same cycle.
struct ArrayOutputs {
  bool start_ready = false;
  bool busy = false;

  bool feed_ready = false;
  uint32_t feed_channel = 0;  ///< channel of row 0 of the step that is asked for
  uint32_t feed_pixel = 0;    ///< pixel of column 0
  uint32_t feed_step = 0;

  bool drain_valid = false;
  uint32_t drain_channel = 0;        ///< channel of row 0
  uint32_t drain_pixel = 0;          ///< pixel of the column
  std::vector<ArrayResult> results;  ///< [rows]; as of the last cycle with drain_valid
};

/// One instance of the RTL array, in a Verilator context of its own. Reset when constructed.
class VerilatedArray {
 public:
  /// Throws ArrayError if the size is none of sizes().
  VerilatedArray(uint32_t rows, uint32_t columns);
  ~VerilatedArray();
  VerilatedArray(const VerilatedArray&) = delete;
  VerilatedArray& operator=(const VerilatedArray&) = delete;

  /// {rows, columns} of the arrays that were compiled.
  static std::vector<std::pair<uint32_t, uint32_t>> sizes();

  uint32_t rows() const { return rows_; }
  uint32_t columns() const { return columns_; }

  void reset();

  const ArrayOutputs& outputs() const { return outputs_; }

  /// One rising edge. Throws ArrayError for an empty run or operands that do not fit the array, and
  /// pe::ModeError for an impossible mode, in a cycle in which they are looked at.
  const ArrayOutputs& clock(const ArrayInputs& inputs);

 private:
  class Device;
  template <typename Top>
  class DeviceOf;

  static std::unique_ptr<Device> make_device(uint32_t rows, uint32_t columns);

  uint32_t rows_;
  uint32_t columns_;
  std::unique_ptr<Device> device_;
  ArrayOutputs outputs_;
};

}  // namespace tessera::rtl
