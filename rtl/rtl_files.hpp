#pragma once

/// The array's RTL, its test bench and the script that runs it, as they were when the program was
/// built.

#include <vector>

namespace tessera::rtl {

struct RtlFile {
  const char* name;  ///< without a folder: "pe_core.sv"
  const char* text;
};

/// compute_array.sv and all that it instantiates, compute_array_tb.v and run.sh.
const std::vector<RtlFile>& rtl_files();

}  // namespace tessera::rtl
