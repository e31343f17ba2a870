#pragma once

/// The RTL array with sequencer and output path (rtl/compute_array.sv), compiled by Verilator, one
/// clock cycle at a time. Handshake rules and the meaning of every port: docs/rtl/array.md.

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "abi/npu_commands.hpp"
#include "abi/number_formats.hpp"
#include "pe/operand_word.hpp"

namespace tessera::rtl {

/// An array size that was not compiled, a run that no array can do, a fault in a place that is not
/// there, or a waveform file that cannot be written.
class ArrayError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A RUN as the array takes it.
struct ArrayStart {
  uint32_t channels = 0;  ///< at least 1
  uint32_t pixels = 0;    ///< at least 1
  uint32_t steps = 0;     ///< at least 1
  abi::PeMode mode;
  bool stochastic = false;     ///< else half up
  uint32_t seed = 0;           ///< of stochastic rounding
  int32_t low = 0;             ///< -32768 .. high
  int32_t high = 0;            ///< low .. 65535
  uint32_t channel_first = 0;  ///< number in the layer of the run's channel 0
};

/// What the array samples at a rising edge. A pointer is looked at only if the flag before it is
/// set, and only during the call.
struct ArrayInputs {
  bool start_valid = false;  ///< must stay set, and `start` as it is, until the run has started
  const ArrayStart* start = nullptr;

  bool feed_valid = false;  ///< the operands of the step that the array shows are there
  const pe::OperandWord* weights = nullptr;      ///< [rows]; rows without a channel do not matter
  const pe::OperandWord* activations = nullptr;  ///< [columns]; columns without a pixel likewise

  bool parameters_valid = false;  ///< what the column that the array shows needs is there
  /// [rows] from that of channel column_channel on; not read for rows without a channel.
  const abi::ChannelParameters* parameters = nullptr;
  uint32_t position = 0;  ///< y * width + x of the column's pixel, for stochastic rounding

  bool result_ready = false;
};

/// A row of the column that goes from the array to the output path.
struct ArrayAccumulator {
  bool valid = false;     ///< the row has a channel; else the rest means nothing
  int64_t value = 0;      ///< 48-bit two's complement, sign-extended
  bool overflow = false;  ///< it wrapped
};

/// A row of the column that the output path has finished.
struct ArrayResult {
  bool valid = false;      ///< the row has a channel; else the rest means nothing
  int32_t value = 0;       ///< within low .. high of the run
  bool saturated = false;  ///< the clamp changed it, and not to a lower bound of 0
};

/// What the array shows in the cycle before the next rising edge.
struct ArrayOutputs {
  bool busy = false;  ///< for exactly the cycles that a run takes

  bool feed_ready = false;    ///< a step can be done
  uint32_t feed_channel = 0;  ///< channel of row 0 of that step
  uint32_t feed_pixel = 0;    ///< pixel of column 0
  uint32_t feed_step = 0;

  bool column_valid = false;
  uint32_t column_channel = 0;           ///< channel of row 0
  uint32_t column_pixel = 0;             ///< pixel of the column
  std::vector<ArrayAccumulator> column;  ///< [rows]; as of the last cycle with column_valid

  bool result_valid = false;
  bool result_last = false;          ///< the run ends when this column of results is taken
  uint32_t result_channel = 0;       ///< channel of row 0
  uint32_t result_pixel = 0;         ///< pixel of the column
  std::vector<ArrayResult> results;  ///< [rows]; as of the last cycle with result_valid
};

/// What happened at a rising edge, to what the array showed before it.
struct ArrayEvents {
  bool started = false;       ///< a run: its cycle 0 follows
  bool stepped = false;       ///< the step was done
  bool column_left = false;   ///< the column went to the output path
  bool result_taken = false;  ///< the column of results was taken
};

/// Control registers that a soft error can hit.
enum class ControlRegister : uint8_t {
  kState,        ///< of the sequencer: idle, fetch, run
  kFeedChannel,  ///< position of the step that comes next
  kFeedPixel,
  kFeedStep,
  kColumnsLeft,    ///< columns that are still to be shifted out
  kCredits,        ///< places in the column buffer
  kColumnChannel,  ///< position of the column that leaves next
  kColumnPixel,
  kStepValid,    ///< with the operand registers: accumulate
  kClear,        ///< with the operand registers: start from zero
  kCapture,      ///< with the operand registers: capture the tile
  kResultValid,  ///< a column of results is there
};

/// How the RTL was compiled: for speed, or with counters of the lines reached and the bits moved,
/// which 2x4 PEs alone have and which take some ten times as long.
enum class ArrayBuild : uint8_t { kFast, kCoverage };

/// One instance of the RTL array, in a Verilator context of its own. Reset when constructed.
class VerilatedArray {
 public:
  /// Throws ArrayError if the size is none of sizes(), or with kCoverage not 2x4.
  VerilatedArray(uint32_t rows, uint32_t columns, ArrayBuild build = ArrayBuild::kFast);
  ~VerilatedArray();
  VerilatedArray(const VerilatedArray&) = delete;
  VerilatedArray& operator=(const VerilatedArray&) = delete;

  /// {rows, columns} of the arrays that were compiled.
  static std::vector<std::pair<uint32_t, uint32_t>> sizes();

  uint32_t rows() const { return rows_; }
  uint32_t columns() const { return columns_; }

  /// Rising edges since construction, those of resets included.
  uint64_t cycle() const;

  void reset();

  /// None of it depends on the inputs of the same cycle.
  const ArrayOutputs& outputs() const { return outputs_; }

  /// One rising edge; outputs() then shows the next cycle. Allocates nothing. Throws ArrayError for
  /// a run that no array can do and pe::ModeError for an impossible mode, when it is to start.
  const ArrayEvents& clock(const ArrayInputs& inputs);

  /// Writes the waveforms of the cycles from here to stop_trace, or to the end of the instance, to
  /// `path` in FST format: rising edge n, counted as cycle() does, at time 10 n. Replaces an
  /// earlier trace that is still going on. Throws ArrayError if the file cannot be written.
  void start_trace(const std::string& path);
  void stop_trace();

  /// Writes the counters of an ArrayBuild::kCoverage to `path`, for read_rtl_coverage. Throws
  /// ArrayError if the file cannot be written or there are no counters.
  void write_coverage(const std::string& path);

  /// The accumulator of a PE in this cycle, sign-extended. Throws ArrayError if there is no such
  /// PE.
  int64_t accumulator(uint32_t row, uint32_t column) const;

  /// Inverts bit `bit` (0..47) of the accumulator of a PE before the next rising edge. Throws
  /// ArrayError if there is no such bit.
  void flip_accumulator_bit(uint32_t row, uint32_t column, int bit);

  /// Inverts a bit of a control register before the next rising edge; outputs() follow. Throws
  /// ArrayError if there is no such bit.
  void flip_control_bit(ControlRegister control_register, int bit);

  /// All of them, and what each is called ("feed_step") and how many bits it has.
  static std::vector<ControlRegister> control_registers();
  static std::string control_register_name(ControlRegister control_register);
  static int control_register_bits(ControlRegister control_register);

 private:
  class Device;
  template <typename Top, auto kSettle>
  class DeviceOf;

  static std::unique_ptr<Device> make_device(uint32_t rows, uint32_t columns, ArrayBuild build);
  struct RegisterBit;
  RegisterBit accumulator_bit(uint32_t row, uint32_t column, int bit) const;

  uint32_t rows_;
  uint32_t columns_;
  ArrayBuild build_;
  std::unique_ptr<Device> device_;
  ArrayOutputs outputs_;
  ArrayEvents events_;
};

}  // namespace tessera::rtl
