#pragma once

/// Kinds of RUNs, of their tiles and of their rescaling, that a co-simulation of the array tells
/// apart: what its coverage counts and its stimulus can be asked for.

#include <cstdint>
#include <string>
#include <vector>

#include "abi/npu_commands.hpp"
#include "chip/array_timing.hpp"

namespace tessera::rtl {

/// What a RUN of the output-stationary array stands for. Channels, pixels and segments (pieces of
/// the reduction that start on a step of their own: kernel rows or taps) tell them apart.
enum class Mapping : uint8_t {
  kConvolution,    ///< several channels, pixels and segments
  kPointwise,      ///< 1x1: several channels and pixels, one segment
  kDepthwise,      ///< one channel, several pixels
  kFullyConnected  ///< one pixel
};
constexpr int kMappings = 4;
const char* name_of(Mapping mapping);

Mapping mapping_of(const chip::RunShape& shape, uint64_t segments);

/// A number of cycles against another.
enum class Length : uint8_t { kShorter, kEqual, kLonger };
constexpr int kLengths = 3;

Length compare(uint64_t cycles, uint64_t with);

/// When the operands of a tile are there.
enum class Fetch : uint8_t {
  kInTime,      ///< the scratchpad needs no more cycles than there are steps
  kUnderDrain,  ///< more than steps, no more than the drain of the tile before
  kLate,        ///< bank conflicts delay the tile
  kLateFirst    ///< and it is the RUN's first, which waits for no drain
};
constexpr int kFetches = 4;
const char* name_of(Fetch fetch);

/// Steps against the pixels of the tile before, whose drain they hide.
struct Drain {
  Length steps = Length::kShorter;
  bool ragged = false;  ///< the tile before has fewer pixels than the array has columns
};

struct TileClass {
  bool ragged_rows = false;     ///< fewer channels than the array has rows
  bool ragged_columns = false;  ///< fewer pixels than the array has columns
  Fetch fetch = Fetch::kInTime;
  bool first = false;  ///< of the RUN
  Drain drain;         ///< unless it is the first
};

/// Of every tile, in the order in which they run. bank_cycles [shape.fetches()] as of
/// chip::run_cycles.
std::vector<TileClass> classes_of_tiles(const chip::RunShape& shape,
                                        const std::vector<uint32_t>& bank_cycles);

/// What a RUN clamps to: the range of a format, or another one (ReLU6, a signed ReLU, ...).
enum class ClampRange : uint8_t { kU2, kU4, kU8, kU16, kS2, kS4, kS8, kS16, kOther };
constexpr int kClampRanges = 9;
const char* name_of(ClampRange range);

ClampRange clamp_range_of(int32_t low, int32_t high);
/// Smallest and largest value; not of kOther.
int32_t low_of(ClampRange range);
int32_t high_of(ClampRange range);

/// What the clamp does to a value.
enum class Outcome : uint8_t { kBelow, kWithin, kAbove };
constexpr int kOutcomes = 3;
const char* name_of(Outcome outcome);

enum class BiasClass : uint8_t { kMin, kNegative, kZero, kPositive, kMax };
constexpr int kBiasClasses = 5;
const char* name_of(BiasClass bias);
BiasClass bias_class(int32_t bias);

enum class MultiplierClass : uint8_t { kZero, kOne, kOther, kMax };
constexpr int kMultiplierClasses = 4;
const char* name_of(MultiplierClass multiplier);
MultiplierClass multiplier_class(uint16_t multiplier);

/// What the array waits for.
constexpr unsigned kStallOperands = 1U << 0;
constexpr unsigned kStallParameters = 1U << 1;
constexpr unsigned kStallResults = 1U << 2;
constexpr unsigned kStallMasks = 8;
/// "nothing", "operands and results", ...
std::string stall_name(unsigned mask);

/// What happens to the array before a RUN.
enum class Before : uint8_t { kRun, kReset, kBrokenRun };
constexpr int kBefores = 3;
const char* name_of(Before before);

}  // namespace tessera::rtl
