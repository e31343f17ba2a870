#pragma once

#include "chip/chip.hpp"

namespace tessera::memory {

/// Four banks, rows of 1 KiB; tRCD = tRP = tCAS = 10 ns, tRAS = 30 ns; 64 bytes take the bus 5 ns.
inline chip::Dram small_dram() {
  chip::Dram dram;
  dram.size_bytes = 1 << 20;
  dram.channels = 1;
  dram.banks = 4;
  dram.row_bytes = 1024;
  dram.bus_bytes = 8;
  dram.data_rate_mtps = 1600;
  dram.burst_length = 8;
  dram.t_rcd_ns = dram.t_rp_ns = dram.t_cas_ns = 10;
  dram.t_ras_ns = 30;
  dram.t_wr_ns = 15;
  dram.t_rfc_ns = 100;
  dram.t_refi_ns = 100000;
  return dram;
}

}  // namespace tessera::memory
