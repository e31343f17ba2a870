#include "chip/dram_presets.hpp"

namespace tessera::chip {

namespace {

/// JEDEC JESD79-4, speed bin DDR4-2400R (16-16-16, clock 0.833 ns): tAA = tRCD = tRP = 13.32 ns,
/// tRAS = 32 ns, tWR = 15 ns. Eight 8 Gb x8 devices: tRFC1 = 350 ns, tREFI = 7.8 us, 16 banks, page
/// 1 KiB a device.
Dram ddr4_2400() {
  Dram dram;
  dram.preset = "ddr4-2400";
  dram.channels = 1;
  dram.banks = 16;
  dram.row_bytes = 8192;
  dram.bus_bytes = 8;
  dram.data_rate_mtps = 2400;
  dram.burst_length = 8;
  dram.t_rcd_ns = 13.32;
  dram.t_rp_ns = 13.32;
  dram.t_cas_ns = 13.32;
  dram.t_ras_ns = 32;
  dram.t_wr_ns = 15;
  dram.t_rfc_ns = 350;
  dram.t_refi_ns = 7800;
  return dram;
}

/// JEDEC JESD209-4, 3200 Mb/s, one x16 channel of an 8 Gb die: RL = 28 clocks of 0.625 ns, tRCD =
/// tRPpb = tWR = 18 ns, tRAS = 42 ns, tRFCab = 180 ns (4 Gb a channel), tREFI = 3.904 us, 8 banks,
/// page 2 KiB, burst length 16.
Dram lpddr4_3200() {
  Dram dram;
  dram.preset = "lpddr4-3200";
  dram.channels = 1;
  dram.banks = 8;
  dram.row_bytes = 2048;
  dram.bus_bytes = 2;
  dram.data_rate_mtps = 3200;
  dram.burst_length = 16;
  dram.t_rcd_ns = 18;
  dram.t_rp_ns = 18;
  dram.t_cas_ns = 17.5;
  dram.t_ras_ns = 42;
  dram.t_wr_ns = 18;
  dram.t_rfc_ns = 180;
  dram.t_refi_ns = 3904;
  return dram;
}

const std::vector<Dram>& presets() {
  static const std::vector<Dram> all = {ddr4_2400(), lpddr4_3200()};
  return all;
}

}  // namespace

const Dram* find_dram_preset(const std::string& name) {
  for (const Dram& preset : presets()) {
    if (preset.preset == name) return &preset;
  }
  return nullptr;
}

std::vector<std::string> dram_preset_names() {
  std::vector<std::string> names;
  for (const Dram& preset : presets()) names.push_back(preset.preset);
  return names;
}

}  // namespace tessera::chip
