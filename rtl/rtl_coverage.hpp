#pragma once

/// Line and toggle coverage of the RTL, from the counters that Verilator puts into it.

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace tessera::rtl {

/// A coverage file that is not one.
class RtlCoverageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Points of a module, all of its instances together, whatever their parameters: what one of them
/// reaches is reached.
struct ModuleCoverage {
  std::string module;
  uint64_t line_points = 0;
  uint64_t line_hits = 0;
  uint64_t toggle_points = 0;
  uint64_t toggle_hits = 0;
};

/// Line points are branches and blocks of statements; a hit is a point that was entered. Toggle
/// points are bits of ports and signals; a hit is a bit that has changed twice in an instance, thus
/// risen and fallen.
struct RtlCoverage {
  std::vector<ModuleCoverage> modules;  ///< by name
  std::vector<std::string> line_holes;  ///< "array_sequencer.sv:123 (else)"
  /// Bits of a signal that never moved, neighbours together:
  /// "array_sequencer.sv:27 channels_i[31:12]".
  std::vector<std::string> toggle_holes;

  uint64_t line_points() const;
  uint64_t line_hits() const;
  uint64_t toggle_points() const;
  uint64_t toggle_hits() const;
};

/// Reads what VerilatedArray::write_coverage wrote. Throws RtlCoverageError.
RtlCoverage read_rtl_coverage(const std::string& path);

}  // namespace tessera::rtl
