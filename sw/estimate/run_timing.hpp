#pragma once

/// Cycles and events of RUN commands, without their operands.

#include <array>
#include <cstdint>
#include <map>

#include "abi/npu_commands.hpp"
#include "chip/array_timing.hpp"
#include "chip/chip.hpp"
#include "npu/statistics.hpp"

namespace tessera::estimate {

/// Evaluates chip/array_timing.hpp for the RUNs of a layer and keeps what it found: tiles repeat.
class RunTiming {
 public:
  struct Run {
    chip::RunCycles cycles;
    npu::EventCounts events;  ///< as if no operand were zero and nothing saturated
  };

  explicit RunTiming(const chip::Chip& chip) : npu_(chip.npu) {}

  /// The configuration of the RUNs that follow.
  void configure(const abi::ComputeConfig& config);

  Run run(const abi::ComputeRun& run);

 private:
  /// Start within a bank line (moving a RUN by whole lines turns the banks, no more), channels,
  /// outputs, and what lies around them.
  using Key = std::array<int64_t, 8>;

  /// One RUN of the array.
  const Run& part(const abi::ComputeRun& run);
  npu::EventCounts count_events(const abi::ComputeRun& run, uint64_t bank_lines) const;

  chip::Npu npu_;
  abi::ComputeConfig config_ = {};
  std::map<Key, Run> parts_;
};

}  // namespace tessera::estimate
