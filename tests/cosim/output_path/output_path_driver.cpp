#include "output_path_driver.hpp"

#include <Voutput_path.h>
#include <verilated.h>

#include "rtl/port_bits.hpp"

namespace tessera::rtl {
namespace {

bool strikes(unsigned percent, Random& random) {
  return std::uniform_int_distribution<unsigned>(0, 99)(random) < percent;
}

bool same(const PathResult& a, const PathResult& b) {
  return a.values == b.values && a.saturated == b.saturated && a.tag == b.tag;
}

}  // namespace

struct OutputPathDriver::Model {
  VerilatedContext context;
  Voutput_path top{&context};
};

OutputPathDriver::OutputPathDriver() : model_(std::make_unique<Model>()) { reset(); }

OutputPathDriver::~OutputPathDriver() {
  // Verilator 5.006 takes a dying model out of the thread's current context.
  Verilated::threadContextp(&model_->context);
  model_->top.final();
  model_.reset();
  Verilated::threadContextp(Verilated::defaultContextp());
}

void OutputPathDriver::rising_edge() {
  model_->top.clk_i = 0;
  model_->top.eval();
  model_->top.clk_i = 1;
  model_->top.eval();
}

void OutputPathDriver::reset() {
  Voutput_path& top = model_->top;
  top.column_valid_i = 0;
  top.result_ready_i = 0;
  top.rst_ni = 1;
  top.eval();
  top.rst_ni = 0;
  rising_edge();
  top.rst_ni = 1;
  top.eval();
}

void OutputPathDriver::put(const npu::Rescaling& rescaling, const PathColumn& column,
                           uint16_t tag) {
  Voutput_path& top = model_->top;
  top.stochastic_i = rescaling.stochastic;
  top.seed_i = rescaling.seed;
  put_bits(top.low_i, 0, 17, static_cast<uint32_t>(rescaling.low));
  put_bits(top.high_i, 0, 17, static_cast<uint32_t>(rescaling.high));
  top.channel_i = rescaling.channel_first + column.channel;
  top.position_i = column.position;
  top.tag_i = tag;
  for (unsigned row = 0; row < kPathRows; ++row) {
    const auto accumulator = static_cast<uint64_t>(column.accumulators[row]);
    const abi::ChannelParameters& parameters = column.parameters[row];
    put_bits(top.acc_i, 48 * row, 32, static_cast<uint32_t>(accumulator));
    put_bits(top.acc_i, 48 * row + 32, 16, static_cast<uint32_t>(accumulator >> 32));
    put_bits(top.bias_i, 32 * row, 32, static_cast<uint32_t>(parameters.bias));
    put_bits(top.multiplier_i, 16 * row, 16, parameters.multiplier);
    put_bits(top.shift_i, 6 * row, 6, parameters.shift);
  }
}

PathResult OutputPathDriver::shown() const {
  const Voutput_path& top = model_->top;
  PathResult result;
  for (unsigned row = 0; row < kPathRows; ++row) {
    result.values[row] = sign_extended(get_bits(top.value_o, 17 * row, 17), 17);
    result.saturated[row] = get_bits(top.saturated_o, row, 1) != 0;
  }
  result.tag = static_cast<uint16_t>(top.tag_o);
  return result;
}

PathRun OutputPathDriver::run(const npu::Rescaling& rescaling,
                              const std::vector<PathColumn>& columns, const PathStalls& stalls,
                              Random& random) {
  Voutput_path& top = model_->top;
  PathRun run;
  std::vector<uint64_t> taken_cycles;
  bool waiting = false;
  PathResult waits;
  const uint64_t limit = 100 * (columns.size() + 100);
  for (uint64_t cycle = 0; run.results.size() < columns.size(); ++cycle) {
    if (cycle == limit) {
      run.violations.push_back("results are missing");
      break;
    }
    const std::size_t next = taken_cycles.size();
    top.column_valid_i = next < columns.size() && !strikes(stalls.column_percent, random);
    if (top.column_valid_i != 0) put(rescaling, columns[next], static_cast<uint16_t>(next));
    top.result_ready_i = !strikes(stalls.result_percent, random);
    top.clk_i = 0;
    top.eval();
    if (top.result_valid_o != 0) {
      PathResult result = shown();
      result.shown_cycle = waiting ? waits.shown_cycle : cycle;
      if (waiting && !same(result, waits)) run.violations.push_back("a result changed waiting");
      waiting = top.result_ready_i == 0;
      waits = result;
      if (!waiting) {
        const std::size_t number = run.results.size();
        if (number >= next) {
          run.violations.push_back("a result came without a column");
          break;
        }
        result.taken_cycle = taken_cycles[number];
        result.stored_cycle = cycle;
        run.results.push_back(result);
      }
    } else if (waiting) {
      run.violations.push_back("a result went away that nobody took");
      waiting = false;
    }
    if (top.column_valid_i != 0 && top.column_ready_o != 0) taken_cycles.push_back(cycle);
    top.clk_i = 1;
    top.eval();
  }
  top.column_valid_i = 0;
  return run;
}

bool OutputPathDriver::shows_a_result_after_reset(const PathColumn& column) {
  Voutput_path& top = model_->top;
  put({}, column, 0);
  top.column_valid_i = 1;
  for (int i = 0; i < 8; ++i) rising_edge();
  if (top.result_valid_o == 0) throw std::logic_error("no result was under way");
  reset();
  bool shows = top.result_valid_o != 0;
  for (int i = 0; i < 8; ++i) {
    rising_edge();
    shows = shows || top.result_valid_o != 0;
  }
  return shows;
}

}  // namespace tessera::rtl
