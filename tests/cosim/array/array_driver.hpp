#pragma once

/// Drives the RTL array through runs, with or without stalls, and notes what comes out and what
/// breaks the rules of its ports.

#include <string>
#include <vector>

#include "array_run.hpp"
#include "rtl/verilated_array.hpp"

namespace tessera::rtl {

/// When operands come and columns are taken.
struct Stalls {
  unsigned feed_percent = 0;       ///< probability of a cycle without operands
  unsigned parameter_percent = 0;  ///< probability of a cycle without parameters and position
  unsigned result_percent = 0;     ///< probability of a cycle in which nobody takes results
  /// Cycles a group needs for its operands, as of chip::run_cycles; empty: none.
  std::vector<uint32_t> bank_cycles;
};

struct Observed {
  std::vector<int64_t> accumulators;    ///< [channels][pixels]
  std::vector<bool> overflows;          ///< [channels][pixels]
  std::vector<int32_t> values;          ///< [channels][pixels]
  uint64_t saturations = 0;             ///< values with that flag
  uint64_t cycles = 0;                  ///< from the edge of the start to the end of busy
  uint64_t feed_stalls = 0;             ///< cycles in which the array waited for operands
  uint64_t parameter_stalls = 0;        ///< cycles in which a column waited for its parameters
  uint64_t result_stalls = 0;           ///< cycles in which results waited
  std::vector<std::string> violations;  ///< of the ports' rules
};

/// The start of a run. The array must be ready for it.
void start_run(VerilatedArray& array, const TestRun& run);

/// Drives the run under way to its end. If `next` is given it starts in the last cycle.
Observed finish_run(VerilatedArray& array, const TestRun& run, const Stalls& stalls, Random& random,
                    const TestRun* next = nullptr);

}  // namespace tessera::rtl
