#include "estimate/estimate.hpp"

#include <algorithm>

#include "abi/memory_map.hpp"
#include "deploy/mapping.hpp"
#include "estimate/chip_timing.hpp"
#include "estimate/host.hpp"
#include "firmware/inference.hpp"
#include "npu/energy.hpp"

namespace tessera::estimate {

namespace {

constexpr double kUm2PerMm2 = 1e6;

/// Where `run` puts the parts, for one input: one after the other behind the boot information.
Places place(const chip::Chip& chip, const deploy::Image& image) {
  constexpr uint32_t kPageBytes = 4096;
  uint32_t next = abi::kRamBase + chip.core.local_ram_bytes + kPageBytes;
  const auto take = [&next](uint32_t bytes) {
    const uint32_t address = next;
    next += (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
    return address;
  };
  uint64_t list_bytes = 0;
  for (const abi::LayerProgram& layer : image.layers()) {
    list_bytes += firmware::most_list_bytes(layer, chip.npu.clusters);
  }
  Places places;
  places.image = take(image.header().device_bytes);
  places.arena = take(image.header().arena_bytes);
  places.list_bytes = static_cast<uint32_t>(list_bytes);
  places.lists = take(places.list_bytes);
  places.input = take(image.input().row_bytes * image.input().height);
  places.output = take(image.output().row_bytes * image.output().height);
  return places;
}

const char* bound_of(const npu::CycleCounts& cycles, const chip::Chip& chip) {
  using npu::Cause;
  const uint64_t compute =
      cycles[Cause::kCompute] + cycles[Cause::kBank] + cycles[Cause::kConfiguration];
  const uint64_t commands = cycles[Cause::kCommands];
  const uint64_t host = cycles[Cause::kHost];
  const uint64_t transfers = cycles.total() - compute - commands - host;
  if (host > std::max({compute, transfers, commands})) return "host";
  return deploy::bound_of(compute, transfers, commands, chip);
}

/// Of all clusters together.
std::vector<npu::EventCounts> layer_events(const ChipTiming& timing, std::size_t layers) {
  std::vector<npu::EventCounts> events(layers);
  for (uint32_t c = 0; c < timing.clusters(); ++c) {
    for (const auto& s : timing.cluster(c).statistics().layers) events.at(s.layer) += s.events;
  }
  return events;
}

LayerEstimate layer_estimate(const npu::CycleCounts& cycles, const npu::EventCounts& events,
                             const chip::Chip& chip) {
  using npu::Cause;
  LayerEstimate layer;
  layer.cycles = cycles.total();
  layer.array_cycles =
      cycles[Cause::kCompute] + cycles[Cause::kBank] + cycles[Cause::kConfiguration];
  layer.command_cycles = cycles[Cause::kCommands];
  layer.host_cycles = cycles[Cause::kHost];
  layer.dram_bytes = events.dram_bytes_read + events.dram_bytes_written;
  layer.macs = events.macs;
  layer.bound = bound_of(cycles, chip);
  layer.energy_pj = npu::energy_of(events, {}, chip.technology).total_pj();
  return layer;
}

/// From sums over several inferences, which all did the same work, to the mean. Rounding leaves
/// the layers' cycles a sum.
void make_mean(Estimate& e, uint32_t inferences, const chip::Chip& chip) {
  uint64_t before = 0;
  for (LayerEstimate& layer : e.layers) {
    const uint64_t until = before + layer.cycles;
    layer.cycles = until / inferences - before / inferences;
    before = until;
    layer.array_cycles /= inferences;
    layer.transfer_cycles /= inferences;
    layer.command_cycles /= inferences;
    layer.host_cycles /= inferences;
    layer.dram_bytes /= inferences;
    layer.macs /= inferences;
    layer.energy_pj /= inferences;
  }
  e.cycles /= inferences;
  e.seconds = static_cast<double>(e.cycles) / (chip.clock_mhz * 1e6);
  e.dram_bytes /= inferences;
  e.macs /= inferences;
  e.energy_pj /= inferences;
}

}  // namespace

Estimate estimate(const deploy::Image& image, const chip::Chip& chip) {
  image.require_chip(chip::fingerprint(chip), chip.name);
  ChipTiming timing(chip);
  const Places places = place(chip, image);
  const auto* bytes = reinterpret_cast<const uint8_t*>(image.bytes().data());
  timing.hold(places.image, bytes, image.header().device_bytes);
  const HostWork host = run_inferences(chip, image, places, timing);
  const ClusterTiming& first = timing.cluster(0);
  const npu::ClusterStatistics statistics = first.statistics();
  const std::vector<npu::EventCounts> events = layer_events(timing, image.layers().size());

  // As in `run`: cycles are the first cluster's, which takes part in every layer.
  Estimate result;
  npu::EventCounts sum;
  for (const npu::LayerStatistics& s : statistics.layers) {
    LayerEstimate layer = layer_estimate(s.cycles, events.at(s.layer), chip);
    layer.name = image.name(image.layers().at(s.layer).name);
    layer.transfer_cycles = first.transfer_cycles().at(s.layer);
    result.layers.push_back(layer);
    sum += events.at(s.layer);
  }
  result.cycles = statistics.cycles.total();
  result.seconds = static_cast<double>(result.cycles) / (chip.clock_mhz * 1e6);
  result.dram_bytes = sum.dram_bytes_read + sum.dram_bytes_written;
  result.macs = sum.macs;
  result.energy_pj =
      npu::energy_of(sum,
                     {timing.memory().statistics().activates, host.instructions, result.seconds},
                     chip.technology)
          .total_pj();
  result.array_mm2 = chip.technology.fused_area.array_um2(chip.npu.rows, chip.npu.columns) *
                     chip.npu.clusters / kUm2PerMm2;
  make_mean(result, host.inferences, chip);
  return result;
}

}  // namespace tessera::estimate
