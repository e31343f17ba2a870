#pragma once

/// A Verilated compute_array of some size. Private to VerilatedArray; include after the headers of
/// the Verilated models.

#include <verilated.h>
#include <verilated_cov.h>
#include <verilated_fst_c.h>
#include <verilated_syms.h>

#include <fstream>
#include <memory>
#include <string>

#include "pe/pe.hpp"
#include "rtl/port_bits.hpp"
#include "rtl/verilated_array.hpp"
#include "rtl/width_code.hpp"

namespace tessera::rtl {

class VerilatedArray::Device {
 public:
  virtual ~Device() = default;
  virtual void reset() = 0;
  virtual ArrayEvents clock(const ArrayInputs& inputs) = 0;
  virtual void read(ArrayOutputs& outputs) const = 0;
  virtual void start_trace(const std::string& path) = 0;
  virtual void stop_trace() = 0;
  /// A bit of the register `name` of the instance `scope`.
  virtual bool bit(const std::string& scope, const char* name, int bit) const = 0;
  /// Inverts a bit of the register `name` of the instance `scope`, and lets everything follow that
  /// depends on it.
  virtual void flip(const std::string& scope, const char* name, int bit) = 0;
  virtual uint64_t cycle() const = 0;
  virtual void write_coverage(const std::string& path) = 0;
};

/// `kSettle` is the function of the generated code that evaluates all combinational logic.
template <typename Top, auto kSettle>
class VerilatedArray::DeviceOf final : public Device {
 public:
  explicit DeviceOf(uint32_t rows) : rows_(rows) {
    context_.threads(1);
    context_.traceEverOn(true);
    top_ = std::make_unique<Top>(&context_);
  }

  ~DeviceOf() override {
    stop_trace();
    // Verilator 5.006 takes the scopes of a dying model out of the thread's current context, which
    // may be that of another instance, and one that is gone.
    Verilated::threadContextp(&context_);
    top_->final();
    top_.reset();
    Verilated::threadContextp(Verilated::defaultContextp());
  }

  DeviceOf(const DeviceOf&) = delete;
  DeviceOf& operator=(const DeviceOf&) = delete;

  void reset() override {
    top_->start_valid_i = 0;
    top_->feed_valid_i = 0;
    top_->parameters_valid_i = 0;
    top_->result_ready_i = 0;
    top_->rst_ni = 1;
    set_clock(0);
    top_->rst_ni = 0;
    set_clock(0);
    set_clock(1);
    set_clock(0);
    top_->rst_ni = 1;
    top_->eval();
  }

  ArrayEvents clock(const ArrayInputs& inputs) override {
    put_start(inputs);
    put_operands(inputs);
    put_parameters(inputs);
    top_->result_ready_i = inputs.result_ready;
    set_clock(0);
    ArrayEvents events;
    events.started = inputs.start_valid && top_->start_ready_o != 0;
    events.stepped = inputs.feed_valid && top_->feed_ready_o != 0;
    events.column_left = inputs.parameters_valid && top_->parameters_ready_o != 0;
    events.result_taken = inputs.result_ready && top_->result_valid_o != 0;
    set_clock(1);
    return events;
  }

  void read(ArrayOutputs& outputs) const override {
    outputs.busy = top_->busy_o != 0;
    outputs.feed_ready = top_->feed_ready_o != 0;
    outputs.feed_channel = top_->feed_channel_o;
    outputs.feed_pixel = top_->feed_pixel_o;
    outputs.feed_step = top_->feed_step_o;
    outputs.column_valid = top_->column_valid_o != 0;
    if (outputs.column_valid) read_column(outputs);
    outputs.result_valid = top_->result_valid_o != 0;
    if (outputs.result_valid) read_results(outputs);
  }

  void start_trace(const std::string& path) override {
    stop_trace();
    // Verilator's writer ends the process if it cannot open the file.
    if (!std::ofstream(path)) throw ArrayError("cannot write the waveform file " + path);
    trace_ = std::make_unique<VerilatedFstC>();
    top_->trace(trace_.get(), 99);
    trace_->open(path.c_str());
    trace_->dump(10 * cycle_);
  }

  void stop_trace() override {
    if (trace_ == nullptr) return;
    trace_->close();
    trace_.reset();
  }

  bool bit(const std::string& scope, const char* name, int bit) const override {
    return (register_bytes(scope, name)[bit / 8] >> (bit % 8) & 1U) != 0;
  }

  void flip(const std::string& scope, const char* name, int bit) override {
    register_bytes(scope, name)[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
    kSettle(top_->rootp);
  }

  uint64_t cycle() const override { return cycle_; }

  void write_coverage(const std::string& path) override {
    // Verilator's writer ends the process if it cannot open the file.
    if (!std::ofstream(path)) throw ArrayError("cannot write the coverage file " + path);
    context_.coveragep()->write(path.c_str());
  }

 private:
  uint8_t* register_bytes(const std::string& scope, const char* name) const {
    const VerilatedScope* const found = context_.scopeFind(("TOP.compute_array." + scope).c_str());
    VerilatedVar* const variable = found == nullptr ? nullptr : found->varFind(name);
    if (variable == nullptr) throw ArrayError("the RTL has no register " + scope + "." + name);
    return static_cast<uint8_t*>(variable->datap());
  }

  /// Rising edge n is at time 10 n.
  void set_clock(uint8_t level) {
    top_->clk_i = level;
    top_->eval();
    cycle_ += level;
    if (trace_ != nullptr) trace_->dump(10 * cycle_ + (level != 0 ? 0 : 5));
  }

  void put_start(const ArrayInputs& inputs) {
    top_->start_valid_i = inputs.start_valid;
    if (!inputs.start_valid) return;
    const ArrayStart& start = *inputs.start;
    top_->channels_i = start.channels;
    top_->pixels_i = start.pixels;
    top_->steps_i = start.steps;
    top_->activation_width_i = width_code(start.mode.activation_bits);
    top_->weight_width_i = weight_width_code(start.mode);
    top_->activation_signed_i = start.mode.activation_signed;
    top_->p4_i = start.mode.p4;
    top_->stochastic_i = start.stochastic;
    top_->seed_i = start.seed;
    put_bits(top_->low_i, 0, 17, static_cast<uint32_t>(start.low));
    put_bits(top_->high_i, 0, 17, static_cast<uint32_t>(start.high));
    top_->channel_first_i = start.channel_first;
  }

  template <std::size_t kWords>
  static void put_words(VlWide<kWords>& port, const pe::OperandWord* words) {
    for (std::size_t i = 0; i < kWords / 4; ++i) {
      port[4 * i] = static_cast<uint32_t>(words[i].low);
      port[4 * i + 1] = static_cast<uint32_t>(words[i].low >> 32);
      port[4 * i + 2] = static_cast<uint32_t>(words[i].high);
      port[4 * i + 3] = static_cast<uint32_t>(words[i].high >> 32);
    }
  }

  void put_operands(const ArrayInputs& inputs) {
    top_->feed_valid_i = inputs.feed_valid;
    if (!inputs.feed_valid) return;
    put_words(top_->weights_i, inputs.weights);
    put_words(top_->activations_i, inputs.activations);
  }

  void put_parameters(const ArrayInputs& inputs) {
    top_->parameters_valid_i = inputs.parameters_valid;
    if (!inputs.parameters_valid) return;
    top_->position_i = inputs.position;
    for (uint32_t row = 0; row < rows_; ++row) {
      if (get_bits(top_->column_row_valid_o, row, 1) == 0) continue;
      const abi::ChannelParameters& parameters = inputs.parameters[row];
      put_bits(top_->bias_i, 32 * row, 32, static_cast<uint32_t>(parameters.bias));
      put_bits(top_->multiplier_i, 16 * row, 16, parameters.multiplier);
      put_bits(top_->shift_i, 6 * row, 6, parameters.shift);
    }
  }

  void read_column(ArrayOutputs& outputs) const {
    outputs.column_channel = top_->column_channel_o;
    outputs.column_pixel = top_->column_pixel_o;
    for (uint32_t row = 0; row < rows_; ++row) {
      ArrayAccumulator& accumulator = outputs.column[row];
      const uint64_t low = get_bits(top_->column_acc_o, 48 * row, 32);
      const uint64_t high = get_bits(top_->column_acc_o, 48 * row + 32, 16);
      accumulator.valid = get_bits(top_->column_row_valid_o, row, 1) != 0;
      accumulator.value = pe::wrap_accumulator(static_cast<int64_t>(high << 32 | low));
      accumulator.overflow = get_bits(top_->column_overflow_o, row, 1) != 0;
    }
  }

  void read_results(ArrayOutputs& outputs) const {
    outputs.result_last = top_->result_last_o != 0;
    outputs.result_channel = top_->result_channel_o;
    outputs.result_pixel = top_->result_pixel_o;
    for (uint32_t row = 0; row < rows_; ++row) {
      ArrayResult& result = outputs.results[row];
      result.valid = get_bits(top_->result_row_valid_o, row, 1) != 0;
      result.value = sign_extended(get_bits(top_->result_value_o, 17 * row, 17), 17);
      result.saturated = get_bits(top_->result_saturated_o, row, 1) != 0;
    }
  }

  uint32_t rows_;
  uint64_t cycle_ = 0;
  VerilatedContext context_;
  std::unique_ptr<Top> top_;
  std::unique_ptr<VerilatedFstC> trace_;
};

}  // namespace tessera::rtl
