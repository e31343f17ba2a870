#include "npu/energy.hpp"

namespace tessera::npu {

double Energy::total_pj() const {
  return multiply_pj + shift_add_pj + accumulate_pj + scratchpad_pj + noc_pj + dram_pj + core_pj +
         static_pj;
}

Energy energy_of(const EventCounts& events, const SystemEvents& system,
                 const chip::Technology& technology) {
  constexpr double kPicojoulesPerMillijoule = 1e9;
  const auto dram_bytes = static_cast<double>(events.dram_bytes_read + events.dram_bytes_written);
  Energy energy;
  energy.multiply_pj = technology.brick_pj * static_cast<double>(events.brick_cycles);
  energy.shift_add_pj = technology.shift_add_pj * static_cast<double>(events.shift_add_bits) / 8.0;
  energy.accumulate_pj = technology.accumulate_pj * static_cast<double>(events.accumulations);
  energy.scratchpad_pj =
      technology.scratchpad_pj_per_byte * static_cast<double>(events.scratchpad_bytes());
  energy.noc_pj = technology.noc_pj_per_byte * dram_bytes;
  energy.dram_pj = technology.dram_pj_per_byte * dram_bytes +
                   technology.dram_activate_pj * static_cast<double>(system.dram_activates);
  energy.core_pj =
      technology.core_pj_per_instruction * static_cast<double>(system.core_instructions);
  energy.static_pj = technology.static_mw * system.seconds * kPicojoulesPerMillijoule;
  return energy;
}

}  // namespace tessera::npu
