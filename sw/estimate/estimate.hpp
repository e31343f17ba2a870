#pragma once

/// Cycles, traffic and energy of an inference without simulating its values.

#include <cstdint>
#include <string>
#include <vector>

#include "chip/chip.hpp"
#include "deploy/image.hpp"

namespace tessera::estimate {

/// Of one layer and inference. Loads for a layer begin while the one before computes, so the parts
/// need not sum to `cycles`, but `cycles` sum to those of the inference.
struct LayerEstimate {
  std::string name;
  uint64_t cycles = 0;           ///< as `run` puts them down to the layer
  uint64_t array_cycles = 0;     ///< RUNs and configuration, bank conflicts included
  uint64_t transfer_cycles = 0;  ///< in which a transfer engine worked for the layer
  uint64_t command_cycles = 0;   ///< waiting for commands from a list
  uint64_t host_cycles = 0;      ///< waiting for the host
  uint64_t dram_bytes = 0;       ///< read and written by the engines
  uint64_t macs = 0;
  const char* bound = "";  ///< "compute", "DRAM", "NoC", "commands" or "host": what the compute
                           ///< engine did or waited for in the most cycles
  double energy_pj = 0;    ///< array, scratchpads, NoC and DRAM bytes
};

struct Estimate {
  uint64_t cycles = 0;
  double seconds = 0;  ///< of simulated time
  uint64_t dram_bytes = 0;
  uint64_t macs = 0;
  double energy_pj = 0;  ///< the layers', DRAM activations, the core, static power
  double array_mm2 = 0;  ///< area of the PEs of all clusters
  std::vector<LayerEstimate> layers;
};

/// Of one inference in the steady state (as `run --count n` reports "cycles an image"),
/// approximately timed, on the instruction-set simulator's core. docs/estimate.md says what is and
/// what is not modelled. May be called by several threads at once. Throws std::runtime_error if the
/// image was deployed for another chip.
Estimate estimate(const deploy::Image& image, const chip::Chip& chip);

}  // namespace tessera::estimate
