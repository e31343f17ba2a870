#pragma once

/// Energy of an inference from its event counts and the technology's energy table.

#include <cstdint>

#include "chip/chip.hpp"
#include "npu/statistics.hpp"

namespace tessera::npu {

/// Picojoules by component.
struct Energy {
  double multiply_pj = 0;   ///< bricks of the fused multipliers
  double shift_add_pj = 0;  ///< p4 lanes
  double accumulate_pj = 0;
  double scratchpad_pj = 0;
  double noc_pj = 0;
  double dram_pj = 0;  ///< bytes and row activations
  double core_pj = 0;  ///< host core
  double static_pj = 0;

  /// The sum of the components.
  double total_pj() const;
};

/// Events that are counted outside of the clusters.
struct SystemEvents {
  uint64_t dram_activates = 0;
  uint64_t core_instructions = 0;
  double seconds = 0;  ///< simulated time over which static power flows
};

/// Every DRAM byte of the cluster's transfers crosses the NoC once. A p4 lane costs
/// shift_add_pj * aw / 8.
Energy energy_of(const EventCounts& events, const SystemEvents& system,
                 const chip::Technology& technology);

}  // namespace tessera::npu
