#include "pe/clocked_pe.hpp"

#include "pe/mode.hpp"

namespace tessera::pe {

ModelPe::ModelPe() : pe_(abi::PeMode{}) {}

void ModelPe::reset() { *this = ModelPe(); }

PeOutputs ModelPe::clock(const PeInputs& inputs) {
  check_mode(inputs.mode);
  const PeInputs step = pipeline_.back();
  for (std::size_t stage = pipeline_.size() - 1; stage > 0; --stage) {
    pipeline_[stage] = pipeline_[stage - 1];
  }
  pipeline_.front() = inputs;

  if (step.clear) pe_.clear();
  if (step.valid) {
    pe_.set_mode(step.mode);
    pe_.step(step.activations, step.weights);
  }
  outputs_.accumulator = pe_.accumulator();
  outputs_.accumulator_valid = step.valid;
  outputs_.overflow = pe_.overflow();
  outputs_.captured = step.capture;
  if (step.capture) {
    outputs_.shadow = pe_.accumulator();
    outputs_.shadow_overflow = pe_.overflow();
  } else if (inputs.drain) {
    outputs_.shadow = wrap_accumulator(inputs.drain_data);
    outputs_.shadow_overflow = inputs.drain_overflow;
  }
  return outputs_;
}

}  // namespace tessera::pe
