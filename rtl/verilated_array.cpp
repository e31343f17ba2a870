#include "rtl/verilated_array.hpp"

#include <Varray_2x4_coverage.h>

#include <algorithm>

#include "array_sizes.hpp"
#include "pe/mode.hpp"
#include "rtl/array_device.hpp"

// Verilator declares it in the file that defines it.
#define TESSERA_SETTLE(rows, columns) \
  void Varray_##rows##x##columns##___024root___eval_settle(Varray_##rows##x##columns##___024root*);
TESSERA_ARRAY_SIZES(TESSERA_SETTLE)
void Varray_2x4_coverage___024root___eval_settle(Varray_2x4_coverage___024root* root);

namespace tessera::rtl {
namespace {

constexpr int32_t kLowest = -32768;
constexpr int32_t kHighest = 65535;

std::string size_name(uint32_t rows, uint32_t columns) {
  return std::to_string(rows) + "x" + std::to_string(columns);
}

struct RegisterPlace {
  ControlRegister control_register;
  const char* name;
  const char* scope;
  const char* variable;
  int bits;
};

constexpr RegisterPlace kRegisters[] = {
    {ControlRegister::kState, "state", "u_sequencer", "state_q", 2},
    {ControlRegister::kFeedChannel, "feed_channel", "u_sequencer", "channel_q", 32},
    {ControlRegister::kFeedPixel, "feed_pixel", "u_sequencer", "pixel_q", 32},
    {ControlRegister::kFeedStep, "feed_step", "u_sequencer", "step_q", 32},
    {ControlRegister::kColumnsLeft, "columns_left", "u_sequencer", "columns_left_q", 32},
    {ControlRegister::kCredits, "credits", "u_sequencer", "credits_q", 32},
    {ControlRegister::kColumnChannel, "column_channel", "u_sequencer", "drain_channel_q", 32},
    {ControlRegister::kColumnPixel, "column_pixel", "u_sequencer", "drain_pixel_q", 32},
    {ControlRegister::kStepValid, "step_valid", "u_array", "valid_q", 1},
    {ControlRegister::kClear, "clear", "u_array", "clear_q", 1},
    {ControlRegister::kCapture, "capture", "u_array", "capture_q", 1},
    {ControlRegister::kResultValid, "result_valid", "u_output_path", "result_valid_q", 1},
};

const RegisterPlace& place_of(ControlRegister control_register) {
  for (const RegisterPlace& place : kRegisters) {
    if (place.control_register == control_register) return place;
  }
  throw ArrayError("there is no control register number " +
                   std::to_string(static_cast<int>(control_register)));
}

void check_start(const ArrayStart& start) {
  pe::check_mode(start.mode);
  if (start.channels == 0 || start.pixels == 0 || start.steps == 0) {
    throw ArrayError("an array run needs at least 1 channel, 1 pixel and 1 step, got " +
                     std::to_string(start.channels) + ", " + std::to_string(start.pixels) +
                     " and " + std::to_string(start.steps));
  }
  if (start.low < kLowest || start.low > start.high || start.high > kHighest) {
    throw ArrayError("an array run clamps to a range within " + std::to_string(kLowest) + " and " +
                     std::to_string(kHighest) + ", got " + std::to_string(start.low) + " to " +
                     std::to_string(start.high));
  }
}

void check_bit(const std::string& what, int bit, int bits) {
  if (bit >= 0 && bit < bits) return;
  throw ArrayError(what + " has bits 0 to " + std::to_string(bits - 1) + ", not " +
                   std::to_string(bit));
}

}  // namespace

std::vector<std::pair<uint32_t, uint32_t>> VerilatedArray::sizes() {
#define TESSERA_SIZE(rows, columns) {rows, columns},
  return {TESSERA_ARRAY_SIZES(TESSERA_SIZE)};
}

std::unique_ptr<VerilatedArray::Device> VerilatedArray::make_device(uint32_t rows, uint32_t columns,
                                                                    ArrayBuild build) {
  const std::string size = size_name(rows, columns);
  if (build == ArrayBuild::kCoverage) {
    if (size != "2x4") throw ArrayError("coverage of the RTL is counted on 2x4 PEs, not " + size);
    return std::make_unique<
        DeviceOf<Varray_2x4_coverage, Varray_2x4_coverage___024root___eval_settle>>(rows);
  }
#define TESSERA_DEVICE(r, c)                                                           \
  if (rows == (r) && columns == (c)) {                                                 \
    return std::make_unique<                                                           \
        DeviceOf<Varray_##r##x##c, Varray_##r##x##c##___024root___eval_settle>>(rows); \
  }
  TESSERA_ARRAY_SIZES(TESSERA_DEVICE)
  std::string message = "no RTL array of " + size + " PEs was compiled; there is";
  for (const auto& one : sizes()) message += " " + size_name(one.first, one.second);
  message += "; configure with -DTESSERA_EXTRA_ARRAY_SIZES=" + size;
  throw ArrayError(message);
}

VerilatedArray::VerilatedArray(uint32_t rows, uint32_t columns, ArrayBuild build)
    : rows_(rows), columns_(columns), build_(build), device_(make_device(rows, columns, build)) {
  outputs_.column.resize(rows);
  outputs_.results.resize(rows);
  reset();
}

VerilatedArray::~VerilatedArray() = default;

uint64_t VerilatedArray::cycle() const { return device_->cycle(); }

void VerilatedArray::reset() {
  device_->reset();
  device_->read(outputs_);
}

const ArrayEvents& VerilatedArray::clock(const ArrayInputs& inputs) {
  if (inputs.start_valid) check_start(*inputs.start);
  events_ = device_->clock(inputs);
  device_->read(outputs_);
  return events_;
}

void VerilatedArray::start_trace(const std::string& path) { device_->start_trace(path); }

void VerilatedArray::stop_trace() { device_->stop_trace(); }

void VerilatedArray::write_coverage(const std::string& path) {
  if (build_ != ArrayBuild::kCoverage) throw ArrayError("the RTL array was built without counters");
  device_->write_coverage(path);
}

/// A bit of a register of an instance.
struct VerilatedArray::RegisterBit {
  std::string scope;
  int bit;
};

/// pe_array has groups of whole rows, up to 64 PEs each, whose accumulators lie bit by bit.
VerilatedArray::RegisterBit VerilatedArray::accumulator_bit(uint32_t row, uint32_t column,
                                                            int bit) const {
  if (row >= rows_ || column >= columns_) {
    throw ArrayError("an array of " + size_name(rows_, columns_) + " PEs has none in row " +
                     std::to_string(row) + ", column " + std::to_string(column));
  }
  check_bit("an accumulator", bit, abi::kAccumulatorBits);
  const uint32_t group_rows = std::min(rows_, std::max(1U, 64 / columns_));
  const uint32_t first_row = row / group_rows * group_rows;
  const uint32_t group_pes = std::min(group_rows, rows_ - first_row) * columns_;
  const uint32_t place = (row - first_row) * columns_ + column;
  return {"u_array.gen_group[" + std::to_string(row / group_rows) + "].u_core",
          static_cast<int>(group_pes) * bit + static_cast<int>(place)};
}

int64_t VerilatedArray::accumulator(uint32_t row, uint32_t column) const {
  uint64_t value = 0;
  for (int bit = 0; bit < abi::kAccumulatorBits; ++bit) {
    const RegisterBit place = accumulator_bit(row, column, bit);
    value |= static_cast<uint64_t>(device_->bit(place.scope, "acc_q", place.bit)) << bit;
  }
  return pe::wrap_accumulator(static_cast<int64_t>(value));
}

void VerilatedArray::flip_accumulator_bit(uint32_t row, uint32_t column, int bit) {
  const RegisterBit place = accumulator_bit(row, column, bit);
  device_->flip(place.scope, "acc_q", place.bit);
}

void VerilatedArray::flip_control_bit(ControlRegister control_register, int bit) {
  const RegisterPlace& place = place_of(control_register);
  check_bit(std::string("the control register ") + place.name, bit, place.bits);
  device_->flip(place.scope, place.variable, bit);
  device_->read(outputs_);
}

std::vector<ControlRegister> VerilatedArray::control_registers() {
  std::vector<ControlRegister> all;
  for (const RegisterPlace& place : kRegisters) all.push_back(place.control_register);
  return all;
}

std::string VerilatedArray::control_register_name(ControlRegister control_register) {
  return place_of(control_register).name;
}

int VerilatedArray::control_register_bits(ControlRegister control_register) {
  return place_of(control_register).bits;
}

}  // namespace tessera::rtl
