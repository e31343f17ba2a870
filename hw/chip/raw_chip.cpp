#include "chip/raw_chip.hpp"

#include "abi/weight_coding.hpp"
#include "chip/dram_presets.hpp"
#include "chip/yaml_reader.hpp"

namespace tessera::chip {

namespace {

constexpr RealRange kCoreTimingNs{0.1, 1000};

RawScratchpads read_scratchpads(MapReader reader) {
  constexpr IntegerRange size_kib{1, 65536};
  RawScratchpads raw;
  raw.activation_kib = reader.integer("activation_kib", size_kib);
  raw.weight_kib = reader.integer("weight_kib", size_kib);
  raw.output_kib = reader.integer("output_kib", size_kib);
  raw.parameter_kib = reader.integer("parameter_kib", size_kib);
  raw.banks = reader.integer("banks", {1, 64, true});
  reader.finish();
  return raw;
}

uint32_t read_decoder_lanes(MapReader& reader) {
  constexpr const char* kKey = "decoder_lanes";
  const uint32_t lanes = reader.integer(kKey, {0, abi::kMaxDecoderLanes});
  if (lanes != 0 && (lanes < abi::kMinDecoderLanes || (lanes & (lanes - 1)) != 0)) {
    throw reader.error(
        kKey, "must be 0 (no decoder) or a power of two in 2..64, got " + std::to_string(lanes));
  }
  return lanes;
}

void read_npu(MapReader reader, RawChip& raw) {
  raw.clusters = reader.integer("clusters", {1, 16});
  raw.rows = reader.integer("rows", {2, 64, true});
  raw.columns = reader.integer("columns", {2, 64, true});
  raw.fifo_words = reader.integer("fifo_words", {64, 65536});
  if (reader.has("decoder_lanes")) raw.decoder_lanes = read_decoder_lanes(reader);
  raw.scratchpads = read_scratchpads(reader.section("scratchpads"));
  reader.finish();
}

/// A crossbar unless `topology` says otherwise.
Noc read_noc(MapReader reader) {
  Noc noc;
  const std::string topology = reader.has("topology") ? reader.text("topology") : "crossbar";
  if (topology == "mesh") {
    noc.topology = NocTopology::kMesh;
    noc.columns = reader.integer("columns", {1, 16});
    noc.rows = reader.integer("rows", {1, 16});
  } else if (topology != "crossbar") {
    throw reader.error("topology", "must be crossbar or mesh, got " + topology);
  }
  for (const char* key : {"columns", "rows"}) {
    if (noc.topology == NocTopology::kCrossbar && reader.has(key)) {
      throw reader.error(key, "is for noc.topology mesh only; remove it");
    }
  }
  noc.width_bytes = reader.integer("width_bytes", {1, 128, true});
  noc.latency_cycles = reader.integer("latency_cycles", {1, 1000});
  reader.finish();
  return noc;
}

/// Reads `dram`. Under preset `custom` every key has to be there.
RawDram read_dram(MapReader reader) {
  RawDram raw;
  raw.preset = reader.text("preset");
  const bool custom = raw.preset == "custom";
  if (!custom && find_dram_preset(raw.preset) == nullptr) {
    std::string names;
    for (const std::string& name : dram_preset_names()) names += name + ", ";
    throw reader.error("preset", "must be one of " + names + "custom, got " + raw.preset);
  }
  raw.size_mib = reader.integer("size_mib", {1, 2047});
  const auto integer = [&](const char* key, const IntegerRange& range) -> std::optional<uint32_t> {
    if (!reader.has(key) && !custom) return std::nullopt;
    return reader.integer(key, range);
  };
  const auto real = [&](const char* key, const RealRange& range) -> std::optional<double> {
    if (!reader.has(key) && !custom) return std::nullopt;
    return reader.real(key, range);
  };
  raw.channels = integer("channels", {1, 8, true});
  raw.banks = integer("banks", {1, 64, true});
  raw.row_bytes = integer("row_bytes", {256, 65536, true});
  raw.bus_bytes = integer("bus_bytes", {1, 32, true});
  raw.data_rate_mtps = integer("data_rate_mtps", {100, 20000});
  raw.burst_length = integer("burst_length", {1, 32, true});
  raw.t_rcd_ns = real("t_rcd_ns", kCoreTimingNs);
  raw.t_rp_ns = real("t_rp_ns", kCoreTimingNs);
  raw.t_cas_ns = real("t_cas_ns", kCoreTimingNs);
  raw.t_ras_ns = real("t_ras_ns", kCoreTimingNs);
  raw.t_wr_ns = real("t_wr_ns", kCoreTimingNs);
  raw.t_rfc_ns = real("t_rfc_ns", {1, 10000});
  raw.t_refi_ns = real("t_refi_ns", {100, 1e6});
  reader.finish();
  return raw;
}

}  // namespace

RawChip read_raw_chip(const std::string& file) {
  MapReader top = read_yaml_file(file);
  RawChip raw;
  raw.name = top.text("name");
  raw.clock_mhz = top.real("clock_mhz", {1, 5000});
  MapReader core = top.section("core");
  raw.local_ram_kib = core.integer("local_ram_kib", {4, 65536});
  core.finish();
  read_npu(top.section("npu"), raw);
  MapReader dma = top.section("dma");
  raw.dma.burst_bytes = dma.integer("burst_bytes", {16, 256, true});
  raw.dma.outstanding = dma.integer("outstanding", {1, 32});
  dma.finish();
  raw.noc = read_noc(top.section("noc"));
  raw.dram = read_dram(top.section("dram"));
  if (top.is_section("technology")) {
    raw.inline_technology = read_technology(top.section("technology"));
  } else {
    raw.technology_file = top.text("technology");
  }
  top.finish();
  return raw;
}

std::string location_of(const std::string& file, const std::string& dotted_key) {
  MapReader reader = read_yaml_file(file);
  std::string key = dotted_key;
  for (size_t dot = key.find('.'); dot != std::string::npos; dot = key.find('.')) {
    reader = reader.section(key.substr(0, dot));
    key = key.substr(dot + 1);
  }
  return std::string(reader.error(key, "").what());
}

}  // namespace tessera::chip
