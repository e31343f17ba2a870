#include <yaml-cpp/yaml.h>

#include <array>
#include <charconv>

#include "chip/chip.hpp"

namespace tessera::chip {

namespace {

/// The shortest text that reads back to the same double.
std::string shortest(double value) {
  std::array<char, 32> text{};
  const auto result = std::to_chars(text.data(), text.data() + text.size(), value);
  return std::string(text.data(), result.ptr);
}

template <typename Value>
void key(YAML::Emitter& out, const char* name, const Value& value) {
  out << YAML::Key << name << YAML::Value << value;
}

void key(YAML::Emitter& out, const char* name, double value) {
  out << YAML::Key << name << YAML::Value << shortest(value);
}

void open(YAML::Emitter& out, const char* name) {
  out << YAML::Key << name << YAML::Value << YAML::BeginMap;
}

void emit_npu(YAML::Emitter& out, const Npu& npu) {
  open(out, "npu");
  key(out, "clusters", npu.clusters);
  key(out, "rows", npu.rows);
  key(out, "columns", npu.columns);
  key(out, "fifo_words", npu.fifo_words);
  key(out, "decoder_lanes", npu.decoder_lanes);
  open(out, "scratchpads");
  key(out, "activation_kib", npu.scratchpads.activation_bytes / 1024);
  key(out, "weight_kib", npu.scratchpads.weight_bytes / 1024);
  key(out, "output_kib", npu.scratchpads.output_bytes / 1024);
  key(out, "parameter_kib", npu.scratchpads.parameter_bytes / 1024);
  key(out, "banks", npu.scratchpads.banks);
  out << YAML::EndMap << YAML::EndMap;
}

void emit_dram(YAML::Emitter& out, const Dram& dram) {
  open(out, "dram");
  key(out, "preset", dram.preset);
  key(out, "size_mib", dram.size_bytes / (1024 * 1024));
  key(out, "channels", dram.channels);
  key(out, "banks", dram.banks);
  key(out, "row_bytes", dram.row_bytes);
  key(out, "bus_bytes", dram.bus_bytes);
  key(out, "data_rate_mtps", dram.data_rate_mtps);
  key(out, "burst_length", dram.burst_length);
  key(out, "t_rcd_ns", dram.t_rcd_ns);
  key(out, "t_rp_ns", dram.t_rp_ns);
  key(out, "t_cas_ns", dram.t_cas_ns);
  key(out, "t_ras_ns", dram.t_ras_ns);
  key(out, "t_wr_ns", dram.t_wr_ns);
  key(out, "t_rfc_ns", dram.t_rfc_ns);
  key(out, "t_refi_ns", dram.t_refi_ns);
  out << YAML::EndMap;
}

void emit_pe(YAML::Emitter& out, const std::string& mode, const PeEnergy& energy) {
  out << YAML::Key << mode << YAML::Value << YAML::Flow << YAML::BeginMap;
  key(out, "step", energy.step_pj);
  key(out, "mac", energy.mac_pj);
  key(out, "accumulate", energy.accumulate_pj);
  key(out, "activation_word", energy.activation_word_pj);
  key(out, "weight_word", energy.weight_word_pj);
  out << YAML::EndMap;
}

void emit_area(YAML::Emitter& out, const std::string& name, const PeArea& area) {
  out << YAML::Key << name << YAML::Value << YAML::Flow << YAML::BeginMap;
  key(out, "pe", area.pe_um2);
  key(out, "row", area.row_um2);
  key(out, "column", area.column_um2);
  out << YAML::EndMap;
}

void emit_technology(YAML::Emitter& out, const Technology& technology) {
  open(out, "technology");
  key(out, "name", technology.name);
  key(out, "scratchpad_pj_per_byte", technology.scratchpad_pj_per_byte);
  key(out, "noc_pj_per_byte", technology.noc_pj_per_byte);
  key(out, "dram_pj_per_byte", technology.dram_pj_per_byte);
  key(out, "dram_activate_pj", technology.dram_activate_pj);
  key(out, "core_pj_per_instruction", technology.core_pj_per_instruction);
  key(out, "decoder_pj_per_byte", technology.decoder_pj_per_byte);
  key(out, "decoder_pj_per_table_byte", technology.decoder_pj_per_table_byte);
  key(out, "static_mw", technology.static_mw);
  open(out, "fused_pe_pj");
  for (std::size_t mode = 0; mode < kPeModeCount; ++mode) {
    emit_pe(out, pe_mode_name(mode), technology.fused_pe[mode]);
  }
  out << YAML::EndMap;
  open(out, "fixed_pe_pj");
  for (std::size_t pe = 0; pe < kFixedPeCount; ++pe) {
    emit_pe(out, pe_mode_name(kFixedPeModes[pe]), technology.fixed_pe[pe]);
  }
  out << YAML::EndMap;
  open(out, "area_um2");
  emit_area(out, "fused", technology.fused_area);
  for (std::size_t pe = 0; pe < kFixedPeCount; ++pe) {
    emit_area(out, fixed_pe_name(pe), technology.fixed_area[pe]);
  }
  out << YAML::EndMap;
  out << YAML::EndMap;
}

}  // namespace

std::string to_yaml(const Chip& chip) {
  YAML::Emitter out;
  out << YAML::BeginMap;
  key(out, "name", chip.name);
  key(out, "clock_mhz", chip.clock_mhz);
  open(out, "core");
  key(out, "local_ram_kib", chip.core.local_ram_bytes / 1024);
  out << YAML::EndMap;
  emit_npu(out, chip.npu);
  open(out, "dma");
  key(out, "burst_bytes", chip.dma.burst_bytes);
  key(out, "outstanding", chip.dma.outstanding);
  out << YAML::EndMap;
  open(out, "noc");
  key(out, "topology", name_of(chip.noc.topology));
  if (chip.noc.topology == NocTopology::kMesh) {
    key(out, "columns", chip.noc.columns);
    key(out, "rows", chip.noc.rows);
  }
  key(out, "width_bytes", chip.noc.width_bytes);
  key(out, "latency_cycles", chip.noc.latency_cycles);
  out << YAML::EndMap;
  emit_dram(out, chip.dram);
  emit_technology(out, chip.technology);
  out << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

}  // namespace tessera::chip
