#pragma once

/// Constrained-random RUNs for the co-simulation of the array.

#include <cstdint>
#include <optional>
#include <random>
#include <vector>

#include "rtl/run_classes.hpp"
#include "rtl/stored_run.hpp"

namespace tessera::rtl {

/// What a RUN is to have; whatever is not set is drawn at random.
struct RunWish {
  std::optional<abi::PeMode> mode;
  std::optional<Mapping> mapping;
  std::optional<bool> ragged_rows;     ///< of a tile
  std::optional<bool> ragged_columns;  ///< of the same tile
  std::optional<Length> steps;         ///< against the columns of the array
  std::optional<Drain> drain;          ///< of a tile
  std::optional<Fetch> fetch;          ///< of a tile
  std::optional<bool> several_blocks;
  std::optional<bool> several_groups;
  std::optional<bool> stochastic;
  std::optional<int> shift;  ///< of all channels
  std::optional<ClampRange> clamp;
  std::optional<Outcome> outcome;             ///< of all values; with the clamp
  std::optional<BiasClass> bias;              ///< of channel 0
  std::optional<MultiplierClass> multiplier;  ///< of channel 0
  std::optional<unsigned> stalls;             ///< of kStallOperands, ...: what comes late
  bool zero_activations = false;              ///< a pixel has words of zeros
  bool zero_weights = false;                  ///< a channel has words of zeros
  bool overflow = false;  ///< upwards in even channels, downwards in odd; 16x16 bit only
  std::optional<Before> before;
};

struct DrawnRun {
  StoredRun run;
  uint64_t segments = 1;  ///< of the reduction; run.shape.steps is a multiple
  Before before = Before::kRun;
};

/// Whether some 2^16 or 2^17 steps of the mode leave the 48 bits of an accumulator. The next mode,
/// a16w8u, would take 2^23.
bool can_overflow(const abi::PeMode& mode);

/// Draws RUNs for an array of some size. The sequence depends on the seed and the calls made, and
/// on no library's distributions, so that a seed replays everywhere.
///
/// Shapes: 1 to 3 blocks and groups, whole or ragged, with steps from 1 to some six times the
/// columns. Operands: a profile for each channel and pixel (uniform, corner values, mostly zero,
/// all lanes the same, all zero), segments padded with zeros to whole steps. Rescaling: either
/// fitted to the accumulators, so that values spread over the clamp's range and beyond, or any.
class ArrayStimulus {
 public:
  /// `modes` to draw from: one at least. An array of 2 or more rows and 3 or more columns.
  ArrayStimulus(uint32_t rows, uint32_t columns, std::vector<abi::PeMode> modes, uint64_t seed);

  /// The wish must be one that a RUN can fulfil.
  DrawnRun draw(const RunWish& wish);

  /// Uniform in 0..bound-1.
  uint64_t below(uint64_t bound) { return random_() % bound; }

 private:
  /// How the operands of a row are drawn.
  enum class Profile { kUniform, kCorners, kSparse, kSame, kZero };

  struct Plan {
    chip::RunShape shape;
    uint64_t segments = 1;
    std::vector<uint32_t> bank_cycles;
  };

  bool one_in(uint64_t n) { return below(n) == 0; }
  uint64_t between(uint64_t low, uint64_t high) { return low + below(high - low + 1); }

  Plan plan(const RunWish& wish);
  Plan candidate(const RunWish& wish);
  uint64_t some_extent(uint64_t tile);
  uint64_t some_steps(const chip::RunShape& shape);
  uint64_t some_segments(Mapping mapping, uint64_t steps);
  std::vector<uint32_t> some_bank_cycles(const chip::RunShape& shape);
  Plan overflow_plan(const abi::PeMode& mode) const;

  int32_t element(Profile profile, int bits, bool is_signed, bool p4, int32_t same);
  void fill_row(int16_t* row, const Plan& plan, const abi::PeMode& mode, bool weights,
                uint64_t segment_elements, Profile profile);
  void fill_operands(const RunWish& wish, const Plan& plan, StoredRun& run);
  void fill_overflow(StoredRun& run) const;

  void draw_rescaling(const RunWish& wish, StoredRun& run);
  void draw_clamp(const RunWish& wish, npu::Rescaling& rescaling);
  abi::ChannelParameters some_parameters(const StoredRun& run, bool fitted);
  void apply_wish(const RunWish& wish, StoredRun& run);
  void draw_stalls(const RunWish& wish, StoredRun& run);

  uint32_t rows_;
  uint32_t columns_;
  std::vector<abi::PeMode> modes_;
  std::mt19937_64 random_;
};

}  // namespace tessera::rtl
