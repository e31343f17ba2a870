#pragma once

/// A chip file as it is written: the file's own units, each value in its own range, nothing derived
/// and nothing defaulted.

#include <cstdint>
#include <optional>
#include <string>

#include "chip/chip.hpp"

namespace tessera::chip {

/// Keys of the `dram` mapping. Apart from the preset and the size each may be absent and then
/// comes from the preset.
struct RawDram {
  std::string preset;
  uint32_t size_mib = 0;
  std::optional<uint32_t> channels, banks, row_bytes, bus_bytes, data_rate_mtps, burst_length;
  std::optional<double> t_rcd_ns, t_rp_ns, t_cas_ns, t_ras_ns, t_wr_ns, t_rfc_ns, t_refi_ns;
};

struct RawScratchpads {
  uint32_t activation_kib = 0, weight_kib = 0, output_kib = 0, parameter_kib = 0, banks = 0;
};

struct RawChip {
  std::string name;
  double clock_mhz = 0;
  uint32_t local_ram_kib = 0;
  uint32_t clusters = 0, rows = 0, columns = 0, fifo_words = 0;
  std::optional<uint32_t> decoder_lanes;  ///< absent: twice the bytes that the NoC moves
  RawScratchpads scratchpads;
  Dma dma;
  Noc noc;
  RawDram dram;
  std::optional<Technology> inline_technology;  ///< `technology:` as a mapping ...
  std::string technology_file;                  ///< ... or as the name of a file
};

/// Reads a chip file and checks each key by itself. Throws std::runtime_error.
RawChip read_raw_chip(const std::string& file);

/// "file:line: " of a dotted key of a chip file, for checks that involve several keys.
std::string location_of(const std::string& file, const std::string& dotted_key);

}  // namespace tessera::chip
