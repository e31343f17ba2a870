#pragma once

/// Co-simulation of the RTL decoder of coded weights against npu::WeightDecoder, on random tables
/// and blocks, good and bad ones.
///
/// Compared for each stream: the bytes, the fault, and the cycle in which it is done, which is the
/// model's if a beat is offered every cycle, and else at most later by the cycles in which the
/// decoder could have taken a beat and there was none.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rtl/decoder_fault.hpp"
#include "rtl/verilated_decoder.hpp"

namespace tessera::rtl {

struct DecoderCosimOptions {
  uint32_t lanes = 16;
  uint32_t beat_words = 4;
  uint64_t count = 20'000;  ///< tables and blocks
  uint64_t seed = 1;
  std::optional<DecoderBitFault> inject;
};

struct DecoderCosimResult {
  uint32_t lanes = 0;
  uint32_t beat_words = 0;
  uint64_t seed = 0;
  uint64_t streams = 0;
  uint64_t bytes = 0;             ///< decoded and compared
  uint64_t cycles = 0;            ///< of all streams
  uint64_t exact_cycles = 0;      ///< of those whose length had to be the model's
  uint64_t value_mismatches = 0;  ///< streams with other bytes or another fault
  uint64_t cycle_mismatches = 0;  ///< streams that were done too early or too late, or never
  double coverage_percent = 0;
  int coverage_bins = 0;
  std::vector<std::string> holes;        ///< empty bins
  std::vector<std::string> differences;  ///< the first few, in words
  bool fault_struck = false;             ///< the fault that was asked for

  /// Whether RTL and model agreed and nothing was left out.
  bool passed() const { return value_mismatches == 0 && cycle_mismatches == 0 && holes.empty(); }
};

/// Throws CosimOptionError for a size that was not compiled, or a fault that strikes nothing.
DecoderCosimResult run_decoder_cosim(const DecoderCosimOptions& options);

/// The same with any decoder in the place of the RTL.
DecoderCosimResult run_decoder_cosim(const DecoderCosimOptions& options, DecoderDevice& device);

}  // namespace tessera::rtl
