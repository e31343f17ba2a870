#include "chip/chip.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <stdexcept>

#include "abi/memory_map.hpp"
#include "abi/weight_coding.hpp"
#include "chip/dram_presets.hpp"
#include "chip/models_dir.hpp"
#include "chip/raw_chip.hpp"

namespace tessera::chip {

namespace {

namespace fs = std::filesystem;

constexpr uint32_t kKib = 1024;
constexpr uint32_t kMib = 1024 * 1024;

Dram resolve(const RawDram& raw) {
  Dram dram;
  if (const Dram* preset = find_dram_preset(raw.preset)) dram = *preset;
  dram.preset = raw.preset;
  dram.size_bytes = raw.size_mib * kMib;
  dram.channels = raw.channels.value_or(dram.channels);
  dram.banks = raw.banks.value_or(dram.banks);
  dram.row_bytes = raw.row_bytes.value_or(dram.row_bytes);
  dram.bus_bytes = raw.bus_bytes.value_or(dram.bus_bytes);
  dram.data_rate_mtps = raw.data_rate_mtps.value_or(dram.data_rate_mtps);
  dram.burst_length = raw.burst_length.value_or(dram.burst_length);
  dram.t_rcd_ns = raw.t_rcd_ns.value_or(dram.t_rcd_ns);
  dram.t_rp_ns = raw.t_rp_ns.value_or(dram.t_rp_ns);
  dram.t_cas_ns = raw.t_cas_ns.value_or(dram.t_cas_ns);
  dram.t_ras_ns = raw.t_ras_ns.value_or(dram.t_ras_ns);
  dram.t_wr_ns = raw.t_wr_ns.value_or(dram.t_wr_ns);
  dram.t_rfc_ns = raw.t_rfc_ns.value_or(dram.t_rfc_ns);
  dram.t_refi_ns = raw.t_refi_ns.value_or(dram.t_refi_ns);
  return dram;
}

[[noreturn]] void refuse(const std::string& file, const std::string& key,
                         const std::string& message) {
  throw std::runtime_error(location_of(file, key) + message);
}

/// A value with its unit, without the zeros of std::to_string.
std::string nanoseconds(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text + " ns";
}

/// What no key can be checked for alone.
void check_consistency(const Chip& chip) {
  const Dram& dram = chip.dram;
  const uint64_t window = (uint64_t{1} << 32) - abi::kRamBase;
  if (uint64_t{chip.core.local_ram_bytes} + dram.size_bytes > window) {
    refuse(chip.file, "dram.size_mib",
           "must leave room for core.local_ram_kib in the 2048 MiB from 0x80000000 up, got " +
               std::to_string(dram.size_bytes / kMib));
  }
  const uint32_t nodes = chip.noc.columns * chip.noc.rows;
  const uint32_t needed = dram.channels + chip.npu.clusters;
  if (chip.noc.topology == NocTopology::kMesh && nodes < needed) {
    refuse(chip.file, "noc.columns",
           "times noc.rows must be at least " + std::to_string(needed) +
               ", a node for each DRAM channel and each cluster, got " + std::to_string(nodes));
  }
  const uint64_t row_of_all_banks = uint64_t{dram.channels} * dram.banks * dram.row_bytes;
  if (dram.size_bytes % row_of_all_banks != 0) {
    refuse(
        chip.file, "dram.size_mib",
        "must be a multiple of channels * banks * row_bytes = " + std::to_string(row_of_all_banks) +
            " bytes, got " + std::to_string(dram.size_bytes / kMib) + " MiB");
  }
  if (dram.row_bytes < dram.bus_bytes * dram.burst_length) {
    refuse(chip.file, "dram.row_bytes",
           "must hold a burst of bus_bytes * burst_length = " +
               std::to_string(dram.bus_bytes * dram.burst_length) + " bytes, got " +
               std::to_string(dram.row_bytes));
  }
  if (dram.t_ras_ns < dram.t_rcd_ns) {
    refuse(chip.file, "dram.t_ras_ns",
           "must be at least t_rcd_ns = " + nanoseconds(dram.t_rcd_ns) + ", got " +
               nanoseconds(dram.t_ras_ns));
  }
  if (dram.t_refi_ns <= dram.t_rfc_ns + dram.t_rp_ns) {
    refuse(chip.file, "dram.t_refi_ns",
           "must be above t_rfc_ns + t_rp_ns = " + nanoseconds(dram.t_rfc_ns + dram.t_rp_ns) +
               ", got " + nanoseconds(dram.t_refi_ns));
  }
}

/// The file of a technology: a path beside the chip file if it has a folder in it, else a file of
/// models/tech.
std::string technology_path(const std::string& chip_file, const std::string& name) {
  fs::path path = name;
  if (path.extension() != ".yaml") path += ".yaml";
  if (path.has_parent_path()) {
    path = path.is_absolute() ? path : fs::path(chip_file).parent_path() / path;
  } else {
    path = fs::path(models_dir()) / "tech" / path;
  }
  if (!fs::is_regular_file(path)) {
    refuse(chip_file, "technology",
           "must name a file of models/tech or a path relative to this file, got " + name +
               " (no " + path.string() + ")");
  }
  return path.string();
}

std::string chip_path(const std::string& name_or_path) {
  const fs::path path = name_or_path;
  if (path.has_parent_path() || path.has_extension() || fs::is_regular_file(path)) {
    return name_or_path;
  }
  const fs::path folder = fs::path(models_dir()) / "chips";
  const fs::path shipped = folder / (name_or_path + ".yaml");
  if (fs::is_regular_file(shipped)) return shipped.string();
  throw std::runtime_error("chip '" + name_or_path + "': no such file, and " + folder.string() +
                           " has none of that name; give a path or a name from there");
}

}  // namespace

const char* name_of(NocTopology topology) {
  return topology == NocTopology::kMesh ? "mesh" : "crossbar";
}

uint64_t Chip::period_ps() const { return static_cast<uint64_t>(std::llround(1e6 / clock_mhz)); }

Chip load_chip(const std::string& name_or_path) {
  const std::string file = chip_path(name_or_path);
  const RawChip raw = read_raw_chip(file);
  Chip chip;
  chip.name = raw.name;
  chip.file = file;
  chip.clock_mhz = raw.clock_mhz;
  chip.core.local_ram_bytes = raw.local_ram_kib * kKib;
  chip.npu.clusters = raw.clusters;
  chip.npu.rows = raw.rows;
  chip.npu.columns = raw.columns;
  chip.npu.fifo_words = raw.fifo_words;
  chip.npu.decoder_lanes = raw.decoder_lanes.value_or(
      std::clamp(2 * raw.noc.width_bytes, abi::kMinDecoderLanes, abi::kMaxDecoderLanes));
  chip.npu.scratchpads.activation_bytes = raw.scratchpads.activation_kib * kKib;
  chip.npu.scratchpads.weight_bytes = raw.scratchpads.weight_kib * kKib;
  chip.npu.scratchpads.output_bytes = raw.scratchpads.output_kib * kKib;
  chip.npu.scratchpads.parameter_bytes = raw.scratchpads.parameter_kib * kKib;
  chip.npu.scratchpads.banks = raw.scratchpads.banks;
  chip.dma = raw.dma;
  chip.noc = raw.noc;
  chip.dram = resolve(raw.dram);
  check_consistency(chip);
  chip.technology = raw.inline_technology
                        ? *raw.inline_technology
                        : read_technology_file(technology_path(file, raw.technology_file));
  return chip;
}

uint32_t fingerprint(const Chip& chip) {
  const Scratchpads& pads = chip.npu.scratchpads;
  const uint32_t fields[] = {chip.npu.clusters,     chip.npu.rows,         chip.npu.columns,
                             chip.npu.fifo_words,   pads.activation_bytes, pads.weight_bytes,
                             pads.output_bytes,     pads.parameter_bytes,  pads.banks,
                             chip.npu.decoder_lanes};
  uint32_t hash = 0x811C'9DC5;  // FNV-1a, 32 bit (Fowler, Noll, Vo)
  for (const uint32_t field : fields) {
    for (int shift = 0; shift < 32; shift += 8) {
      hash = (hash ^ ((field >> shift) & 0xFFU)) * 0x0100'0193;
    }
  }
  return hash;
}

}  // namespace tessera::chip
