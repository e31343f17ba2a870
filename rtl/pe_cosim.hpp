#pragma once

/// Lockstep co-simulation of the RTL PE against the model PE.
///
/// Both get the same inputs every cycle. After every rising edge the accumulator, the shadow
/// register and their overflow flags are compared (values), and so are the strobes that say when
/// they became valid (cycles). Not compared: what never reaches a port, such as which registers
/// were clock-gated.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pe/clocked_pe.hpp"
#include "rtl/pe_fault.hpp"

namespace tessera::rtl {

struct PeCosimOptions {
  std::vector<abi::PeMode> modes;  ///< empty: all 40
  uint64_t count = 1000;           ///< random steps in each mode, and as many that change modes
  uint64_t seed = 1;
  std::optional<PeFault> inject;
};

struct PeCosimResult {
  std::string unit = "pe";
  std::vector<std::string> modes;  ///< names, such as "a8w4s"
  uint64_t seed = 0;
  uint64_t vectors = 0;            ///< steps driven: operand pairs accumulated
  uint64_t cycles = 0;             ///< rising edges compared
  uint64_t value_mismatches = 0;   ///< cycles in which a register or an overflow flag differed
  uint64_t cycle_mismatches = 0;   ///< cycles in which a strobe differed
  double coverage_percent = 0;     ///< of the reachable bins
  int coverage_bins = 0;           ///< reachable bins
  std::vector<std::string> holes;  ///< reachable bins that stayed empty
  std::vector<std::string> differences;     ///< the first few, in words, with operands
  std::optional<uint64_t> injected_vector;  ///< where the fault struck; empty if none was asked for

  /// Whether RTL and model agreed and nothing reachable was left out.
  bool passed() const { return value_mismatches == 0 && cycle_mismatches == 0 && holes.empty(); }
};

/// Runs the RTL PE against the model.
/// Throws ModeError for an impossible mode, CosimOptionError if the fault strikes no vector.
PeCosimResult run_pe_cosim(const PeCosimOptions& options);

/// The same with any clocked PE in the place of the RTL.
PeCosimResult run_pe_cosim(const PeCosimOptions& options, pe::ClockedPe& device);

}  // namespace tessera::rtl
