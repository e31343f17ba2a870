#pragma once

/// Reruns one RUN alone, in lockstep, and looks closer at the first difference: the step in which
/// an accumulator went wrong, its operands, and the waveforms around it.

#include <cstdint>
#include <optional>
#include <string>

#include "rtl/lockstep.hpp"
#include "rtl/stored_run.hpp"

namespace tessera::rtl {

/// The first step whose product or sum is wrong.
struct WrongStep {
  uint64_t step = 0;     ///< of the tile
  uint64_t cycle = 0;    ///< of the RUN, in which it was handed over
  std::string operands;  ///< the lanes of both words: "activations 3 0 -1, weights 7 7 2"
  int64_t before = 0;    ///< accumulator before the step
  int64_t expected = 0;  ///< after it
  int64_t got = 0;
};

struct ReplayResult {
  uint64_t cycles = 0;  ///< of the RUN, as far as it went
  uint64_t expected_cycles = 0;
  uint64_t tiles = 0;
  std::optional<Divergence> divergence;
  std::optional<WrongStep> wrong_step;
};

/// Cycles before and after a difference that the waveform shows.
constexpr uint64_t kWaveformBefore = 64;
constexpr uint64_t kWaveformAfter = 8;

/// Writes waveforms to `waveform_path`, if it is not empty and there is a difference: from
/// kWaveformBefore cycles before the wrong step, or else the difference. Throws ArrayError if no
/// array of the run's size was compiled or the file cannot be written.
ReplayResult replay(const StoredRun& run, const std::string& waveform_path);

/// In words, one line each: the difference, and the wrong step.
std::string text_of(const ReplayResult& result);

}  // namespace tessera::rtl
