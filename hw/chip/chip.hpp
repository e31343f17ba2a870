#pragma once

/// The resolved configuration of a chip: one YAML file, every value checked, units in the names.
/// The model, the deployer, the estimate and the reports read this and nothing else.

#include <cstdint>
#include <string>

#include "chip/technology.hpp"

namespace tessera::chip {

struct Core {
  uint32_t local_ram_bytes = 0;  ///< single-cycle memory at abi::kRamBase
};

struct Scratchpads {
  uint32_t activation_bytes = 0;
  uint32_t weight_bytes = 0;
  uint32_t output_bytes = 0;
  uint32_t parameter_bytes = 0;  ///< bias, multiplier and shift of output channels, 8 bytes each
  uint32_t banks = 0;            ///< of the activation scratchpad; 16-byte lines, interleaved
};

struct Npu {
  uint32_t clusters = 0;
  uint32_t rows = 0;        ///< R, output channels; power of two, 2..64
  uint32_t columns = 0;     ///< C, output pixels; power of two, 2..64
  uint32_t fifo_words = 0;  ///< depth of each engine's command FIFO, 32-bit words
  uint32_t decoder_lanes =
      0;  ///< coded weights decoded a cycle, bytes; power of two, 2..64; 0: none
  Scratchpads scratchpads;
};

struct Dma {
  uint32_t burst_bytes = 0;  ///< longest burst; power of two, 16..256
  uint32_t outstanding = 0;  ///< bursts in flight an engine, 1..32
};

enum class NocTopology : uint8_t { kCrossbar, kMesh };

/// As in chip files: "crossbar", "mesh".
const char* name_of(NocTopology topology);

struct Noc {
  NocTopology topology = NocTopology::kCrossbar;
  uint32_t columns = 0;         ///< of a mesh; 0 for a crossbar
  uint32_t rows = 0;            ///< the same
  uint32_t width_bytes = 0;     ///< bytes a link moves in a cycle
  uint32_t latency_cycles = 0;  ///< one way through a crossbar; of a mesh from router to router
};

/// One channel of DRAM. Times in nanoseconds as in a JEDEC data sheet.
struct Dram {
  std::string preset;  ///< name it was resolved from, or "custom"
  uint32_t size_bytes = 0;
  uint32_t channels = 0;
  uint32_t banks = 0;
  uint32_t row_bytes = 0;       ///< page size of the whole channel width
  uint32_t bus_bytes = 0;       ///< channel width
  uint32_t data_rate_mtps = 0;  ///< transfers a second, millions
  uint32_t burst_length = 0;    ///< transfers a column access
  double t_rcd_ns = 0, t_rp_ns = 0, t_cas_ns = 0, t_ras_ns = 0;
  double t_wr_ns = 0;  ///< write recovery
  double t_rfc_ns = 0, t_refi_ns = 0;
};

struct Chip {
  std::string name;
  std::string file;  ///< where it was read from, for messages
  double clock_mhz = 0;
  Core core;
  Npu npu;
  Dma dma;
  Noc noc;
  Dram dram;
  Technology technology;

  double cycle_ns() const { return 1000.0 / clock_mhz; }

  /// The simulated clock period: cycle_ns rounded to whole picoseconds, the resolution of
  /// simulated time. Results are counted in cycles, so the rounding shows in no report.
  uint64_t period_ps() const;
};

/// Reads and checks a chip file. `name_or_path` is a path, or the name of a shipped chip
/// ("reference"), looked up in models/chips of the installation. Throws std::runtime_error, one
/// line "file:line: key must be ..., got ...".
Chip load_chip(const std::string& name_or_path);

/// The resolved chip as YAML with every key; load_chip reads it back to the same chip (except for
/// `file`). Sizes are written in KiB and MiB, of which load_chip yields whole numbers only.
std::string to_yaml(const Chip& chip);

/// A 32-bit digest of what the deployer depends on (PE counts, scratchpads, FIFO); stored in
/// images, compared at load.
uint32_t fingerprint(const Chip& chip);

}  // namespace tessera::chip
