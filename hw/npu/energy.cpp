#include "npu/energy.hpp"

#include <cstddef>

#include "abi/number_formats.hpp"

namespace tessera::npu {

namespace {

/// Adds what `events`, with `steps_per_step` times their steps and words, take of PEs that cost
/// `pe`.
void add(ArrayEnergy& energy, const PeEvents& events, double steps_per_step, bool p4,
         const chip::PeEnergy& pe) {
  const double steps = steps_per_step * static_cast<double>(events.steps);
  (p4 ? energy.shift_add_pj : energy.multiply_pj) +=
      steps * pe.step_pj + static_cast<double>(events.active_macs) * pe.mac_pj;
  energy.accumulate_pj += steps * pe.accumulate_pj;
  energy.operands_pj +=
      steps_per_step * (static_cast<double>(events.activation_words) * pe.activation_word_pj +
                        static_cast<double>(events.weight_words) * pe.weight_word_pj);
}

}  // namespace

double ArrayEnergy::total_pj() const {
  return multiply_pj + shift_add_pj + accumulate_pj + operands_pj;
}

double Energy::total_pj() const {
  return array.total_pj() + scratchpad_pj + decoder_pj + noc_pj + dram_pj + core_pj + static_pj;
}

ArrayEnergy array_energy(const EventCounts& events, const chip::Technology& technology) {
  ArrayEnergy energy;
  for (std::size_t mode = 0; mode < chip::kPeModeCount; ++mode) {
    add(energy, events.pe[mode], 1, chip::pe_mode(mode).p4, technology.fused_pe[mode]);
  }
  return energy;
}

ArrayEnergy fixed_array_energy(const EventCounts& events, const chip::Technology& technology) {
  ArrayEnergy energy;
  for (std::size_t mode = 0; mode < chip::kPeModeCount; ++mode) {
    const std::size_t fixed = chip::fixed_pe_of(mode);
    const abi::PeMode fixed_mode = chip::pe_mode(chip::kFixedPeModes[fixed]);
    const double steps_per_step = static_cast<double>(abi::lanes(chip::pe_mode(mode))) /
                                  static_cast<double>(abi::lanes(fixed_mode));
    add(energy, events.pe[mode], steps_per_step, fixed_mode.p4, technology.fixed_pe[fixed]);
  }
  return energy;
}

Energy energy_of(const EventCounts& events, const SystemEvents& system,
                 const chip::Technology& technology) {
  constexpr double kPicojoulesPerMillijoule = 1e9;
  const auto dram_bytes = static_cast<double>(events.dram_bytes_read + events.dram_bytes_written);
  Energy energy;
  energy.array = array_energy(events, technology);
  energy.scratchpad_pj =
      technology.scratchpad_pj_per_byte * static_cast<double>(events.scratchpad_bytes());
  energy.decoder_pj =
      technology.decoder_pj_per_byte * static_cast<double>(events.decoded_bytes) +
      technology.decoder_pj_per_table_byte * static_cast<double>(events.table_bytes);
  energy.noc_pj = technology.noc_pj_per_byte * dram_bytes;
  energy.dram_pj = technology.dram_pj_per_byte * dram_bytes +
                   technology.dram_activate_pj * static_cast<double>(system.dram_activates);
  energy.core_pj =
      technology.core_pj_per_instruction * static_cast<double>(system.core_instructions);
  energy.static_pj = technology.static_mw * system.seconds * kPicojoulesPerMillijoule;
  return energy;
}

}  // namespace tessera::npu
