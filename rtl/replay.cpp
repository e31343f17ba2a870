#include "rtl/replay.hpp"

#include <algorithm>
#include <deque>

#include "npu/model_array.hpp"
#include "npu/packing.hpp"
#include "pe/pe.hpp"

namespace tessera::rtl {
namespace {

/// Cycles from a step's hand-over to the accumulator that includes it.
constexpr uint64_t kStepLatency = 2;

/// Follows the accumulator of one PE through one tile, step by step.
class StepChecker final : public ArrayObserver {
 public:
  /// Watches PE (row, column) of `device` in the tile with these first channel and pixel, up to
  /// cycle `last_cycle`.
  StepChecker(const StoredRun& run, const VerilatedArray& device, uint64_t first_channel,
              uint64_t first_pixel, uint64_t row, uint64_t column, uint64_t last_cycle)
      : run_(run),
        device_(device),
        first_channel_(first_channel),
        first_pixel_(first_pixel),
        row_(row),
        column_(column),
        last_cycle_(last_cycle) {}

  bool edge(uint64_t cycle, const ArrayOutputs& outputs, const ArrayEvents& events) override {
    if (events.stepped && outputs.feed_channel == first_channel_ &&
        outputs.feed_pixel == first_pixel_) {
      under_way_.push_back({outputs.feed_step, cycle});
    }
    if (under_way_.empty() || cycle != under_way_.front().cycle + kStepLatency) {
      return cycle < last_cycle_;
    }
    const HandedOver step = under_way_.front();
    under_way_.pop_front();
    const int64_t before = step.step == 0 ? 0 : sum_;
    sum_ = pe::wrap_accumulator(before + product(step.step));
    const int64_t got =
        device_.accumulator(static_cast<uint32_t>(row_), static_cast<uint32_t>(column_));
    if (got == sum_) return true;
    wrong_ = WrongStep{step.step, step.cycle, operands(step.step), before, sum_, got};
    return false;
  }

  const std::optional<WrongStep>& wrong() const { return wrong_; }

 private:
  struct HandedOver {
    uint64_t step, cycle;
  };

  std::size_t lanes() const { return static_cast<std::size_t>(abi::lanes(run_.mode)); }
  int32_t activation(std::size_t place) const {
    return npu::element_value(run_.activations[(first_pixel_ + column_) * run_.stride + place],
                              run_.mode.activation_bits, run_.mode.activation_signed);
  }
  int32_t weight(std::size_t place) const {
    return run_.weights[(first_channel_ + row_) * run_.stride + place];
  }

  int64_t product(uint64_t step) const {
    int64_t sum = 0;
    for (std::size_t i = step * lanes(); i < (step + 1) * lanes(); ++i) {
      sum += static_cast<int64_t>(activation(i)) * weight(i);
    }
    return sum;
  }

  std::string operands(uint64_t step) const {
    std::string activations, weights;
    for (std::size_t i = step * lanes(); i < (step + 1) * lanes(); ++i) {
      activations += " " + std::to_string(activation(i));
      weights += " " + std::to_string(weight(i));
    }
    return "activations" + activations + ", weights" + weights;
  }

  const StoredRun& run_;
  const VerilatedArray& device_;
  uint64_t first_channel_, first_pixel_, row_, column_, last_cycle_;
  std::deque<HandedOver> under_way_;
  int64_t sum_ = 0;
  std::optional<WrongStep> wrong_;
};

/// Writes waveforms of some cycles of a RUN, then ends it.
class Tracer final : public ArrayObserver {
 public:
  Tracer(VerilatedArray& device, std::string path, uint64_t first, uint64_t last)
      : device_(device), path_(std::move(path)), first_(first), last_(last) {
    if (first_ == 0) device_.start_trace(path_);
  }

  bool edge(uint64_t cycle, const ArrayOutputs&, const ArrayEvents&) override {
    if (cycle + 1 == first_) device_.start_trace(path_);
    if (cycle < last_) return true;
    device_.stop_trace();
    return false;
  }

 private:
  VerilatedArray& device_;
  std::string path_;
  uint64_t first_, last_;
};

/// One pass over the RUN with a fresh array, watched by the observer that `make` returns.
template <typename Make>
npu::ArrayResult pass(const StoredRun& run, const Make& make, uint64_t* stall_cycles = nullptr) {
  RtlArray array(static_cast<uint32_t>(run.shape.rows), static_cast<uint32_t>(run.shape.columns));
  array.set_stalls(run.stalls);
  if (run.fault) array.inject(*run.fault);
  auto&& observer = make(array.device());
  array.set_observer(&observer);
  npu::MatrixClient client = run.client();
  const npu::ArrayResult result = array.run(run.view(), client);
  if (stall_cycles != nullptr) *stall_cycles = array.stall_cycles();
  return result;
}

}  // namespace

ReplayResult replay(const StoredRun& run, const std::string& waveform_path) {
  npu::ModelArray model;
  npu::MatrixClient client = run.client();
  const npu::ArrayRun view = run.view();
  const ExpectedRun expected = expected_of(model, view, client);

  RunChecker checker(view, expected, run.stalls.any(), 0);
  uint64_t stall_cycles = 0;
  const npu::ArrayResult got = pass(
      run, [&](VerilatedArray&) -> RunChecker& { return checker; }, &stall_cycles);
  checker.end(got, stall_cycles);

  ReplayResult result;
  result.cycles = got.cycles.total;
  result.expected_cycles = expected.result.cycles.total;
  result.tiles = run.shape.tiles();
  result.divergence = checker.divergence();
  if (!result.divergence) return result;

  const Divergence& d = *result.divergence;
  uint64_t cycle = d.cycle;
  if (d.row) {
    const uint64_t groups = run.shape.groups();
    std::optional<StepChecker> steps;
    pass(run, [&](VerilatedArray& device) -> StepChecker& {
      return steps.emplace(run, device, d.tile / groups * run.shape.rows,
                           d.tile % groups * run.shape.columns, *d.row, *d.column, d.cycle);
    });
    result.wrong_step = steps->wrong();
    if (result.wrong_step) cycle = result.wrong_step->cycle;
  }
  if (!waveform_path.empty()) {
    const uint64_t first = cycle - std::min(cycle, kWaveformBefore);
    std::optional<Tracer> tracer;
    pass(run, [&](VerilatedArray& device) -> Tracer& {
      return tracer.emplace(device, waveform_path, first, d.cycle + kWaveformAfter);
    });
  }
  return result;
}

std::string text_of(const ReplayResult& result) {
  if (!result.divergence) return "RTL and model agree";
  std::string text = result.divergence->text();
  if (result.wrong_step) {
    const WrongStep& w = *result.wrong_step;
    text += "\nfirst wrong in step " + std::to_string(w.step) + ", handed over in cycle " +
            std::to_string(w.cycle) + ": " + w.operands + "; accumulator before " +
            std::to_string(w.before) + ", expected " + std::to_string(w.expected) + ", got " +
            std::to_string(w.got);
  } else if (result.divergence->row) {
    text += "\nno step that was handed over went wrong: one is missing, or the harm came later";
  }
  return text;
}

}  // namespace tessera::rtl
