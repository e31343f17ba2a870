#include "rtl/array_stimulus.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "npu/packing.hpp"
#include "pe/mode.hpp"

namespace tessera::rtl {
namespace {

constexpr uint64_t kMostBlocks = 3;
constexpr uint64_t kMostGroups = 3;
constexpr int kMostShift = 47;
constexpr int32_t kLowest = -32768;
constexpr int32_t kHighest = 65535;

/// Shapes drawn for a wish before it counts as one that no RUN can fulfil. The rarest shape, as
/// many steps as a ragged tile before has pixels, comes once in some hundred.
constexpr int kTries = 100'000;

bool wanted(std::optional<bool> wish, bool value) { return !wish || *wish == value; }

bool fits(const RunWish& wish, const chip::RunShape& shape, uint64_t segments,
          const std::vector<uint32_t>& bank_cycles) {
  if (wish.mapping && *wish.mapping != mapping_of(shape, segments)) return false;
  if (wish.steps && *wish.steps != compare(shape.steps, shape.columns)) return false;
  if (!wanted(wish.several_blocks, shape.blocks() > 1)) return false;
  if (!wanted(wish.several_groups, shape.groups() > 1)) return false;
  const auto tiles = classes_of_tiles(shape, bank_cycles);
  return std::any_of(tiles.begin(), tiles.end(), [&](const TileClass& tile) {
    const bool drain = !wish.drain || (!tile.first && tile.drain.steps == wish.drain->steps &&
                                       tile.drain.ragged == wish.drain->ragged);
    return wanted(wish.ragged_rows, tile.ragged_rows) &&
           wanted(wish.ragged_columns, tile.ragged_columns) && drain &&
           (!wish.fetch || *wish.fetch == tile.fetch);
  });
}

/// Most bits that an accumulator of the RUN can need, sign apart.
int bits_of_sums(const StoredRun& run) {
  const int weight_bits = run.mode.p4 ? abi::kP4FractionBits + 1 : run.mode.weight_bits - 1;
  const uint64_t terms = run.shape.steps * static_cast<uint64_t>(abi::lanes(run.mode));
  int term_bits = 0;
  while ((terms >> term_bits) > 1) ++term_bits;
  return run.mode.activation_bits + weight_bits + term_bits;
}

}  // namespace

bool can_overflow(const abi::PeMode& mode) {
  return mode.activation_bits == 16 && mode.weight_bits == 16;
}

ArrayStimulus::ArrayStimulus(uint32_t rows, uint32_t columns, std::vector<abi::PeMode> modes,
                             uint64_t seed)
    : rows_(rows), columns_(columns), modes_(std::move(modes)), random_(seed) {}

// Shapes.

uint64_t ArrayStimulus::some_extent(uint64_t tile) {
  const uint64_t full_tiles = below(kMostBlocks);
  return full_tiles * tile + (one_in(2) ? tile : between(1, tile));
}

uint64_t ArrayStimulus::some_steps(const chip::RunShape& shape) {
  switch (below(8)) {
    case 0:
    case 1:
      return shape.columns;
    case 2:
      return shape.last_columns();
    case 3:
    case 4:
      return between(1, shape.columns - 1);
    case 5:
      return between(shape.columns + 1, 6 * shape.columns);
    default:
      return between(shape.columns + 1, 2 * shape.columns);
  }
}

uint64_t ArrayStimulus::some_segments(Mapping mapping, uint64_t steps) {
  if (mapping == Mapping::kPointwise || mapping == Mapping::kFullyConnected) return 1;
  std::vector<uint64_t> divisors;
  for (uint64_t d = 1; d <= steps; ++d) {
    if (steps % d == 0) divisors.push_back(d);
  }
  const uint64_t first = mapping == Mapping::kConvolution && divisors.size() > 1 ? 1 : 0;
  return divisors[between(first, divisors.size() - 1)];
}

std::vector<uint32_t> ArrayStimulus::some_bank_cycles(const chip::RunShape& shape) {
  const uint64_t steps = shape.steps;
  const uint64_t profile = below(6);
  std::vector<uint32_t> cycles(shape.fetches(), 0);
  for (uint32_t& each : cycles) {
    uint64_t value = 0;
    if (profile < 3) value = between(1, steps);
    if (profile == 3) value = below(2 * steps + 4);
    if (profile == 4) value = between(steps + 1, std::max(steps + 1, shape.columns));
    each = static_cast<uint32_t>(value);
  }
  return cycles;
}

ArrayStimulus::Plan ArrayStimulus::candidate(const RunWish& wish) {
  const Mapping mapping = wish.mapping ? *wish.mapping : static_cast<Mapping>(below(kMappings));
  Plan plan;
  chip::RunShape& shape = plan.shape;
  shape.rows = rows_;
  shape.columns = columns_;
  shape.channels = mapping == Mapping::kDepthwise ? 1 : some_extent(rows_);
  shape.pixels = mapping == Mapping::kFullyConnected ? 1 : some_extent(columns_);
  shape.steps = some_steps(shape);
  shape.sliced = shape.blocks() > 1 && one_in(4);
  plan.segments = some_segments(mapping, shape.steps);
  plan.bank_cycles = some_bank_cycles(shape);
  return plan;
}

ArrayStimulus::Plan ArrayStimulus::plan(const RunWish& wish) {
  for (int i = 0; i < kTries; ++i) {
    Plan plan = candidate(wish);
    if (fits(wish, plan.shape, plan.segments, plan.bank_cycles)) return plan;
  }
  throw std::logic_error("ArrayStimulus: no RUN has what is wished for");
}

ArrayStimulus::Plan ArrayStimulus::overflow_plan(const abi::PeMode& mode) const {
  const int64_t smallest_product =
      static_cast<int64_t>(abi::max_value(16, mode.activation_signed)) * abi::max_value(16, true);
  Plan plan;
  const uint64_t steps =
      (uint64_t{1} << (abi::kAccumulatorBits - 1)) / static_cast<uint64_t>(smallest_product) + 2;
  plan.shape = {rows_, columns_, rows_, columns_, steps};
  plan.bank_cycles = {1};
  return plan;
}

// Operands.

int32_t ArrayStimulus::element(Profile profile, int bits, bool is_signed, bool p4, int32_t same) {
  if (profile == Profile::kSame) return same;
  if (profile == Profile::kZero || (profile == Profile::kSparse && !one_in(8))) return 0;
  if (p4) return abi::p4_decode(static_cast<unsigned>(below(16)));
  const int32_t low = abi::min_value(bits, is_signed);
  const int32_t high = abi::max_value(bits, is_signed);
  if (profile == Profile::kCorners) {
    const int32_t alternating = static_cast<int32_t>(0x5555U & ((1U << (bits - 1)) - 1U));
    const int32_t corners[] = {low, high, 0, 1, is_signed ? -1 : high - 1, alternating};
    return corners[below(std::size(corners))];
  }
  return low + static_cast<int32_t>(below(uint64_t{1} << bits));
}

void ArrayStimulus::fill_row(int16_t* row, const Plan& plan, const abi::PeMode& mode, bool weights,
                             uint64_t segment_elements, Profile profile) {
  const int bits = weights ? mode.weight_bits : mode.activation_bits;
  const bool is_signed = weights || mode.activation_signed;
  const bool p4 = weights && mode.p4;
  const int32_t same = element(Profile::kUniform, bits, is_signed, p4, 0);
  const uint64_t segment_lanes =
      plan.shape.steps / plan.segments * static_cast<uint64_t>(abi::lanes(mode));
  for (uint64_t segment = 0; segment < plan.segments; ++segment) {
    int16_t* const to = row + segment * segment_lanes;
    for (uint64_t e = 0; e < segment_elements; ++e) {
      to[e] = static_cast<int16_t>(element(profile, bits, is_signed, p4, same));
    }
  }
}

void ArrayStimulus::fill_operands(const RunWish& wish, const Plan& plan, StoredRun& run) {
  const auto lanes = static_cast<uint64_t>(abi::lanes(run.mode));
  const uint64_t reduction = run.shape.steps * lanes;
  const uint64_t alignment = npu::kOperandAlignment;
  run.stride = (reduction + alignment - 1) / alignment * alignment;
  run.weights.assign(run.shape.channels * run.stride, 0);
  run.activations.assign(run.slices() * run.shape.pixels * run.stride, 0);
  if (wish.overflow) return fill_overflow(run);

  // A segment ends anywhere in its last step; of a depthwise tap there is one element.
  const uint64_t segment_steps = run.shape.steps / plan.segments;
  const bool tap = run.shape.channels == 1 && segment_steps == 1 && one_in(2);
  const uint64_t elements = tap ? 1 : (segment_steps - 1) * lanes + between(1, lanes);
  const auto profile = [&] {
    constexpr Profile kProfiles[] = {Profile::kUniform, Profile::kUniform, Profile::kUniform,
                                     Profile::kCorners, Profile::kCorners, Profile::kSparse,
                                     Profile::kSame,    Profile::kZero};
    return kProfiles[below(std::size(kProfiles))];
  };
  for (uint64_t k = 0; k < run.shape.channels; ++k) {
    const bool zero = wish.zero_weights && k == 0;
    fill_row(&run.weights[k * run.stride], plan, run.mode, true, elements,
             zero ? Profile::kZero : profile());
  }
  // Without activations, bias and multiplier alone decide what the clamp sees.
  for (uint64_t p = 0; p < run.slices() * run.shape.pixels; ++p) {
    const bool zero = wish.outcome || (wish.zero_activations && p == 0);
    fill_row(&run.activations[p * run.stride], plan, run.mode, false, elements,
             zero ? Profile::kZero : profile());
  }
}

void ArrayStimulus::fill_overflow(StoredRun& run) const {
  const auto fill = [&](std::vector<int16_t>& elements, uint64_t row, int32_t value) {
    std::fill_n(elements.begin() + static_cast<std::ptrdiff_t>(row * run.stride), run.shape.steps,
                static_cast<int16_t>(value));
  };
  for (uint64_t p = 0; p < run.shape.pixels; ++p) {
    fill(run.activations, p, abi::max_value(16, run.mode.activation_signed));
  }
  for (uint64_t k = 0; k < run.shape.channels; ++k) {
    fill(run.weights, k, k % 2 == 0 ? abi::max_value(16, true) : abi::min_value(16, true));
  }
}

// Rescaling.

void ArrayStimulus::draw_clamp(const RunWish& wish, npu::Rescaling& rescaling) {
  const auto range = wish.clamp ? *wish.clamp : static_cast<ClampRange>(below(kClampRanges));
  if (range != ClampRange::kOther) {
    rescaling.low = low_of(range);
    rescaling.high = high_of(range);
    return;
  }
  do {
    const auto any = [this](int64_t low, int64_t high) {
      return static_cast<int32_t>(
          low + static_cast<int64_t>(below(static_cast<uint64_t>(high - low) + 1)));
    };
    const bool with_zero = wish.outcome.has_value() || !one_in(4);
    const bool relu = one_in(2);
    rescaling.low = relu ? 0 : any(kLowest, with_zero ? 0 : kHighest);
    const int32_t smallest = with_zero ? std::max(rescaling.low, 0) : rescaling.low;
    rescaling.high = any(smallest, one_in(2) ? kHighest : std::max(smallest, 127));
  } while (clamp_range_of(rescaling.low, rescaling.high) != ClampRange::kOther);
}

abi::ChannelParameters ArrayStimulus::some_parameters(const StoredRun& run, bool fitted) {
  abi::ChannelParameters p{};
  constexpr uint16_t kMultipliers[] = {0, 1, 2, 32768, 65534, 65535};
  constexpr int32_t kBiases[] = {std::numeric_limits<int32_t>::min(),
                                 std::numeric_limits<int32_t>::max(), 0, 1, -1};
  p.multiplier = static_cast<uint16_t>(one_in(8) ? kMultipliers[below(std::size(kMultipliers))]
                                                 : below(65536));
  p.bias = static_cast<int32_t>(static_cast<uint32_t>(random_()));
  p.shift = static_cast<uint8_t>(below(kMostShift + 1));
  if (fitted) {
    const int sum_bits = bits_of_sums(run);
    p.multiplier = static_cast<uint16_t>(one_in(4) ? 1 : between(32768, 65535));
    p.bias >>= std::clamp(32 - sum_bits, 0, 31);
    int result_bits = 0;
    while ((std::max(-run.rescaling.low, run.rescaling.high) >> result_bits) != 0) ++result_bits;
    const int excess = sum_bits + (p.multiplier == 1 ? 0 : 16) - result_bits;
    const int shift = excess - static_cast<int>(below(8));
    p.shift = static_cast<uint8_t>(std::clamp(shift, 0, kMostShift));
  } else if (one_in(4)) {
    p.bias = kBiases[below(std::size(kBiases))];
  }
  return p;
}

void ArrayStimulus::apply_wish(const RunWish& wish, StoredRun& run) {
  for (abi::ChannelParameters& p : run.parameters) {
    if (wish.outcome) {
      p.bias = *wish.outcome == Outcome::kBelow ? std::numeric_limits<int32_t>::min()
                                                : std::numeric_limits<int32_t>::max();
      p.multiplier = *wish.outcome == Outcome::kWithin ? 0 : 65535;
      p.shift = static_cast<uint8_t>(below(24));
    }
    if (wish.shift) p.shift = static_cast<uint8_t>(*wish.shift);
  }
  abi::ChannelParameters& first = run.parameters.front();
  if (wish.bias) {
    constexpr int32_t kBiases[] = {std::numeric_limits<int32_t>::min(), -1000, 0, 1000,
                                   std::numeric_limits<int32_t>::max()};
    first.bias = kBiases[static_cast<std::size_t>(*wish.bias)];
  }
  if (wish.multiplier) {
    constexpr uint16_t kMultipliers[] = {0, 1, 1000, 65535};
    first.multiplier = kMultipliers[static_cast<std::size_t>(*wish.multiplier)];
  }
}

void ArrayStimulus::draw_rescaling(const RunWish& wish, StoredRun& run) {
  npu::Rescaling& rescaling = run.rescaling;
  rescaling.stochastic = wish.stochastic ? *wish.stochastic : one_in(2);
  rescaling.seed = static_cast<uint32_t>(random_());
  rescaling.channel_first = static_cast<uint32_t>(one_in(4) ? random_() : below(512));
  draw_clamp(wish, rescaling);
  const bool fitted = !one_in(3);
  for (uint64_t k = 0; k < run.shape.channels; ++k) {
    run.parameters.push_back(some_parameters(run, fitted));
  }
  apply_wish(wish, run);
  const auto first = static_cast<uint32_t>(one_in(4) ? random_() : below(4096));
  for (uint64_t p = 0; p < run.shape.pixels; ++p) {
    run.positions.push_back(one_in(16) ? static_cast<uint32_t>(random_())
                                       : first + static_cast<uint32_t>(p));
  }
}

// Waiting.

void ArrayStimulus::draw_stalls(const RunWish& wish, StoredRun& run) {
  unsigned mask = one_in(2) ? 0U : static_cast<unsigned>(below(kStallMasks));
  if (wish.stalls) mask = *wish.stalls;
  if (wish.overflow) mask = 0;
  const auto percent = [&](unsigned bit) {
    constexpr unsigned kPercents[] = {10, 30, 60, 90};
    return (mask & bit) != 0 ? kPercents[below(std::size(kPercents))] : 0U;
  };
  run.stalls.operands = percent(kStallOperands);
  run.stalls.parameters = percent(kStallParameters);
  run.stalls.results = percent(kStallResults);
  run.stalls.seed = random_() >> 1;
}

DrawnRun ArrayStimulus::draw(const RunWish& wish) {
  DrawnRun drawn;
  StoredRun& run = drawn.run;
  run.mode = wish.mode ? *wish.mode : modes_[below(modes_.size())];
  const Plan planned = wish.overflow ? overflow_plan(run.mode) : plan(wish);
  run.shape = planned.shape;
  run.bank_cycles = planned.bank_cycles;
  drawn.segments = planned.segments;
  fill_operands(wish, planned, run);
  draw_rescaling(wish, run);
  draw_stalls(wish, run);
  if (one_in(8)) drawn.before = one_in(2) ? Before::kReset : Before::kBrokenRun;
  if (wish.before) drawn.before = *wish.before;
  return drawn;
}

}  // namespace tessera::rtl
