#include "deploy/tile_costs.hpp"

namespace tessera::deploy {

double dram_bytes_per_cycle(const chip::Chip& chip) {
  return chip.dram.bus_bytes * chip.dram.data_rate_mtps / chip.clock_mhz * chip.dram.channels;
}

Traffic traffic_of(const chip::Chip& chip, uint64_t pieces, uint64_t bytes) {
  const uint64_t burst = std::min<uint64_t>(bytes, chip.dma.burst_bytes);
  const uint64_t beats = (burst + chip.noc.width_bytes - 1) / chip.noc.width_bytes;
  const auto dram = static_cast<uint64_t>(chip.dram.t_cas_ns * chip.clock_mhz / 1000.0);
  const uint64_t way = 2 * chip.noc.latency_cycles + dram + beats;
  const uint64_t gap = (way + chip.dma.outstanding - 1) / chip.dma.outstanding;
  const uint64_t bursts = (bytes + chip.dma.burst_bytes - 1) / chip.dma.burst_bytes;
  if (pieces * bursts == 0) return {};
  return {pieces * bytes, way + (pieces * bursts - 1) * std::max(beats, gap)};
}

}  // namespace tessera::deploy
