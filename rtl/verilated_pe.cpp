#include "rtl/verilated_pe.hpp"

#include <Vpe.h>
#include <Vpe___024root.h>
#include <verilated.h>

#include "pe/mode.hpp"
#include "rtl/width_code.hpp"

namespace tessera::rtl {
namespace {

constexpr uint64_t kAccumulatorMask = (uint64_t{1} << abi::kAccumulatorBits) - 1U;

void put_word(VlWide<4>& port, const pe::OperandWord& word) {
  port[0] = static_cast<uint32_t>(word.low);
  port[1] = static_cast<uint32_t>(word.low >> 32);
  port[2] = static_cast<uint32_t>(word.high);
  port[3] = static_cast<uint32_t>(word.high >> 32);
}

}  // namespace

struct VerilatedPe::Impl {
  VerilatedContext context;
  std::unique_ptr<Vpe> model;
  Vpe& top;

  Impl() : model(make_model(context)), top(*model) {}

  ~Impl() {
    // Verilator 5.006 takes the scopes of a dying model out of the thread's current context, which
    // may be that of another instance, and one that is gone.
    Verilated::threadContextp(&context);
    top.final();
    model.reset();
    Verilated::threadContextp(Verilated::defaultContextp());
  }

  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  static std::unique_ptr<Vpe> make_model(VerilatedContext& context) {
    context.threads(1);
    return std::make_unique<Vpe>(&context);
  }

  void rising_edge() {
    top.clk_i = 0;
    top.eval();
    top.clk_i = 1;
    top.eval();
  }
};

VerilatedPe::VerilatedPe() : impl_(std::make_unique<Impl>()) { reset(); }

VerilatedPe::~VerilatedPe() = default;

void VerilatedPe::reset() {
  Vpe& top = impl_->top;
  top.valid_i = 0;
  top.clear_i = 0;
  top.capture_i = 0;
  top.drain_i = 0;
  top.rst_ni = 1;
  top.clk_i = 0;
  top.eval();
  top.rst_ni = 0;
  impl_->rising_edge();
  top.clk_i = 0;
  top.eval();
  top.rst_ni = 1;
  top.eval();
}

pe::PeOutputs VerilatedPe::clock(const pe::PeInputs& inputs) {
  pe::check_mode(inputs.mode);
  Vpe& top = impl_->top;
  put_word(top.activations_i, inputs.activations);
  put_word(top.weights_i, inputs.weights);
  top.activation_width_i = width_code(inputs.mode.activation_bits);
  top.weight_width_i = weight_width_code(inputs.mode);
  top.activation_signed_i = inputs.mode.activation_signed;
  top.p4_i = inputs.mode.p4;
  top.valid_i = inputs.valid;
  top.clear_i = inputs.clear;
  top.capture_i = inputs.capture;
  top.drain_i = inputs.drain;
  top.drain_data_i = static_cast<uint64_t>(inputs.drain_data) & kAccumulatorMask;
  top.drain_overflow_i = inputs.drain_overflow;
  impl_->rising_edge();

  pe::PeOutputs outputs;
  outputs.accumulator = pe::wrap_accumulator(static_cast<int64_t>(top.acc_o));
  outputs.accumulator_valid = top.acc_valid_o != 0;
  outputs.overflow = top.acc_overflow_o != 0;
  outputs.shadow = pe::wrap_accumulator(static_cast<int64_t>(top.shadow_o));
  outputs.shadow_overflow = top.shadow_overflow_o != 0;
  outputs.captured = top.captured_o != 0;
  return outputs;
}

void VerilatedPe::flip_accumulator_bit(int bit) {
  impl_->top.rootp->pe__DOT__u_core__DOT__acc_q ^= uint64_t{1} << bit;
}

}  // namespace tessera::rtl
