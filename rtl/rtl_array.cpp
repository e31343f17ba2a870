#include "rtl/rtl_array.hpp"

#include <algorithm>
#include <array>
#include <random>

#include "pe/mode.hpp"

namespace tessera::rtl {
namespace {

/// Columns between the array and the end of the output path, and then some.
constexpr std::size_t kColumnsUnderWay = 8;

/// A RUN may take this many times its cycles and stalls before it counts as hung.
constexpr uint64_t kPatience = 4;
constexpr uint64_t kMostPatience = 1000;

ArrayStart start_of(const npu::ArrayRun& run) {
  ArrayStart start;
  start.channels = static_cast<uint32_t>(run.shape.channels);
  start.pixels = static_cast<uint32_t>(run.shape.pixels);
  start.steps = static_cast<uint32_t>(run.shape.steps);
  start.mode = run.mode;
  start.stochastic = run.rescaling.stochastic;
  start.seed = run.rescaling.seed;
  start.low = run.rescaling.low;
  start.high = run.rescaling.high;
  start.channel_first = run.rescaling.channel_first;
  return start;
}

pe::OperandWord pack_lanes(const int16_t* elements, int lanes, int bits, bool p4) {
  pe::OperandWord word;
  for (int lane = 0; lane < lanes; ++lane) {
    pe::set_lane(word, lane, bits, p4 ? abi::p4_encode(elements[lane]) : elements[lane]);
  }
  return word;
}

/// Decides, cycle by cycle, what is not there.
class StallSource {
 public:
  explicit StallSource(const ArrayStalls& stalls, uint64_t run)
      : stalls_(stalls), random_(stalls.seed + run) {}

  void next_cycle() {
    if (!stalls_.any()) return;
    operands = draw() < stalls_.operands;
    parameters = draw() < stalls_.parameters;
    results = draw() < stalls_.results;
  }

  bool operands = false;
  bool parameters = false;
  bool results = false;

 private:
  unsigned draw() { return static_cast<unsigned>(random_() % 100); }

  ArrayStalls stalls_;
  std::mt19937_64 random_;
};

}  // namespace

/// Operand words of the step that the array asks for.
class RtlArray::Feed {
 public:
  Feed(const npu::ArrayRun& run, npu::ArrayClient& client)
      : run_(run),
        client_(client),
        lanes_(abi::lanes(run.mode)),
        positions_(run.shape.pixels),
        weights_(run.shape.blocks() * run.shape.steps * run.shape.rows),
        activations_(run.shape.steps * run.shape.columns) {
    const chip::RunShape& shape = run.shape;
    for (uint64_t k = 0; k < shape.channels; ++k) {
      const int16_t* row = run.weights.data + k * run.weights.stride;
      const uint64_t block = k / shape.rows;
      for (uint64_t step = 0; step < shape.steps; ++step, row += lanes_) {
        weights_[(block * shape.steps + step) * shape.rows + k % shape.rows] =
            pack_lanes(row, lanes_, run.mode.weight_bits, run.mode.p4);
      }
    }
  }

  /// Whether the scratchpad delivers the operands of the step in cycle `cycle`: the last step of a
  /// tile comes as late as the busiest bank.
  bool available(const ArrayOutputs& outputs, uint64_t cycle) const {
    if (outputs.feed_step + 1 != run_.shape.steps) return true;
    const chip::RunShape& shape = run_.shape;
    const uint64_t fetch = (shape.sliced ? outputs.feed_channel / shape.rows * shape.groups() : 0) +
                           outputs.feed_pixel / shape.columns;
    const uint64_t bank = fetch < run_.bank_cycles->size() ? (*run_.bank_cycles)[fetch] : 0;
    return cycle + 1 >= tile_start_ + bank;
  }

  /// Points `inputs` to the operands; to zeros if there is no such step, which only a fault asks
  /// for.
  void put(const ArrayOutputs& outputs, ArrayInputs& inputs) {
    const chip::RunShape& shape = run_.shape;
    inputs.feed_valid = true;
    const bool exists = outputs.feed_channel < shape.channels &&
                        outputs.feed_channel % shape.rows == 0 &&
                        outputs.feed_pixel < shape.pixels &&
                        outputs.feed_pixel % shape.columns == 0 && outputs.feed_step < shape.steps;
    if (!exists) {
      zeros_.resize(std::max(shape.rows, shape.columns));
      inputs.weights = inputs.activations = zeros_.data();
      return;
    }
    const uint64_t block = outputs.feed_channel / shape.rows;
    const uint64_t slice = shape.sliced ? block : 0;
    if (outputs.feed_pixel != group_first_ || slice != slice_) fetch(slice, outputs.feed_pixel);
    inputs.weights = &weights_[(block * shape.steps + outputs.feed_step) * shape.rows];
    inputs.activations = &activations_[outputs.feed_step * shape.columns];
  }

  void stepped(const ArrayOutputs& outputs, uint64_t cycle) {
    if (outputs.feed_step + 1 == run_.shape.steps) tile_start_ = cycle + 1;
  }

  uint32_t position(uint64_t pixel) const {
    return pixel < positions_.size() ? positions_[pixel] : 0;
  }

 private:
  void fetch(uint64_t slice, uint64_t first) {
    const chip::RunShape& shape = run_.shape;
    const uint64_t count = std::min<uint64_t>(shape.columns, shape.pixels - first);
    const npu::PixelOperands operands = client_.pixels(slice, first, count);
    std::copy_n(operands.positions, count, positions_.data() + first);
    for (uint64_t c = 0; c < count; ++c) {
      const int16_t* row = operands.activations.data + c * operands.activations.stride;
      for (uint64_t step = 0; step < shape.steps; ++step, row += lanes_) {
        activations_[step * shape.columns + c] =
            pack_lanes(row, lanes_, run_.mode.activation_bits, false);
      }
    }
    slice_ = slice;
    group_first_ = first;
  }

  const npu::ArrayRun& run_;
  npu::ArrayClient& client_;
  const int lanes_;
  uint64_t slice_ = 0;                    ///< of the operands in activations_
  uint64_t group_first_ = UINT64_MAX;     ///< pixel of the group in activations_
  uint64_t tile_start_ = 1;               ///< cycle 0 is the first words' way out of the scratchpad
  std::vector<uint32_t> positions_;       ///< of the pixels fetched so far
  std::vector<pe::OperandWord> weights_;  ///< [block][step][row]
  std::vector<pe::OperandWord> activations_;  ///< [step][column]
  std::vector<pe::OperandWord> zeros_;
};

/// Takes columns and their results, in the order in which they come.
class RtlArray::Drain {
 public:
  Drain(const npu::ArrayRun& run, npu::ArrayClient& client)
      : run_(run), client_(client), unused_parameters_(run.shape.rows) {
    for (auto& column : columns_) column.resize(run.shape.rows);
    values_.resize(run.shape.rows);
  }

  const abi::ChannelParameters* parameters(const ArrayOutputs& outputs) const {
    return outputs.column_channel < run_.shape.channels ? run_.parameters + outputs.column_channel
                                                        : unused_parameters_.data();
  }

  void column_left(const ArrayOutputs& outputs) {
    std::vector<int64_t>& column = columns_[left_++ % kColumnsUnderWay];
    for (uint64_t r = 0; r < run_.shape.rows; ++r) {
      const ArrayAccumulator& accumulator = outputs.column[r];
      column[r] = accumulator.value;
      if (!accumulator.valid || !accumulator.overflow) continue;
      const uint64_t channel = outputs.column_channel + r;
      result.overflow.channel =
          result.overflow.happened ? std::min(result.overflow.channel, channel) : channel;
      result.overflow.happened = true;
    }
  }

  void result_taken(const ArrayOutputs& outputs) {
    const std::vector<int64_t>& column = columns_[taken_++ % kColumnsUnderWay];
    const uint64_t first = outputs.result_channel;
    uint64_t channels = 0;
    for (const ArrayResult& row : outputs.results) {
      if (!row.valid) break;
      values_[channels++] = row.value;
      result.saturations += row.saturated;
    }
    const bool exists =
        outputs.result_pixel < run_.shape.pixels && first + channels <= run_.shape.channels;
    if (!exists || channels == 0) return;
    client_.take({first, channels, outputs.result_pixel, 1, column.data(), values_.data(), 1});
  }

  npu::ArrayResult result;

 private:
  const npu::ArrayRun& run_;
  npu::ArrayClient& client_;
  std::vector<abi::ChannelParameters> unused_parameters_;
  std::array<std::vector<int64_t>, kColumnsUnderWay> columns_;  ///< accumulators, [rows] each
  std::vector<int32_t> values_;
  uint64_t left_ = 0;
  uint64_t taken_ = 0;
};

RtlArray::RtlArray(uint32_t rows, uint32_t columns, ArrayBuild build)
    : device_(rows, columns, build), weight_words_(rows), activation_words_(columns) {}

void RtlArray::inject(const ArrayFault& fault) {
  check_fault(fault, device_.rows(), device_.columns());
  fault_ = fault;
  struck_ = false;
}

bool RtlArray::strikes(ArrayFault::Target target, uint64_t cycle) {
  return fault_ && !struck_ && fault_->target == target && fault_->run + 1 == runs_ &&
         cycle >= fault_->cycle;
}

void RtlArray::strike_registers(uint64_t cycle) {
  if (strikes(ArrayFault::Target::kAccumulator, cycle)) {
    device_.flip_accumulator_bit(fault_->row, fault_->column, fault_->bit);
    struck_ = true;
  } else if (strikes(ArrayFault::Target::kControl, cycle)) {
    device_.flip_control_bit(fault_->control_register, fault_->bit);
    struck_ = true;
  }
}

namespace {

const pe::OperandWord* flipped(const pe::OperandWord* words, uint32_t at, int bit,
                               std::vector<pe::OperandWord>& copy) {
  std::copy_n(words, copy.size(), copy.data());
  copy[at] = pe::flip_bit(copy[at], bit);
  return copy.data();
}

}  // namespace

npu::ArrayResult RtlArray::run(const npu::ArrayRun& run, npu::ArrayClient& client) {
  const ArrayStart start = start_of(run);
  ArrayInputs inputs;
  inputs.start_valid = true;
  inputs.start = &start;
  device_.clock(inputs);
  StallSource stalls(stalls_, runs_);
  ++runs_;
  stall_cycles_ = 0;

  Feed feed(run, client);
  Drain drain(run, client);
  ArrayOutputs shown;
  const uint64_t ideal = chip::run_cycles(run.shape, *run.bank_cycles).total;
  const uint64_t limit = ideal * (stalls_.any() ? kMostPatience : kPatience) + kMostPatience;
  uint64_t cycle = 0;
  for (; device_.outputs().busy; ++cycle) {
    if (cycle == limit) {
      device_.reset();
      throw ArrayError("the RTL array has not ended a RUN of " + std::to_string(ideal) +
                       " cycles after " + std::to_string(limit));
    }
    strike_registers(cycle);
    shown = device_.outputs();
    stalls.next_cycle();
    inputs = {};
    if (shown.feed_ready && !stalls.operands && feed.available(shown, cycle)) {
      feed.put(shown, inputs);
      if (strikes(ArrayFault::Target::kWeight, cycle)) {
        inputs.weights = flipped(inputs.weights, fault_->row, fault_->bit, weight_words_);
        struck_ = true;
      } else if (strikes(ArrayFault::Target::kActivation, cycle)) {
        inputs.activations =
            flipped(inputs.activations, fault_->column, fault_->bit, activation_words_);
        struck_ = true;
      }
    }
    if (shown.column_valid && !stalls.parameters) {
      inputs.parameters_valid = true;
      inputs.parameters = drain.parameters(shown);
      inputs.position = feed.position(shown.column_pixel);
    }
    inputs.result_ready = !stalls.results;
    stall_cycles_ += (stalls.operands && shown.feed_ready) ||
                     (stalls.parameters && shown.column_valid) ||
                     (stalls.results && shown.result_valid);

    const ArrayEvents events = device_.clock(inputs);
    if (events.stepped) feed.stepped(shown, cycle);
    if (events.column_left) drain.column_left(shown);
    if (observer_ != nullptr && !observer_->edge(cycle, shown, events)) {
      device_.reset();
      break;
    }
    if (events.result_taken) drain.result_taken(shown);
  }
  cycles_ += cycle;
  drain.result.cycles.total = cycle;
  drain.result.cycles.bank = cycle - std::min(cycle, chip::run_cycles(run.shape).total);
  return drain.result;
}

}  // namespace tessera::rtl
