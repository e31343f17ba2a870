#include "rtl/array_coverage.hpp"

#include <algorithm>
#include <set>
#include <stdexcept>

#include "npu/packing.hpp"
#include "pe/mode.hpp"

namespace tessera::rtl {
namespace {

constexpr int kShifts = 48;
constexpr bool kBoth[] = {false, true};

// Names of bins: the constructor and the samples spell them alike.

const char* extent_name(bool ragged) { return ragged ? "ragged" : "full"; }
const char* rounding_name(bool stochastic) { return stochastic ? "stochastic" : "half up"; }
std::string against(Length steps, const char* what) {
  static constexpr const char* kNames[kLengths] = {"fewer steps than ", "as many steps as ",
                                                   "more steps than "};
  return kNames[static_cast<std::size_t>(steps)] + std::string(what);
}
std::string against_columns(Length steps) { return against(steps, "columns"); }

std::string tile_bin(const abi::PeMode& mode, Mapping mapping, bool ragged_rows,
                     bool ragged_columns, bool stochastic) {
  return pe::mode_name(mode) + ": " + name_of(mapping) + ", " + extent_name(ragged_rows) +
         " rows, " + extent_name(ragged_columns) + " columns, " + rounding_name(stochastic);
}

std::string word_bin(const abi::PeMode& mode, bool weights) {
  return pe::mode_name(mode) + ": " + (weights ? "weight" : "activation") + " word of zeros";
}

std::string mode_change_bin(const abi::PeMode& mode) {
  return pe::mode_name(mode) + ": after a RUN in another mode";
}

std::string shape_bin(bool blocks, bool groups, Length steps) {
  return std::string("shape: ") + (blocks ? "several blocks, " : "one block, ") +
         (groups ? "several groups, " : "one group, ") + against_columns(steps);
}

std::string drain_bin(const Drain& drain) {
  return "drain: " + against(drain.steps, "pixels of the tile before, which is ") +
         extent_name(drain.ragged);
}

std::string fetch_bin(Fetch fetch, Length steps) {
  return std::string("fetch: ") + name_of(fetch) + ", " + against_columns(steps);
}

std::string waiting_bin(unsigned mask, Length steps) {
  return "waiting: for " + stall_name(mask) + ", " + against_columns(steps);
}

std::string shift_bin(bool stochastic, int shift) {
  return std::string("shift: ") + rounding_name(stochastic) + " by " + std::to_string(shift);
}

std::string clamp_bin(ClampRange range, Outcome outcome) {
  return std::string("clamp: ") + name_of(outcome) + " " + name_of(range);
}

std::string bias_bin(BiasClass bias) { return std::string("bias: ") + name_of(bias); }
std::string multiplier_bin(MultiplierClass m) { return std::string("multiplier: ") + name_of(m); }
std::string overflow_bin(bool upwards) {
  return std::string("overflow: ") + (upwards ? "upwards" : "downwards");
}
std::string before_bin(Before before) { return std::string("before: ") + name_of(before); }

unsigned mask_of(const ArrayStalls& stalls) {
  return (stalls.operands != 0 ? kStallOperands : 0U) |
         (stalls.parameters != 0 ? kStallParameters : 0U) |
         (stalls.results != 0 ? kStallResults : 0U);
}

/// Whether a step of one of the rows has zeros in all its lanes.
bool has_zero_word(const std::vector<int16_t>& rows, const StoredRun& run) {
  const auto lanes = static_cast<std::ptrdiff_t>(abi::lanes(run.mode));
  for (std::size_t row = 0; row < rows.size(); row += run.stride) {
    auto word = rows.begin() + static_cast<std::ptrdiff_t>(row);
    for (uint64_t step = 0; step < run.shape.steps; ++step, word += lanes) {
      if (std::all_of(word, word + lanes, [](int16_t v) { return v == 0; })) return true;
    }
  }
  return false;
}

}  // namespace

std::vector<Outcome> outcomes_of(const StoredRun& run, const ExpectedRun& expected) {
  // A clamp one wider on either side shows what the true one changes.
  npu::Rescaling wider = run.rescaling;
  --wider.low;
  ++wider.high;
  std::vector<Outcome> outcomes;
  std::vector<int32_t> values(run.shape.pixels);
  for (uint64_t k = 0; k < run.shape.channels; ++k) {
    npu::rescale(wider, run.parameters[k], k, &expected.accumulators[k * run.shape.pixels],
                 run.positions.data(), run.shape.pixels, values.data());
    for (const int32_t value : values) {
      outcomes.push_back(value == wider.low    ? Outcome::kBelow
                         : value == wider.high ? Outcome::kAbove
                                               : Outcome::kWithin);
    }
  }
  return outcomes;
}

ArrayCoverage::ArrayCoverage(const std::vector<abi::PeMode>& modes) {
  for (const abi::PeMode& mode : modes) {
    add_tiles(mode);
    RunWish wish;
    wish.mode = mode;
    if (modes.size() > 1) add(mode_change_bin(mode), wish);
    for (const bool weights : kBoth) {
      RunWish zeros = wish;
      (weights ? zeros.zero_weights : zeros.zero_activations) = true;
      add(word_bin(mode, weights), zeros);
    }
  }
  add_shapes();
  add_rescaling();
  add_rest(modes);
}

void ArrayCoverage::add(const std::string& name, const RunWish& wish) {
  index_.emplace(name, bins_.size());
  bins_.push_back({name, wish, 0});
}

void ArrayCoverage::add_tiles(const abi::PeMode& mode) {
  RunWish wish;
  wish.mode = mode;
  for (int i = 0; i < kMappings; ++i) {
    wish.mapping = static_cast<Mapping>(i);
    for (const bool ragged_rows : kBoth) {
      if (wish.mapping == Mapping::kDepthwise && !ragged_rows) continue;
      for (const bool ragged_columns : kBoth) {
        if (wish.mapping == Mapping::kFullyConnected && !ragged_columns) continue;
        for (const bool stochastic : kBoth) {
          wish.ragged_rows = ragged_rows;
          wish.ragged_columns = ragged_columns;
          wish.stochastic = stochastic;
          add(tile_bin(mode, *wish.mapping, ragged_rows, ragged_columns, stochastic), wish);
        }
      }
    }
  }
}

void ArrayCoverage::add_shapes() {
  for (int i = 0; i < kLengths; ++i) {
    RunWish wish;
    wish.steps = static_cast<Length>(i);
    for (const bool blocks : kBoth) {
      for (const bool groups : kBoth) {
        RunWish shape = wish;
        shape.several_blocks = blocks;
        shape.several_groups = groups;
        add(shape_bin(blocks, groups, *wish.steps), shape);
      }
    }
    for (int f = 0; f < kFetches; ++f) {
      RunWish fetch = wish;
      fetch.fetch = static_cast<Fetch>(f);
      if (fetch.fetch == Fetch::kUnderDrain && wish.steps != Length::kShorter) continue;
      add(fetch_bin(*fetch.fetch, *wish.steps), fetch);
    }
    for (unsigned mask = 0; mask < kStallMasks; ++mask) {
      RunWish waiting = wish;
      waiting.stalls = mask;
      add(waiting_bin(mask, *wish.steps), waiting);
    }
    for (const bool ragged : kBoth) {
      RunWish drain;
      drain.drain = Drain{*wish.steps, ragged};
      add(drain_bin(*drain.drain), drain);
    }
  }
}

void ArrayCoverage::add_rescaling() {
  for (const bool stochastic : kBoth) {
    for (int shift = 0; shift < kShifts; ++shift) {
      RunWish wish;
      wish.stochastic = stochastic;
      wish.shift = shift;
      add(shift_bin(stochastic, shift), wish);
    }
  }
  for (int range = 0; range < kClampRanges; ++range) {
    for (int outcome = 0; outcome < kOutcomes; ++outcome) {
      RunWish wish;
      wish.clamp = static_cast<ClampRange>(range);
      wish.outcome = static_cast<Outcome>(outcome);
      add(clamp_bin(*wish.clamp, *wish.outcome), wish);
    }
  }
  for (int i = 0; i < kBiasClasses; ++i) {
    RunWish wish;
    wish.bias = static_cast<BiasClass>(i);
    add(bias_bin(*wish.bias), wish);
  }
  for (int i = 0; i < kMultiplierClasses; ++i) {
    RunWish wish;
    wish.multiplier = static_cast<MultiplierClass>(i);
    add(multiplier_bin(*wish.multiplier), wish);
  }
}

void ArrayCoverage::add_rest(const std::vector<abi::PeMode>& modes) {
  const auto overflowing = std::find_if(modes.begin(), modes.end(), can_overflow);
  if (overflowing != modes.end()) {
    RunWish wish;
    wish.mode = *overflowing;
    wish.overflow = true;
    for (const bool upwards : kBoth) add(overflow_bin(upwards), wish);
  }
  for (int i = 0; i < kBefores; ++i) {
    RunWish wish;
    wish.before = static_cast<Before>(i);
    add(before_bin(*wish.before), wish);
  }
}

void ArrayCoverage::hit(const std::string& name) {
  const auto found = index_.find(name);
  if (found == index_.end()) throw std::logic_error("ArrayCoverage: no bin '" + name + "'");
  ++bins_[found->second].count;
}

void ArrayCoverage::sample(const DrawnRun& drawn, const ExpectedRun& expected) {
  sample_shape(drawn);
  sample_words(drawn.run);
  sample_rescaling(drawn.run, expected);
  if (expected.result.overflow.happened) sample_overflow(drawn.run);
  hit(before_bin(drawn.before));
  if (previous_ && !pe::same_mode(*previous_, drawn.run.mode)) hit(mode_change_bin(drawn.run.mode));
  previous_ = drawn.run.mode;
}

void ArrayCoverage::sample_shape(const DrawnRun& drawn) {
  const StoredRun& run = drawn.run;
  const chip::RunShape& shape = run.shape;
  const Mapping mapping = mapping_of(shape, drawn.segments);
  const Length steps = compare(shape.steps, shape.columns);
  hit(shape_bin(shape.blocks() > 1, shape.groups() > 1, steps));
  hit(waiting_bin(mask_of(run.stalls), steps));
  for (const TileClass& tile : classes_of_tiles(shape, run.bank_cycles)) {
    hit(tile_bin(run.mode, mapping, tile.ragged_rows, tile.ragged_columns,
                 run.rescaling.stochastic));
    hit(fetch_bin(tile.fetch, steps));
    if (!tile.first) hit(drain_bin(tile.drain));
  }
}

void ArrayCoverage::sample_words(const StoredRun& run) {
  if (has_zero_word(run.activations, run)) hit(word_bin(run.mode, false));
  if (has_zero_word(run.weights, run)) hit(word_bin(run.mode, true));
}

void ArrayCoverage::sample_rescaling(const StoredRun& run, const ExpectedRun& expected) {
  for (const abi::ChannelParameters& p : run.parameters) {
    hit(shift_bin(run.rescaling.stochastic, p.shift));
    hit(bias_bin(bias_class(p.bias)));
    hit(multiplier_bin(multiplier_class(p.multiplier)));
  }
  const ClampRange range = clamp_range_of(run.rescaling.low, run.rescaling.high);
  const std::vector<Outcome> outcomes = outcomes_of(run, expected);
  for (const Outcome outcome : std::set<Outcome>(outcomes.begin(), outcomes.end())) {
    hit(clamp_bin(range, outcome));
  }
}

void ArrayCoverage::sample_overflow(const StoredRun& run) {
  constexpr int64_t kLimit = int64_t{1} << (abi::kAccumulatorBits - 1);
  const uint64_t reduction = run.shape.steps * static_cast<uint64_t>(abi::lanes(run.mode));
  std::set<bool> upwards;
  for (uint64_t k = 0; k < run.shape.channels; ++k) {
    for (uint64_t p = 0; p < run.shape.pixels; ++p) {
      int64_t sum = 0;
      for (uint64_t i = 0; i < reduction; ++i) {
        sum += static_cast<int64_t>(run.weights[k * run.stride + i]) *
               npu::element_value(run.activations[p * run.stride + i], run.mode.activation_bits,
                                  run.mode.activation_signed);
        if (sum >= kLimit) upwards.insert(true);
        if (sum < -kLimit) upwards.insert(false);
      }
    }
  }
  for (const bool up : upwards) hit(overflow_bin(up));
}

std::optional<RunWish> ArrayCoverage::wish(uint64_t choice) const {
  const int empty = bins() - covered();
  if (empty == 0) return std::nullopt;
  uint64_t left = choice % static_cast<uint64_t>(empty);
  for (const Bin& bin : bins_) {
    if (bin.count == 0 && left-- == 0) return bin.wish;
  }
  throw std::logic_error("ArrayCoverage: fewer empty bins than counted");
}

int ArrayCoverage::covered() const {
  return static_cast<int>(
      std::count_if(bins_.begin(), bins_.end(), [](const Bin& bin) { return bin.count != 0; }));
}

double ArrayCoverage::percent() const { return 100.0 * covered() / bins(); }

std::vector<std::string> ArrayCoverage::holes() const {
  std::vector<std::string> names;
  for (const Bin& bin : bins_) {
    if (bin.count == 0) names.push_back(bin.name);
  }
  return names;
}

}  // namespace tessera::rtl
