#include "chip/technology.hpp"

#include <algorithm>

#include "chip/yaml_reader.hpp"

namespace tessera::chip {

namespace {

constexpr RealRange kEnergyPj{0, 1e6};
constexpr RealRange kAreaUm2{1, 1e9};

PeEnergy read_pe_energy(MapReader reader) {
  PeEnergy energy;
  energy.step_pj = reader.real("step", kEnergyPj);
  energy.mac_pj = reader.real("mac", kEnergyPj);
  energy.accumulate_pj = reader.real("accumulate", kEnergyPj);
  energy.activation_word_pj = reader.real("activation_word", kEnergyPj);
  energy.weight_word_pj = reader.real("weight_word", kEnergyPj);
  reader.finish();
  return energy;
}

PeArea read_pe_area(MapReader reader) {
  PeArea area;
  area.pe_um2 = reader.real("pe", kAreaUm2);
  area.row_um2 = reader.real("row", kAreaUm2);
  area.column_um2 = reader.real("column", kAreaUm2);
  reader.finish();
  return area;
}

}  // namespace

std::string pe_mode_name(std::size_t index) {
  const abi::PeMode mode = pe_mode(index);
  return std::to_string(mode.activation_bits) + "x" +
         (mode.p4 ? "p4" : std::to_string(mode.weight_bits));
}

std::size_t fixed_pe_of(std::size_t mode_index) {
  abi::PeMode mode = pe_mode(mode_index);
  mode.activation_bits =
      mode.p4 ? mode.activation_bits : std::max(mode.activation_bits, mode.weight_bits);
  mode.weight_bits = mode.p4 ? mode.weight_bits : mode.activation_bits;
  const auto* const found =
      std::find(kFixedPeModes.begin(), kFixedPeModes.end(), pe_mode_index(mode));
  return static_cast<std::size_t>(found - kFixedPeModes.begin());
}

std::string fixed_pe_name(std::size_t fixed_pe) {
  const abi::PeMode mode = pe_mode(kFixedPeModes[fixed_pe]);
  return (mode.p4 ? "shift_add_" : "fixed_") + std::to_string(mode.activation_bits);
}

Technology read_technology(MapReader reader) {
  Technology technology;
  technology.name = reader.text("name");
  technology.scratchpad_pj_per_byte = reader.real("scratchpad_pj_per_byte", kEnergyPj);
  technology.noc_pj_per_byte = reader.real("noc_pj_per_byte", kEnergyPj);
  technology.dram_pj_per_byte = reader.real("dram_pj_per_byte", kEnergyPj);
  technology.dram_activate_pj = reader.real("dram_activate_pj", kEnergyPj);
  technology.core_pj_per_instruction = reader.real("core_pj_per_instruction", kEnergyPj);
  technology.decoder_pj_per_byte = reader.real("decoder_pj_per_byte", kEnergyPj);
  technology.decoder_pj_per_table_byte = reader.real("decoder_pj_per_table_byte", kEnergyPj);
  technology.static_mw = reader.real("static_mw", {0, 1e6});

  MapReader fused = reader.section("fused_pe_pj");
  for (std::size_t mode = 0; mode < kPeModeCount; ++mode) {
    technology.fused_pe[mode] = read_pe_energy(fused.section(pe_mode_name(mode)));
  }
  fused.finish();
  MapReader fixed = reader.section("fixed_pe_pj");
  for (std::size_t pe = 0; pe < kFixedPeCount; ++pe) {
    technology.fixed_pe[pe] = read_pe_energy(fixed.section(pe_mode_name(kFixedPeModes[pe])));
  }
  fixed.finish();
  MapReader area = reader.section("area_um2");
  technology.fused_area = read_pe_area(area.section("fused"));
  for (std::size_t pe = 0; pe < kFixedPeCount; ++pe) {
    technology.fixed_area[pe] = read_pe_area(area.section(fixed_pe_name(pe)));
  }
  area.finish();
  reader.finish();
  return technology;
}

Technology read_technology_file(const std::string& file) {
  return read_technology(read_yaml_file(file));
}

}  // namespace tessera::chip
