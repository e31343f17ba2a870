#pragma once

/// Energy of an inference from its event counts and the technology's energy table.

#include <cstdint>

#include "chip/chip.hpp"
#include "npu/statistics.hpp"

namespace tessera::npu {

/// Picojoules of the PE array.
struct ArrayEnergy {
  double multiply_pj = 0;    ///< multipliers, but in p4
  double shift_add_pj = 0;   ///< the same in p4
  double accumulate_pj = 0;  ///< product registers and accumulators
  double operands_pj = 0;    ///< aligners and operand registers at the edges

  /// The sum of the components.
  double total_pj() const;
};

/// Of the fused PEs.
ArrayEnergy array_energy(const EventCounts& events, const chip::Technology& technology);

/// Of PEs with a fixed mode, those of chip::fixed_pe_of each mode, for the same MACs: what the chip
/// would take if it had been built for the widths it runs. A mode of unequal widths takes a fixed
/// PE more steps than a fused one.
ArrayEnergy fixed_array_energy(const EventCounts& events, const chip::Technology& technology);

/// Picojoules by component.
struct Energy {
  ArrayEnergy array;
  double scratchpad_pj = 0;
  double decoder_pj = 0;  ///< of coded weights
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

/// Every DRAM byte of the cluster's transfers crosses the NoC once.
Energy energy_of(const EventCounts& events, const SystemEvents& system,
                 const chip::Technology& technology);

}  // namespace tessera::npu
