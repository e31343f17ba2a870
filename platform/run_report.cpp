#include "run_report.hpp"

#include <sys/resource.h>

#include <cstdarg>
#include <cstdio>

namespace tessera::platform {
namespace {

constexpr int kSchemaVersion = 1;

boost::json::object cycles_by_cause(const npu::CycleCounts& cycles) {
  boost::json::object object;
  for (size_t i = 0; i < npu::kCauseCount; ++i) {
    object[name_of(static_cast<npu::Cause>(i))] = cycles.by_cause[i];
  }
  return object;
}

boost::json::object layer_report(const LayerResult& layer) {
  boost::json::object object;
  object["name"] = layer.name;
  object["widths"] = layer.widths;
  object["cycles"] = layer.cycles.total();
  object["cycles_by_cause"] = cycles_by_cause(layer.cycles);
  object["macs"] = layer.events.macs;
  object["gated_macs"] = layer.events.gated_macs;
  object["utilization"] = layer.utilization();
  object["saturations"] = layer.events.saturations;
  object["decoded_bytes"] = layer.events.decoded_bytes;
  object["dram_bytes_read"] = layer.events.dram_bytes_read;
  object["dram_bytes_written"] = layer.events.dram_bytes_written;
  object["array_pj"] = layer.array_pj;
  object["fixed_array_pj"] = layer.fixed_array_pj;
  return object;
}

boost::json::object energy_report(const npu::Energy& e) {
  return {{"multiply", e.array.multiply_pj},
          {"shift_add", e.array.shift_add_pj},
          {"accumulate", e.array.accumulate_pj},
          {"operands", e.array.operands_pj},
          {"scratchpad", e.scratchpad_pj},
          {"decoder", e.decoder_pj},
          {"noc", e.noc_pj},
          {"dram", e.dram_pj},
          {"core", e.core_pj},
          {"static", e.static_pj}};
}

boost::json::object noc_report(const NocResult& noc) {
  boost::json::array links;
  for (const auto& link : noc.links) {
    links.push_back({{"name", link.name},
                     {"packets", link.statistics.packets},
                     {"flits", link.statistics.flits},
                     {"stall_cycles", link.statistics.stall_cycles}});
  }
  return {{"topology", noc.topology},
          {"transactions", noc.transactions},
          {"bytes", noc.bytes},
          {"contention_cycles", noc.contention_cycles},
          {"links", std::move(links)}};
}

double macs_per_second(const ImageRunResult& r) {
  return r.simulation_seconds > 0 ? static_cast<double>(r.events.macs) / r.simulation_seconds : 0;
}

[[gnu::format(printf, 2, 3)]] void append(std::string& text, const char* format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof(line), format, arguments);
  va_end(arguments);
  text += line;
}

void append_layers(std::string& text, const ImageRunResult& r) {
  append(text, "%-20s %7s %11s %6s", "layer", "widths", "cycles", "util");
  for (size_t i = 0; i < npu::kCauseCount; ++i) {
    append(text, " %8.8s", name_of(static_cast<npu::Cause>(i)));
  }
  text += "\n";
  const auto images = static_cast<double>(r.images);
  const auto row = [&](const char* name, const char* widths, const npu::CycleCounts& cycles,
                       double utilization) {
    append(text, "%-20s %7s %11.0f %5.1f%%", name, widths,
           static_cast<double>(cycles.total()) / images, 100 * utilization);
    for (uint64_t count : cycles.by_cause) {
      append(text, " %8.0f", static_cast<double>(count) / images);
    }
    text += "\n";
  };
  for (const LayerResult& l : r.layers) {
    row(l.name.c_str(), l.widths.c_str(), l.cycles, l.utilization());
  }
  row("total", "", r.cycles, r.utilization());
}

void append_busiest_link(std::string& text, const ImageRunResult& r) {
  const noc::Interconnect::LinkReport* link = r.noc.busiest();
  if (link == nullptr) return;
  append(text, "  busiest NoC link  %s, %.1f %% of all cycles, %.1f cycles of waiting a packet\n",
         link->name.c_str(),
         100 * static_cast<double>(link->statistics.flits) / static_cast<double>(r.total_cycles),
         static_cast<double>(link->statistics.stall_cycles) /
             static_cast<double>(link->statistics.packets));
}

void append_flexibility(std::string& text, const ImageRunResult& r) {
  const auto images = static_cast<double>(r.images);
  const double fused = r.energy.array.total_pj();
  if (r.fixed_array_pj == 0) return;
  append(
      text,
      "  PE array          %.3f uJ of it; PEs fixed at each layer's widths would take %.3f uJ: the "
      "cost of flexibility is %+.1f %%\n",
      fused / images / 1e6, r.fixed_array_pj / images / 1e6, 100 * (fused / r.fixed_array_pj - 1));
}

}  // namespace

boost::json::object run_report(const ImageRunResult& r, const RunSetup& setup) {
  boost::json::object o;
  o["schema"] = "tessera-run";
  o["schema_version"] = kSchemaVersion;
  o["network"] = r.network;
  o["chip"] = r.chip;
  o["array"] = setup.array;
  o["core"] = setup.core;
  o["timing"] = setup.timing;
  o["quantum_instructions"] = setup.quantum;
  o["images"] = r.images;
  o["correct"] = r.labelled ? boost::json::value(r.correct) : boost::json::value(nullptr);
  o["top1_percent"] =
      r.labelled ? boost::json::value(r.top1_percent()) : boost::json::value(nullptr);
  o["reference_checked"] = r.checked;
  o["reference_mismatches"] =
      r.checked ? boost::json::value(r.mismatches) : boost::json::value(nullptr);
  o["lockstep"] = setup.lockstep;
  o["image_bytes"] = r.image_bytes;
  o["clock_hz"] = r.clock_hz;
  o["total_cycles"] = r.total_cycles;
  o["cycles"] = r.cycles.total();
  o["cycles_by_cause"] = cycles_by_cause(r.cycles);
  boost::json::array clusters;
  for (const npu::CycleCounts& cycles : r.clusters) clusters.push_back(cycles_by_cause(cycles));
  o["cycles_by_cause_of_clusters"] = std::move(clusters);
  o["latency_ms"] = r.latency_ms();
  o["macs"] = r.events.macs;
  o["gated_macs"] = r.events.gated_macs;
  o["array_utilization"] = r.utilization();
  o["array_busy_utilization"] = r.busy_utilization();
  o["convolution_busy_utilization"] = r.convolution_utilization();
  o["saturations"] = r.events.saturations;
  o["decoded_bytes"] = r.events.decoded_bytes;
  o["dram_bytes_read"] = r.events.dram_bytes_read;
  o["dram_bytes_written"] = r.events.dram_bytes_written;
  o["dram_row_hits"] = r.dram.row_hits;
  o["dram_row_misses"] = r.dram.row_misses;
  o["dram_row_conflicts"] = r.dram.row_conflicts;
  o["dram_refreshes"] = r.dram.refreshes;
  o["noc"] = noc_report(r.noc);
  o["scratchpad_bytes"] = r.events.scratchpad_bytes();
  o["energy_pj"] = r.energy.total_pj();
  o["energy_pj_by_component"] = energy_report(r.energy);
  o["array_pj"] = r.energy.array.total_pj();
  o["fixed_array_pj"] = r.fixed_array_pj;
  o["host_instructions"] = r.host_instructions;
  boost::json::array layers;
  for (const LayerResult& layer : r.layers) layers.push_back(layer_report(layer));
  o["layers"] = std::move(layers);
  o["simulation_seconds"] = r.simulation_seconds;
  o["simulated_macs_per_second"] = macs_per_second(r);
  o["kernel_seconds"] = r.kernel_seconds;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  o["peak_memory_bytes"] = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  return o;
}

std::string run_text(const ImageRunResult& r, const RunSetup& setup) {
  std::string text;
  append(text, "%s on %s (array %s, core %s, timing %s)\n", r.network.c_str(), r.chip.c_str(),
         setup.array.c_str(), setup.core.c_str(), setup.timing.c_str());
  const auto images = static_cast<double>(r.images);
  append(text, "  images            %llu, ", static_cast<unsigned long long>(r.images));
  if (r.labelled) {
    append(text, "top-1 %.2f %%\n", r.top1_percent());
  } else {
    text += "without labels\n";
  }
  if (r.checked) {
    append(text, "  reference         %llu images differ\n",
           static_cast<unsigned long long>(r.mismatches));
    if (!r.first_mismatch.empty())
      append(text, "                    %s\n", r.first_mismatch.c_str());
  } else {
    append(text, "  reference         not checked\n");
  }
  if (const auto* lockstep = setup.lockstep.if_object()) {
    const auto count = [&](const char* name) {
      return static_cast<unsigned long long>(lockstep->at(name).to_number<uint64_t>());
    };
    append(text, "  lockstep          RTL equals model in %llu tiles, %llu values, %llu cycles\n",
           count("tiles"), count("values"), count("cycles"));
  }
  append(text, "  cycles an image   %.0f, %.4f ms at %.0f MHz\n",
         static_cast<double>(r.cycles.total()) / images, r.latency_ms(), r.clock_hz / 1e6);
  append(text,
         "  array utilisation %.1f %% of the peak of each layer's widths; while it computes "
         "%.1f %%, in convolutions %.1f %%\n",
         100 * r.utilization(), 100 * r.busy_utilization(), 100 * r.convolution_utilization());
  append(text, "  DRAM an image     %.0f bytes read, %.0f written\n",
         static_cast<double>(r.events.dram_bytes_read) / images,
         static_cast<double>(r.events.dram_bytes_written) / images);
  if (r.events.decoded_bytes != 0) {
    append(text, "  coded weights     %.0f bytes decoded an image, %.3f uJ\n",
           static_cast<double>(r.events.decoded_bytes) / images,
           r.energy.decoder_pj / images / 1e6);
  }
  append_busiest_link(text, r);
  append(text, "  energy an image   %.3f uJ\n", r.energy.total_pj() / images / 1e6);
  append_flexibility(text, r);
  append(text, "  image             %llu bytes on the chip\n",
         static_cast<unsigned long long>(r.image_bytes));
  append(text, "  simulation        %.2f s, %.0f MMAC/s\n", r.simulation_seconds,
         macs_per_second(r) / 1e6);
  text += "\nCycles an image, by layer and cause\n";
  append_layers(text, r);
  return text;
}

}  // namespace tessera::platform
