#pragma once

/// Stimulus and golden responses for simulators that know nothing of the model: $readmemh files, a
/// plain Verilog test bench that runs them on compute_array, and a script that does it with Icarus.

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "abi/number_formats.hpp"

namespace tessera::rtl {

/// A folder that vectors cannot be written to.
class VectorError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct VectorOptions {
  uint32_t rows = 2;  ///< any size: the RTL takes it as a parameter
  uint32_t columns = 4;
  std::vector<abi::PeMode> modes;  ///< empty: all 40
  uint64_t tiles = 40;             ///< at least so many
  uint64_t seed = 1;
};

struct VectorSummary {
  uint64_t runs = 0;
  uint64_t tiles = 0;
  uint64_t steps = 0;
  uint64_t columns = 0;  ///< of results
};

/// Fills `folder`, which is made if it does not exist, with
///   compute_array_tb.v, rtl/*.sv  the test bench and what it tests
///   vectors.vh                    size, and how many entries the others have
///   runs.hex ... golden.hex       one line an entry; layout in docs/cosim.md
///   run.sh                        compiles and runs it; exit status 0 if PASS was printed
/// Responses come from the model. RUNs are drawn by ArrayStimulus, the modes in turn; those without
/// stalls also say how many cycles they take. Throws VectorError, ModeError.
VectorSummary export_vectors(const VectorOptions& options, const std::string& folder);

}  // namespace tessera::rtl
