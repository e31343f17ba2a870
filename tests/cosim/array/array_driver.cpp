#include "array_driver.hpp"

#include <algorithm>

namespace tessera::rtl {
namespace {

ArrayStart start_of(const TestRun& run) {
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

/// The operand feed: steps in the order of the dataflow, written down independently of the RTL.
class Feed {
 public:
  Feed(const TestRun& run, const Stalls& stalls)
      : run_(run), stalls_(stalls), weights_(run.shape.rows), activations_(run.shape.columns) {}

  bool done() const { return channel_ >= run_.shape.channels; }

  bool at(const ArrayOutputs& outputs) const {
    return !done() && outputs.feed_channel == channel_ && outputs.feed_pixel == pixel_ &&
           outputs.feed_step == step_;
  }

  /// Whether the operands of the step are there in cycle `cycle` of the run.
  bool available(uint64_t cycle, Random& random) const {
    if (done()) return false;
    const bool last = step_ + 1 == run_.shape.steps;
    if (last && !stalls_.bank_cycles.empty()) {
      const uint64_t needed = stalls_.bank_cycles[pixel_ / run_.shape.columns];
      if (cycle + 1 < tile_start_ + needed) return false;
    }
    return pick(random, 1, 100) > stalls_.feed_percent;
  }

  /// Rows and columns outside the tile get noise: they must not matter.
  void put(ArrayInputs& inputs, Random& random) {
    for (uint64_t r = 0; r < run_.shape.rows; ++r) {
      weights_[r] = channel_ + r < run_.shape.channels ? run_.weight_word(channel_ + r, step_)
                                                       : pe::OperandWord{random(), random()};
    }
    for (uint64_t c = 0; c < run_.shape.columns; ++c) {
      activations_[c] = pixel_ + c < run_.shape.pixels ? run_.activation_word(pixel_ + c, step_)
                                                       : pe::OperandWord{random(), random()};
    }
    inputs.feed_valid = true;
    inputs.weights = weights_.data();
    inputs.activations = activations_.data();
  }

  void advance(uint64_t cycle) {
    if (++step_ < run_.shape.steps) return;
    step_ = 0;
    tile_start_ = cycle + 1;
    pixel_ += run_.shape.columns;
    if (pixel_ < run_.shape.pixels) return;
    pixel_ = 0;
    channel_ += run_.shape.rows;
  }

 private:
  const TestRun& run_;
  const Stalls& stalls_;
  std::vector<pe::OperandWord> weights_;
  std::vector<pe::OperandWord> activations_;
  uint64_t channel_ = 0;
  uint64_t pixel_ = 0;
  uint64_t step_ = 0;
  uint64_t tile_start_ = 1;  // cycle 0 is the first word's way out of the scratchpad
};

bool same(const ArrayAccumulator& a, const ArrayAccumulator& b) {
  return a.valid == b.valid && a.value == b.value && a.overflow == b.overflow;
}

bool same(const ArrayResult& a, const ArrayResult& b) {
  return a.valid == b.valid && a.value == b.value && a.saturated == b.saturated;
}

/// Follows one of the two streams that come out, accumulators or results: columns in the order of
/// the dataflow, which stay as they are until they leave.
template <typename Row>
class Columns {
 public:
  Columns(const char* name, const TestRun& run, Observed& observed)
      : name_(name), run_(run), observed_(observed) {}

  bool done() const { return channel_ >= run_.shape.channels; }

  /// A cycle in which a column is shown or not.
  void look(bool valid, uint32_t channel, uint32_t pixel, const std::vector<Row>& rows) {
    if (waiting_ && !(valid && channel == seen_channel_ && pixel == seen_pixel_ &&
                      std::equal(rows.begin(), rows.end(), seen_.begin(),
                                 [](const Row& a, const Row& b) { return same(a, b); }))) {
      violation("changed while it waited");
    }
    waiting_ = valid;
    if (!valid) return;
    seen_channel_ = channel;
    seen_pixel_ = pixel;
    seen_ = rows;
  }

  /// The column seen last leaves; store(row, index) takes each of its rows that has a channel.
  template <typename Store>
  void take(const Store& store) {
    waiting_ = false;
    if (done() || seen_channel_ != channel_ || seen_pixel_ != pixel_) {
      return violation(std::to_string(seen_channel_) + "/" + std::to_string(seen_pixel_) +
                       " came instead of " + std::to_string(channel_) + "/" +
                       std::to_string(pixel_));
    }
    for (uint64_t r = 0; r < run_.shape.rows; ++r) {
      const bool inside = channel_ + r < run_.shape.channels;
      if (seen_[r].valid != inside) violation("has a wrong row valid flag");
      if (inside) store(seen_[r], (channel_ + r) * run_.shape.pixels + pixel_);
    }
    if (++pixel_ < run_.shape.pixels) return;
    pixel_ = 0;
    channel_ += run_.shape.rows;
  }

 private:
  void violation(const std::string& what) { observed_.violations.push_back(name_ + (" " + what)); }

  const std::string name_;
  const TestRun& run_;
  Observed& observed_;
  uint64_t channel_ = 0;
  uint64_t pixel_ = 0;
  bool waiting_ = false;
  uint32_t seen_channel_ = 0;
  uint32_t seen_pixel_ = 0;
  std::vector<Row> seen_;
};

/// A run from its cycle 0 to its end.
class Driver {
 public:
  Driver(VerilatedArray& array, const TestRun& run, const Stalls& stalls, Random& random,
         const TestRun* next)
      : array_(array),
        run_(run),
        stalls_(stalls),
        random_(random),
        start_(next == nullptr ? ArrayStart{} : start_of(*next)),
        starts_next_(next != nullptr),
        feed_(run, stalls),
        accumulators_("a column", run, observed_),
        results_("a column of results", run, observed_),
        parameters_(run.shape.rows) {
    const std::size_t size = run.shape.channels * run.shape.pixels;
    observed_.accumulators.resize(size);
    observed_.overflows.resize(size);
    observed_.values.resize(size);
  }

  Observed run() {
    const uint64_t limit = 100 * chip::run_cycles(run_.shape).total + 10000;
    for (bool last = false; !last; ++observed_.cycles) {
      if (!array_.outputs().busy || observed_.cycles == limit) {
        observed_.violations.push_back(array_.outputs().busy ? "the run does not end"
                                                             : "not busy in a run");
        return std::move(observed_);
      }
      last = cycle();
    }
    if (!feed_.done() || !accumulators_.done() || !results_.done()) {
      observed_.violations.push_back("the run ended too early");
    }
    if (array_.outputs().busy != starts_next_) {
      observed_.violations.push_back("busy is wrong after the last results");
    }
    return std::move(observed_);
  }

 private:
  /// Returns whether it was the last of the run.
  bool cycle() {
    const ArrayOutputs& outputs = array_.outputs();
    accumulators_.look(outputs.column_valid, outputs.column_channel, outputs.column_pixel,
                       outputs.column);
    results_.look(outputs.result_valid, outputs.result_channel, outputs.result_pixel,
                  outputs.results);
    if (outputs.feed_ready && !feed_.at(outputs)) {
      observed_.violations.push_back("the feed is asked for a wrong step");
    }
    const ArrayInputs inputs = draw_inputs(outputs);
    observed_.feed_stalls += outputs.feed_ready && !inputs.feed_valid;
    observed_.parameter_stalls += outputs.column_valid && !inputs.parameters_valid;
    observed_.result_stalls += outputs.result_valid && !inputs.result_ready;
    const bool last = outputs.result_valid && outputs.result_last && inputs.result_ready;
    const ArrayEvents& events = array_.clock(inputs);
    if (events.stepped) feed_.advance(observed_.cycles);
    if (events.column_left) {
      accumulators_.take([this](const ArrayAccumulator& row, uint64_t index) {
        observed_.accumulators[index] = row.value;
        observed_.overflows[index] = row.overflow;
      });
    }
    if (events.result_taken) {
      results_.take([this](const ArrayResult& row, uint64_t index) {
        observed_.values[index] = row.value;
        observed_.saturations += row.saturated;
      });
    }
    if (events.started != (last && starts_next_)) {
      observed_.violations.push_back("the next run started in a wrong cycle");
    }
    return last;
  }

  ArrayInputs draw_inputs(const ArrayOutputs& outputs) {
    ArrayInputs inputs;
    inputs.start_valid = starts_next_;
    inputs.start = &start_;
    if (feed_.available(observed_.cycles, random_)) feed_.put(inputs, random_);
    if (outputs.column_valid && pick(random_, 1, 100) > stalls_.parameter_percent) {
      put_parameters(inputs, outputs);
    }
    inputs.result_ready = pick(random_, 1, 100) > stalls_.result_percent;
    return inputs;
  }

  void put_parameters(ArrayInputs& inputs, const ArrayOutputs& outputs) {
    if (outputs.column_pixel >= run_.shape.pixels) return;
    for (uint64_t r = 0; r < run_.shape.rows; ++r) {
      const uint64_t channel = outputs.column_channel + r;
      if (channel < run_.shape.channels) parameters_[r] = run_.parameters[channel];
    }
    inputs.parameters_valid = true;
    inputs.parameters = parameters_.data();
    inputs.position = run_.positions[outputs.column_pixel];
  }

  VerilatedArray& array_;
  const TestRun& run_;
  const Stalls& stalls_;
  Random& random_;
  const ArrayStart start_;
  const bool starts_next_;
  Observed observed_;
  Feed feed_;
  Columns<ArrayAccumulator> accumulators_;
  Columns<ArrayResult> results_;
  std::vector<abi::ChannelParameters> parameters_;
};

}  // namespace

void start_run(VerilatedArray& array, const TestRun& run) {
  const ArrayStart start = start_of(run);
  ArrayInputs inputs;
  inputs.start_valid = true;
  inputs.start = &start;
  array.clock(inputs);
}

Observed finish_run(VerilatedArray& array, const TestRun& run, const Stalls& stalls, Random& random,
                    const TestRun* next) {
  return Driver(array, run, stalls, random, next).run();
}

}  // namespace tessera::rtl
