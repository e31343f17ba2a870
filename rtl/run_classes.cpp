#include "rtl/run_classes.hpp"

#include <algorithm>
#include <limits>

#include "abi/number_formats.hpp"

namespace tessera::rtl {
namespace {

template <typename Entry, std::size_t kCount, typename Enum>
const Entry& at(const Entry (&table)[kCount], Enum value) {
  return table[static_cast<std::size_t>(value)];
}

struct Format {
  int bits;
  bool is_signed;
};
constexpr Format kFormats[] = {{2, false}, {4, false}, {8, false}, {16, false},
                               {2, true},  {4, true},  {8, true},  {16, true}};

Fetch fetch_of(uint64_t bank, uint64_t steps, bool first, uint64_t draining) {
  if (bank <= steps) return Fetch::kInTime;
  if (first) return Fetch::kLateFirst;
  return bank <= draining ? Fetch::kUnderDrain : Fetch::kLate;
}

}  // namespace

const char* name_of(Mapping mapping) {
  static constexpr const char* kNames[] = {"convolution", "1x1", "depthwise", "fully connected"};
  return at(kNames, mapping);
}

Mapping mapping_of(const chip::RunShape& shape, uint64_t segments) {
  if (shape.pixels == 1) return Mapping::kFullyConnected;
  if (shape.channels == 1) return Mapping::kDepthwise;
  return segments == 1 ? Mapping::kPointwise : Mapping::kConvolution;
}

Length compare(uint64_t cycles, uint64_t with) {
  return cycles < with ? Length::kShorter : cycles == with ? Length::kEqual : Length::kLonger;
}

const char* name_of(Fetch fetch) {
  static constexpr const char* kNames[] = {"operands in time", "operands late, hidden by the drain",
                                           "operands late", "operands of the first tile late"};
  return at(kNames, fetch);
}

std::vector<TileClass> classes_of_tiles(const chip::RunShape& shape,
                                        const std::vector<uint32_t>& bank_cycles) {
  std::vector<TileClass> tiles;
  uint64_t draining = 0;
  for (uint64_t block = 0; block < shape.blocks(); ++block) {
    for (uint64_t group = 0; group < shape.groups(); ++group) {
      TileClass tile;
      tile.first = tiles.empty();
      tile.ragged_rows = (block + 1) * shape.rows > shape.channels;
      tile.ragged_columns = (group + 1) * shape.columns > shape.pixels;
      tile.fetch = fetch_of(bank_cycles[tiles.size() % bank_cycles.size()], shape.steps, tile.first,
                            draining);
      if (!tile.first) tile.drain = {compare(shape.steps, draining), draining < shape.columns};
      tiles.push_back(tile);
      draining = tile.ragged_columns ? shape.last_columns() : shape.columns;
    }
  }
  return tiles;
}

const char* name_of(ClampRange range) {
  static constexpr const char* kNames[] = {"u2", "u4", "u8",  "u16",          "s2",
                                           "s4", "s8", "s16", "another range"};
  return at(kNames, range);
}

int32_t low_of(ClampRange range) {
  const Format& format = at(kFormats, range);
  return abi::min_value(format.bits, format.is_signed);
}

int32_t high_of(ClampRange range) {
  const Format& format = at(kFormats, range);
  return abi::max_value(format.bits, format.is_signed);
}

ClampRange clamp_range_of(int32_t low, int32_t high) {
  for (int i = 0; i < static_cast<int>(ClampRange::kOther); ++i) {
    const auto range = static_cast<ClampRange>(i);
    if (low == low_of(range) && high == high_of(range)) return range;
  }
  return ClampRange::kOther;
}

const char* name_of(Outcome outcome) {
  static constexpr const char* kNames[] = {"below", "within", "above"};
  return at(kNames, outcome);
}

const char* name_of(BiasClass bias) {
  static constexpr const char* kNames[] = {"min", "negative", "zero", "positive", "max"};
  return at(kNames, bias);
}

BiasClass bias_class(int32_t bias) {
  if (bias == std::numeric_limits<int32_t>::min()) return BiasClass::kMin;
  if (bias == std::numeric_limits<int32_t>::max()) return BiasClass::kMax;
  return bias == 0 ? BiasClass::kZero : bias < 0 ? BiasClass::kNegative : BiasClass::kPositive;
}

const char* name_of(MultiplierClass multiplier) {
  static constexpr const char* kNames[] = {"zero", "one", "other", "max"};
  return at(kNames, multiplier);
}

MultiplierClass multiplier_class(uint16_t multiplier) {
  if (multiplier == 0) return MultiplierClass::kZero;
  if (multiplier == 1) return MultiplierClass::kOne;
  return multiplier == std::numeric_limits<uint16_t>::max() ? MultiplierClass::kMax
                                                            : MultiplierClass::kOther;
}

std::string stall_name(unsigned mask) {
  static constexpr const char* kNames[] = {"operands", "parameters", "results"};
  std::string text;
  for (unsigned i = 0; i < 3; ++i) {
    if ((mask >> i & 1U) == 0) continue;
    text += (text.empty() ? "" : " and ") + std::string(kNames[i]);
  }
  return text.empty() ? "nothing" : text;
}

const char* name_of(Before before) {
  static constexpr const char* kNames[] = {"another RUN", "a reset", "a RUN that a reset ends"};
  return at(kNames, before);
}

}  // namespace tessera::rtl
