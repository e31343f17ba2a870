#pragma once

/// Faults put into the RTL array at run time, so that its checkers are seen to fail.

#include <cstdint>
#include <string>

#include "rtl/verilated_array.hpp"

namespace tessera::rtl {

/// One inverted bit.
struct ArrayFault {
  enum class Target {
    kActivation,   ///< operand word of a column, in the step that is handed over
    kWeight,       ///< operand word of a row, in the step that is handed over
    kAccumulator,  ///< accumulator register of a PE
    kControl       ///< control register
  };

  Target target = Target::kAccumulator;
  uint32_t row = 0;     ///< of kWeight, kAccumulator
  uint32_t column = 0;  ///< of kActivation, kAccumulator
  ControlRegister control_register = ControlRegister::kState;
  int bit = 0;
  uint64_t run = 0;    ///< which RUN, counted from 0
  uint64_t cycle = 0;  ///< of the RUN; operands: the first step handed over from then on
};

/// Reads "a:COLUMN,BIT@RUN:CYCLE", "w:ROW,BIT@RUN:CYCLE", "acc:ROW,COLUMN,BIT@RUN:CYCLE" or
/// "NAME,BIT@RUN:CYCLE" with NAME that of a control register ("feed_step"). Throws
/// CosimOptionError.
ArrayFault parse_array_fault(const std::string& text);

/// What parse_array_fault reads.
std::string to_string(const ArrayFault& fault);

/// Throws CosimOptionError if an array of this size has no such place.
void check_fault(const ArrayFault& fault, uint32_t rows, uint32_t columns);

}  // namespace tessera::rtl
