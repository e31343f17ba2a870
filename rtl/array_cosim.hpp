#pragma once

/// Constrained-random co-simulation of the RTL array, sequencer and output path against the model.
///
/// RUNs follow each other on one array. Compared in each: every accumulator on its way to the
/// output path and every result with their places; the cycle in which each of them leaves, and the
/// RUN's length, exactly if nothing stalls; else that the length lies within the stalls. Also the
/// overflow and the number of saturations. Not compared: what reaches no port, and arrays of other
/// sizes.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "rtl/array_coverage.hpp"
#include "rtl/rtl_coverage.hpp"

namespace tessera::rtl {

struct ArrayCosimOptions {
  uint32_t rows = 4;
  uint32_t columns = 8;
  std::vector<abi::PeMode> modes;  ///< empty: all 40
  uint64_t tiles = 10'000;         ///< at least so many: the RUN under way is finished
  uint64_t seed = 1;
  std::optional<ArrayFault> inject;         ///< RUNs that a reset ends count, too
  bool rtl_coverage = false;                ///< with the instrumented array
  std::function<void(double)> on_progress;  ///< told the fraction done, now and then
};

/// What became of an injected fault.
enum class FaultEffect : uint8_t {
  kNone,      ///< there was none
  kFound,     ///< RTL and model differed
  kNoEffect,  ///< it struck, and nothing that is compared changed
  kNotStruck  ///< its RUN or cycle did not come
};

struct ArrayCosimResult {
  uint32_t rows = 0;
  uint32_t columns = 0;
  std::vector<std::string> modes;  ///< names, such as "a8w4s"
  uint64_t seed = 0;
  uint64_t tiles = 0;              ///< of the RUNs compared
  uint64_t runs = 0;               ///< compared
  uint64_t vectors = 0;            ///< steps of all tiles
  uint64_t values = 0;             ///< accumulators and results compared
  uint64_t cycles = 0;             ///< of the RUNs compared
  uint64_t exact_cycles = 0;       ///< those of them in RUNs without stalls, whose length is exact
  uint64_t value_mismatches = 0;   ///< RUNs whose first difference is a value
  uint64_t cycle_mismatches = 0;   ///< RUNs whose first difference is a cycle
  double coverage_percent = 0;     ///< of the reachable bins
  int coverage_bins = 0;           ///< reachable bins
  std::vector<std::string> holes;  ///< reachable bins that stayed empty
  std::vector<std::string> differences;   ///< the first few, in words
  std::optional<Divergence> first;        ///< the first difference
  std::optional<StoredRun> diverged_run;  ///< the RUN in which it is, with its fault
  std::optional<ArrayFault> fault;        ///< the injected one
  FaultEffect fault_effect = FaultEffect::kNone;
  std::optional<RtlCoverage> rtl_coverage;

  bool agreed() const { return value_mismatches == 0 && cycle_mismatches == 0; }

  /// Whether RTL and model agreed, nothing reachable was left out and no fault was missed.
  bool passed() const { return agreed() && holes.empty() && fault_effect == FaultEffect::kNone; }
};

/// Throws ModeError for an impossible mode, ArrayError for a size that was not compiled (with
/// rtl_coverage: any but 2x4), CosimOptionError if there is no such place for the fault or no tile
/// is asked for.
ArrayCosimResult run_array_cosim(const ArrayCosimOptions& options);

}  // namespace tessera::rtl
