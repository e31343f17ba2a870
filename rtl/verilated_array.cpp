#include "rtl/verilated_array.hpp"

#include <Varray_2x4.h>
#include <Varray_4x8.h>
#include <verilated.h>

#include <algorithm>

#include "pe/mode.hpp"
#include "pe/pe.hpp"

namespace tessera::rtl {
namespace {

constexpr std::size_t kWordsPerOperand = 4;  // of 32 bits

/// The RTL's code of an operand width: log2(bits) - 1.
uint8_t width_code(int bits) {
  switch (bits) {
    case 2:
      return 0;
    case 4:
      return 1;
    case 8:
      return 2;
    default:
      return 3;
  }
}

template <std::size_t kWords>
void put_operands(VlWide<kWords>& port, const std::vector<pe::OperandWord>& operands) {
  for (std::size_t i = 0; i < operands.size(); ++i) {
    port[kWordsPerOperand * i] = static_cast<uint32_t>(operands[i].low);
    port[kWordsPerOperand * i + 1] = static_cast<uint32_t>(operands[i].low >> 32);
    port[kWordsPerOperand * i + 2] = static_cast<uint32_t>(operands[i].high);
    port[kWordsPerOperand * i + 3] = static_cast<uint32_t>(operands[i].high >> 32);
  }
}

/// Accumulator `row` of a port with 48 bits a row.
template <std::size_t kWords>
int64_t accumulator_at(const VlWide<kWords>& port, uint32_t row) {
  uint64_t value = 0;
  for (uint32_t half = 0; half < 3; ++half) {
    const uint32_t bit = row * 48 + half * 16;
    value |= static_cast<uint64_t>(port[bit / 32] >> (bit % 32) & 0xFFFFU) << (half * 16);
  }
  return pe::wrap_accumulator(static_cast<int64_t>(value));
}

std::string size_name(uint32_t rows, uint32_t columns) {
  return std::to_string(rows) + "x" + std::to_string(columns);
}

}  // namespace

/// A Verilated model of some size.
class VerilatedArray::Device {
 public:
  virtual ~Device() = default;
  virtual void reset() = 0;
  virtual void clock(const ArrayInputs& inputs) = 0;
  virtual void read(ArrayOutputs& outputs) const = 0;
};

template <typename Top>
class VerilatedArray::DeviceOf final : public Device {
 public:
  explicit DeviceOf(uint32_t rows) : rows_(rows) {
    context_.threads(1);
    top_ = std::make_unique<Top>(&context_);
  }

  ~DeviceOf() override {
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
    top_->drain_ready_i = 0;
    top_->rst_ni = 1;
    top_->clk_i = 0;
    top_->eval();
    top_->rst_ni = 0;
    rising_edge();
    top_->clk_i = 0;
    top_->eval();
    top_->rst_ni = 1;
    top_->eval();
  }

  void clock(const ArrayInputs& inputs) override {
    top_->start_valid_i = inputs.start_valid;
    if (inputs.start_valid) {
      top_->channels_i = inputs.channels;
      top_->pixels_i = inputs.pixels;
      top_->steps_i = inputs.steps;
      top_->activation_width_i = width_code(inputs.mode.activation_bits);
      top_->weight_width_i = width_code(inputs.mode.weight_bits);
      top_->activation_signed_i = inputs.mode.activation_signed;
      top_->p4_i = inputs.mode.p4;
    }
    top_->feed_valid_i = inputs.feed_valid;
    if (inputs.feed_valid) {
      put_operands(top_->weights_i, inputs.weights);
      put_operands(top_->activations_i, inputs.activations);
    }
    top_->drain_ready_i = inputs.drain_ready;
    rising_edge();
  }

  void read(ArrayOutputs& outputs) const override {
    outputs.start_ready = top_->start_ready_o != 0;
    outputs.busy = top_->busy_o != 0;
    outputs.feed_ready = top_->feed_ready_o != 0;
    outputs.feed_channel = top_->feed_channel_o;
    outputs.feed_pixel = top_->feed_pixel_o;
    outputs.feed_step = top_->feed_step_o;
    outputs.drain_valid = top_->drain_valid_o != 0;
    outputs.drain_channel = top_->drain_channel_o;
    outputs.drain_pixel = top_->drain_pixel_o;
    if (!outputs.drain_valid) return;
    outputs.results.resize(rows_);
    for (uint32_t row = 0; row < rows_; ++row) {
      ArrayResult& result = outputs.results[row];
      result.valid = (top_->drain_row_valid_o >> row & 1U) != 0;
      result.accumulator = accumulator_at(top_->drain_acc_o, row);
      result.overflow = (top_->drain_overflow_o >> row & 1U) != 0;
    }
  }

 private:
  void rising_edge() {
    top_->clk_i = 0;
    top_->eval();
    top_->clk_i = 1;
    top_->eval();
  }

  uint32_t rows_;
  VerilatedContext context_;
  std::unique_ptr<Top> top_;
};

std::vector<std::pair<uint32_t, uint32_t>> VerilatedArray::sizes() { return {{2, 4}, {4, 8}}; }

std::unique_ptr<VerilatedArray::Device> VerilatedArray::make_device(uint32_t rows,
                                                                    uint32_t columns) {
  if (rows == 2 && columns == 4) return std::make_unique<DeviceOf<Varray_2x4>>(rows);
  if (rows == 4 && columns == 8) return std::make_unique<DeviceOf<Varray_4x8>>(rows);
  std::string message =
      "no RTL array of " + size_name(rows, columns) + " PEs was compiled; there is";
  for (const auto& size : sizes()) message += " " + size_name(size.first, size.second);
  throw ArrayError(message);
}

VerilatedArray::VerilatedArray(uint32_t rows, uint32_t columns)
    : rows_(rows), columns_(columns), device_(make_device(rows, columns)) {
  reset();
}

VerilatedArray::~VerilatedArray() = default;

void VerilatedArray::reset() {
  device_->reset();
  device_->read(outputs_);
}

const ArrayOutputs& VerilatedArray::clock(const ArrayInputs& inputs) {
  if (inputs.start_valid) {
    pe::check_mode(inputs.mode);
    if (inputs.channels == 0 || inputs.pixels == 0 || inputs.steps == 0) {
      throw ArrayError("an array run needs at least 1 channel, 1 pixel and 1 step, got " +
                       std::to_string(inputs.channels) + ", " + std::to_string(inputs.pixels) +
                       " and " + std::to_string(inputs.steps));
    }
  }
  if (inputs.feed_valid &&
      (inputs.weights.size() != rows_ || inputs.activations.size() != columns_)) {
    throw ArrayError("a step of a " + size_name(rows_, columns_) + " array takes " +
                     std::to_string(rows_) + " weight and " + std::to_string(columns_) +
                     " activation words, got " + std::to_string(inputs.weights.size()) + " and " +
                     std::to_string(inputs.activations.size()));
  }
  device_->clock(inputs);
  device_->read(outputs_);
  return outputs_;
}

}  // namespace tessera::rtl
