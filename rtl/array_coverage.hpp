#pragma once

/// Functional coverage of a co-simulation of the array.
///
/// Bins:
///   tiles        mode x mapping x rows (full, ragged) x columns (full, ragged) x rounding
///   words        mode x operand words of zeros (activations, weights), which gate the multiplier
///   mode change  mode of a RUN that follows a RUN in another mode
///   shape        one or several blocks x one or several groups x steps against columns
///   drain        a tile's steps against the pixels of the tile before x those full or ragged
///   fetch        when operands come (Fetch) x steps against columns
///   waiting      what comes late (none, operands, parameters, results, together) x steps against
///                columns
///   shift        rounding x 0..47
///   clamp        range x below, within, above
///   parameters   classes of biases and multipliers
///   overflow     an accumulator leaves the 48-bit range upwards, downwards
///   before       a RUN after another, after a reset, after a RUN that a reset ended
///
/// Unreachable, and no bins:
///   depthwise with full rows           one channel of at least two rows
///   fully connected with full columns  one pixel of at least two columns
///   operands late but hidden by the drain, unless there are fewer steps than columns: the drain
///   takes no longer than the columns
///   overflow in modes but the 16x16-bit ones: 2^23 steps or more (can_overflow)
///   mode change with a single mode

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "rtl/array_stimulus.hpp"
#include "rtl/lockstep.hpp"

namespace tessera::rtl {

/// What the clamp does to each value of a RUN, [channels][pixels].
std::vector<Outcome> outcomes_of(const StoredRun& run, const ExpectedRun& expected);

class ArrayCoverage {
 public:
  /// The bins of these modes, all empty.
  explicit ArrayCoverage(const std::vector<abi::PeMode>& modes);

  /// Counts a RUN that was compared to its end; to be called in the order of the RUNs.
  void sample(const DrawnRun& drawn, const ExpectedRun& expected);

  /// A RUN that fills one of the empty bins, that with number `choice` modulo their number; nothing
  /// if none is empty.
  std::optional<RunWish> wish(uint64_t choice) const;

  int bins() const { return static_cast<int>(bins_.size()); }
  int covered() const;

  /// covered() / bins() in percent.
  double percent() const;

  /// Names of the empty bins, for example "a8w4s: 1x1, ragged rows, full columns, stochastic".
  std::vector<std::string> holes() const;

 private:
  struct Bin {
    std::string name;
    RunWish wish;
    uint64_t count = 0;
  };

  void add(const std::string& name, const RunWish& wish);
  void add_tiles(const abi::PeMode& mode);
  void add_shapes();
  void add_rescaling();
  void add_rest(const std::vector<abi::PeMode>& modes);

  void hit(const std::string& name);
  void sample_shape(const DrawnRun& drawn);
  void sample_words(const StoredRun& run);
  void sample_rescaling(const StoredRun& run, const ExpectedRun& expected);
  void sample_overflow(const StoredRun& run);

  std::vector<Bin> bins_;
  std::unordered_map<std::string, std::size_t> index_;  ///< of a bin, by name
  std::optional<abi::PeMode> previous_;
};

}  // namespace tessera::rtl
