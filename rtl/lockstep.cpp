#include "rtl/lockstep.hpp"

#include <algorithm>

namespace tessera::rtl {
namespace {

/// A stalled RUN may take this many times its cycles before it counts as hung.
constexpr uint64_t kStalledPatience = 500;

/// Hands on the operands and keeps the results.
class Recorder final : public npu::ArrayClient {
 public:
  Recorder(const chip::RunShape& shape, npu::ArrayClient& source, ExpectedRun& expected)
      : pixels_(shape.pixels), source_(source), expected_(expected) {
    expected_.accumulators.resize(shape.channels * shape.pixels);
    expected_.values.resize(shape.channels * shape.pixels);
  }

  npu::PixelOperands pixels(uint64_t slice, uint64_t first, uint64_t count) override {
    return source_.pixels(slice, first, count);
  }

  void take(const npu::ResultBlock& block) override {
    for (uint64_t k = 0; k < block.channels; ++k) {
      const uint64_t to = (block.first_channel + k) * pixels_ + block.first_pixel;
      std::copy_n(block.accumulators + k * block.stride, block.pixels,
                  expected_.accumulators.data() + to);
      std::copy_n(block.values + k * block.stride, block.pixels, expected_.values.data() + to);
    }
  }

 private:
  uint64_t pixels_;
  npu::ArrayClient& source_;
  ExpectedRun& expected_;
};

}  // namespace

std::string Divergence::text() const {
  std::string out = "RUN " + std::to_string(run) + ", cycle " + std::to_string(cycle) + ", tile " +
                    std::to_string(tile) + ": " + what;
  if (row) out += " of PE (" + std::to_string(*row) + ", " + std::to_string(*column) + ")";
  return out + ": expected " + std::to_string(expected) + ", got " + std::to_string(got);
}

ExpectedRun expected_of(npu::ArrayBackend& model, const npu::ArrayRun& run,
                        npu::ArrayClient& client) {
  ExpectedRun expected;
  Recorder recorder(run.shape, client, expected);
  expected.result = model.run(run, recorder);
  return expected;
}

RunChecker::RunChecker(const npu::ArrayRun& run, const ExpectedRun& expected, bool stalled,
                       uint64_t run_number)
    : shape_(run.shape),
      expected_(expected),
      stalled_(stalled),
      latest_end_(expected.result.cycles.total * (stalled ? kStalledPatience : 1)),
      run_number_(run_number),
      tile_ends_(chip::tile_ends(run.shape, *run.bank_cycles)) {}

RunChecker::Place RunChecker::place_of(uint64_t number) const {
  const uint64_t block = number / shape_.pixels;
  const uint64_t pixel = number % shape_.pixels;
  return {block * shape_.groups() + pixel / shape_.columns, block * shape_.rows, pixel,
          pixel % shape_.columns};
}

void RunChecker::differ(const char* what, bool in_time, uint64_t cycle, uint64_t tile,
                        int64_t expected, int64_t got) {
  if (divergence_) return;
  divergence_ = Divergence{};
  divergence_->in_time = in_time;
  divergence_->run = run_number_;
  divergence_->cycle = cycle;
  divergence_->tile = tile;
  divergence_->what = what;
  divergence_->expected = expected;
  divergence_->got = got;
}

void RunChecker::check_column(uint64_t cycle, const ArrayOutputs& outputs) {
  const Place place = place_of(columns_seen_++);
  if (place.channel >= shape_.channels) {
    return differ("one column more than the RUN has", false, cycle, tile_ends_.size(), 0, 1);
  }
  const auto signed_of = [](uint64_t value) { return static_cast<int64_t>(value); };
  const uint64_t due = tile_ends_[place.tile] + place.column;
  if (!stalled_ && cycle != due) {
    differ("cycle in which a column leaves the array", true, cycle, place.tile, signed_of(due),
           signed_of(cycle));
  }
  if (outputs.column_channel != place.channel) {
    differ("first channel of a column", false, cycle, place.tile, signed_of(place.channel),
           outputs.column_channel);
  }
  if (outputs.column_pixel != place.pixel) {
    differ("pixel of a column", false, cycle, place.tile, signed_of(place.pixel),
           outputs.column_pixel);
  }
  for (uint64_t r = 0; r < shape_.rows && !divergence_; ++r) {
    const ArrayAccumulator& got = outputs.column[r];
    const bool inside = place.channel + r < shape_.channels;
    if (got.valid != inside) differ("valid flag", false, cycle, place.tile, inside, got.valid);
    if (inside && !divergence_) {
      const int64_t expected =
          expected_.accumulators[(place.channel + r) * shape_.pixels + place.pixel];
      if (got.value != expected) {
        differ("accumulator", false, cycle, place.tile, expected, got.value);
      }
    }
    if (divergence_) {
      divergence_->row = r;
      divergence_->column = place.column;
    }
  }
}

void RunChecker::check_result(uint64_t cycle, const ArrayOutputs& outputs) {
  const Place place = place_of(results_seen_++);
  if (place.channel >= shape_.channels) {
    return differ("one result more than the RUN has", false, cycle, tile_ends_.size(), 0, 1);
  }
  const auto signed_of = [](uint64_t value) { return static_cast<int64_t>(value); };
  const uint64_t due = tile_ends_[place.tile] + place.column + chip::kOutputPathCycles;
  if (!stalled_ && cycle != due) {
    differ("cycle in which a result is written", true, cycle, place.tile, signed_of(due),
           signed_of(cycle));
  }
  if (outputs.result_channel != place.channel) {
    differ("first channel of a result", false, cycle, place.tile, signed_of(place.channel),
           outputs.result_channel);
  }
  if (outputs.result_pixel != place.pixel) {
    differ("pixel of a result", false, cycle, place.tile, signed_of(place.pixel),
           outputs.result_pixel);
  }
  for (uint64_t r = 0; r < shape_.rows && !divergence_; ++r) {
    const ArrayResult& got = outputs.results[r];
    const bool inside = place.channel + r < shape_.channels;
    if (got.valid != inside) {
      differ("valid flag of a result", false, cycle, place.tile, inside, got.valid);
    }
    if (inside && !divergence_) {
      const int32_t expected = expected_.values[(place.channel + r) * shape_.pixels + place.pixel];
      if (got.value != expected) {
        differ("value behind the output path", false, cycle, place.tile, expected, got.value);
      }
    }
    if (divergence_) {
      divergence_->row = r;
      divergence_->column = place.column;
    }
  }
}

bool RunChecker::edge(uint64_t cycle, const ArrayOutputs& outputs, const ArrayEvents& events) {
  if (cycle >= latest_end_) {
    differ("cycles of the RUN: it has not ended", true, cycle, tile_ends_.size() - 1,
           static_cast<int64_t>(expected_.result.cycles.total), static_cast<int64_t>(cycle + 1));
    return false;
  }
  if (events.column_left) check_column(cycle, outputs);
  if (events.result_taken && !divergence_) check_result(cycle, outputs);
  return !divergence_;
}

void RunChecker::end(const npu::ArrayResult& result, uint64_t stall_cycles) {
  if (divergence_) return;
  const npu::ArrayResult& expected = expected_.result;
  const uint64_t cycle = result.cycles.total;
  const uint64_t tile = tile_ends_.size() - 1;
  const auto compare = [&](const char* what, bool in_time, uint64_t want, uint64_t got) {
    if (want != got) {
      differ(what, in_time, cycle, tile, static_cast<int64_t>(want), static_cast<int64_t>(got));
    }
  };
  compare("columns of results", false, shape_.blocks() * shape_.pixels, results_seen_);
  if (!stalled_) {
    compare("cycles of the RUN", true, expected.cycles.total, cycle);
  } else {
    compare("cycles of the RUN, stalls apart", true,
            std::clamp(cycle, expected.cycles.total, expected.cycles.total + stall_cycles), cycle);
  }
  compare("overflow", false, expected.overflow.happened, result.overflow.happened);
  compare("first channel with an overflow", false, expected.overflow.channel,
          result.overflow.channel);
  compare("saturations", false, expected.saturations, result.saturations);
}

npu::ArrayResult LockstepArray::run(const npu::ArrayRun& run, npu::ArrayClient& client) {
  if (divergence_) return model_.run(run, client);
  const ExpectedRun expected = expected_of(model_, run, client);
  RunChecker checker(run, expected, false, rtl_.runs());
  rtl_.set_observer(&checker);
  const npu::ArrayResult result = rtl_.run(run, client);
  rtl_.set_observer(nullptr);
  checker.end(result, 0);
  ++runs_;
  tiles_ += run.shape.tiles();
  results_ += run.shape.channels * run.shape.pixels;
  divergence_ = checker.divergence();
  if (divergence_) {
    diverged_run_.emplace(run, client);
    if (rtl_.fault() && rtl_.fault()->run == divergence_->run) {
      diverged_run_->fault = rtl_.fault();
      diverged_run_->fault->run = 0;
    }
    if (on_divergence_) on_divergence_();
  }
  return result;
}

}  // namespace tessera::rtl
