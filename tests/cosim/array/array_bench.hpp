#pragma once

/// An RTL array that gets the same operands and parameters in every cycle, for tests that look at
/// single cycles.

#include <vector>

#include "pe/operand_word.hpp"
#include "rtl/verilated_array.hpp"

namespace tessera::rtl {

class ArrayBench {
 public:
  ArrayBench(uint32_t rows, uint32_t columns) : array(rows, columns) {
    start.channels = rows;
    start.pixels = columns;
    start.steps = 1;
    start.mode = {16, 16, true, false};
    start.low = -32768;
    start.high = 65535;
    inputs.start = &start;
    parameters.assign(rows, {0, 1, 0, 0});
    inputs.parameters = parameters.data();
    set_operands(1, 1);
  }

  /// One lane a word.
  void set_operands(int32_t weight, int32_t activation) {
    weights.assign(array.rows(), pe::pack({weight}, 16, true));
    activations.assign(array.columns(), pe::pack({activation}, 16, true));
    inputs.weights = weights.data();
    inputs.activations = activations.data();
  }

  /// From now on everything that the array waits for is there.
  void flow() {
    inputs.feed_valid = true;
    inputs.parameters_valid = true;
    inputs.result_ready = true;
  }

  /// The start of a run.
  const ArrayEvents& begin() {
    inputs.start_valid = true;
    const ArrayEvents& events = array.clock(inputs);
    inputs.start_valid = false;
    return events;
  }

  const ArrayEvents& clock() { return array.clock(inputs); }
  const ArrayOutputs& outputs() const { return array.outputs(); }

  VerilatedArray array;
  ArrayStart start;
  ArrayInputs inputs;
  std::vector<pe::OperandWord> weights;
  std::vector<pe::OperandWord> activations;
  std::vector<abi::ChannelParameters> parameters;
};

}  // namespace tessera::rtl
