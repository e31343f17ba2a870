#pragma once

#include "pe/clocked_pe.hpp"

namespace tessera::rtl {

/// A model PE in whose way stands a defect, to see the co-simulation find it.
class BrokenPe : public pe::ClockedPe {
 public:
  void reset() override { inner_.reset(); }
  void flip_accumulator_bit(int bit) override { inner_.flip_accumulator_bit(bit); }
  pe::PeOutputs clock(const pe::PeInputs& inputs) override { return inner_.clock(inputs); }

 private:
  pe::ModelPe inner_;
};

/// Shows everything one cycle late.
class LatePe final : public BrokenPe {
 public:
  pe::PeOutputs clock(const pe::PeInputs& inputs) override {
    const pe::PeOutputs late = last_;
    last_ = BrokenPe::clock(inputs);
    return late;
  }

 private:
  pe::PeOutputs last_;
};

/// Computes the right values and never says when.
class MutePe final : public BrokenPe {
 public:
  pe::PeOutputs clock(const pe::PeInputs& inputs) override {
    pe::PeOutputs outputs = BrokenPe::clock(inputs);
    outputs.accumulator_valid = false;
    return outputs;
  }
};

/// Takes every activation for unsigned.
class UnsignedPe final : public BrokenPe {
 public:
  pe::PeOutputs clock(const pe::PeInputs& inputs) override {
    pe::PeInputs wrong = inputs;
    wrong.mode.activation_signed = false;
    return BrokenPe::clock(wrong);
  }
};

/// Lacks the overflow flag of the accumulator.
class NeverOverflowingPe final : public BrokenPe {
 public:
  pe::PeOutputs clock(const pe::PeInputs& inputs) override {
    pe::PeOutputs outputs = BrokenPe::clock(inputs);
    outputs.overflow = false;
    return outputs;
  }
};

/// Gives drain the right of way over capture.
class DrainFirstPe final : public BrokenPe {
 public:
  pe::PeOutputs clock(const pe::PeInputs& inputs) override {
    pe::PeOutputs outputs = BrokenPe::clock(inputs);
    if (inputs.drain) outputs.shadow = inputs.drain_data;
    return outputs;
  }
};

/// Skips steps whose weight word is all zeros, which in p4 is a word of ones.
class ZeroSkippingPe final : public BrokenPe {
 public:
  pe::PeOutputs clock(const pe::PeInputs& inputs) override {
    pe::PeInputs wrong = inputs;
    const pe::OperandWord weights =
        pe::low_bits(inputs.weights, abi::weight_word_bits(inputs.mode));
    if (inputs.mode.p4 && weights == pe::OperandWord{}) wrong.activations = {};
    return BrokenPe::clock(wrong);
  }
};

}  // namespace tessera::rtl
