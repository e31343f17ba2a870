#include "array_driver.hpp"

#include <algorithm>

namespace tessera::rtl {
namespace {

void put_start(ArrayInputs& inputs, const TestRun& run) {
  inputs.start_valid = true;
  inputs.channels = static_cast<uint32_t>(run.shape.channels);
  inputs.pixels = static_cast<uint32_t>(run.shape.pixels);
  inputs.steps = static_cast<uint32_t>(run.shape.steps);
  inputs.mode = run.mode;
}

/// The operand feed: steps in the order of the dataflow, written down independently of the RTL.
class Feed {
 public:
  Feed(const TestRun& run, const Stalls& stalls) : run_(run), stalls_(stalls) {}

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
  void put(ArrayInputs& inputs, Random& random) const {
    inputs.feed_valid = true;
    for (uint64_t r = 0; r < run_.shape.rows; ++r) {
      inputs.weights.push_back(channel_ + r < run_.shape.channels
                                   ? run_.weight_word(channel_ + r, step_)
                                   : pe::OperandWord{random(), random()});
    }
    for (uint64_t c = 0; c < run_.shape.columns; ++c) {
      inputs.activations.push_back(pixel_ + c < run_.shape.pixels
                                       ? run_.activation_word(pixel_ + c, step_)
                                       : pe::OperandWord{random(), random()});
    }
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
  uint64_t channel_ = 0;
  uint64_t pixel_ = 0;
  uint64_t step_ = 0;
  uint64_t tile_start_ = 1;  // cycle 0 is the first word's way out of the scratchpad
};

/// The other end: columns in order, checked and stored.
class Drain {
 public:
  Drain(const TestRun& run, Observed& observed) : run_(run), observed_(observed) {
    observed_.accumulators.resize(run.shape.channels * run.shape.pixels);
    observed_.overflows.resize(run.shape.channels * run.shape.pixels);
  }

  bool done() const { return channel_ >= run_.shape.channels; }

  /// A column that waits must not change.
  void look(const ArrayOutputs& outputs) {
    if (waiting_) {
      const bool same = outputs.drain_valid && outputs.drain_channel == seen_.drain_channel &&
                        outputs.drain_pixel == seen_.drain_pixel &&
                        std::equal(seen_.results.begin(), seen_.results.end(),
                                   outputs.results.begin(), [](const auto& a, const auto& b) {
                                     return a.valid == b.valid && a.overflow == b.overflow &&
                                            a.accumulator == b.accumulator;
                                   });
      if (!same) observed_.violations.push_back("a column changed while it waited for ready");
    }
    waiting_ = outputs.drain_valid;
    if (waiting_) seen_ = outputs;
  }

  void take(const ArrayOutputs& outputs) {
    waiting_ = false;
    if (done() || outputs.drain_channel != channel_ || outputs.drain_pixel != pixel_) {
      observed_.violations.push_back("column " + std::to_string(outputs.drain_channel) + "/" +
                                     std::to_string(outputs.drain_pixel) + " came instead of " +
                                     std::to_string(channel_) + "/" + std::to_string(pixel_));
      return;
    }
    for (uint64_t r = 0; r < run_.shape.rows; ++r) {
      const ArrayResult& result = outputs.results[r];
      const bool inside = channel_ + r < run_.shape.channels;
      if (result.valid != inside) observed_.violations.push_back("a row valid flag is wrong");
      if (!inside) continue;
      const uint64_t index = (channel_ + r) * run_.shape.pixels + pixel_;
      observed_.accumulators[index] = result.accumulator;
      observed_.overflows[index] = result.overflow;
    }
    if (++pixel_ < run_.shape.pixels) return;
    pixel_ = 0;
    channel_ += run_.shape.rows;
  }

 private:
  const TestRun& run_;
  Observed& observed_;
  uint64_t channel_ = 0;
  uint64_t pixel_ = 0;
  bool waiting_ = false;
  ArrayOutputs seen_;
};

}  // namespace

void start_run(VerilatedArray& array, const TestRun& run) {
  ArrayInputs inputs;
  put_start(inputs, run);
  array.clock(inputs);
}

Observed finish_run(VerilatedArray& array, const TestRun& run, const Stalls& stalls, Random& random,
                    const TestRun* next) {
  Observed observed;
  Feed feed(run, stalls);
  Drain drain(run, observed);
  const uint64_t limit = 100 * chip::run_cycles(run.shape).total + 10000;
  for (bool last = false; !last; ++observed.cycles) {
    const ArrayOutputs& outputs = array.outputs();
    if (!outputs.busy || observed.cycles == limit) {
      observed.violations.push_back(outputs.busy ? "the run does not end" : "not busy in a run");
      return observed;
    }
    ArrayInputs inputs;
    if (feed.available(observed.cycles, random)) feed.put(inputs, random);
    if (outputs.feed_ready) {
      if (!feed.at(outputs)) observed.violations.push_back("the feed is asked for a wrong step");
      if (inputs.feed_valid) feed.advance(observed.cycles);
      observed.feed_stalls += !inputs.feed_valid;
    }
    inputs.drain_ready = pick(random, 1, 100) > stalls.drain_percent;
    drain.look(outputs);
    if (outputs.drain_valid && inputs.drain_ready) drain.take(outputs);
    observed.drain_stalls += outputs.drain_valid && !inputs.drain_ready;
    last = outputs.start_ready;
    if (last && next != nullptr) put_start(inputs, *next);
    array.clock(inputs);
  }
  if (!feed.done() || !drain.done()) observed.violations.push_back("the run ended too early");
  return observed;
}

}  // namespace tessera::rtl
