#include <chrono>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "chip/chip.hpp"
#include "command.hpp"
#include "deploy/deploy.hpp"
#include "deploy/image.hpp"
#include "estimate/estimate.hpp"
#include "graph/onnx_io.hpp"
#include "json_text.hpp"

namespace tessera::platform {
namespace {

constexpr int kSchemaVersion = 1;

bool is_image(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  char magic[4] = {};
  if (!file) throw std::runtime_error(path + ": cannot be read; name a network or an image");
  file.read(magic, sizeof(magic));
  return std::string(magic, sizeof(magic)) == "TIMG";
}

deploy::Image image_of(const std::string& path, const chip::Chip& chip) {
  if (is_image(path)) return deploy::Image::read(path);
  const graph::Graph graph = graph::read_onnx(path);
  try {
    return deploy::Image::parse(deploy::deploy(graph, chip, {true}).image, path);
  } catch (const std::runtime_error& e) {
    throw std::runtime_error(path + ": " + e.what());
  }
}

unsigned long long number(uint64_t value) { return value; }

void print(const estimate::Estimate& e, const deploy::Image& image, const chip::Chip& chip) {
  std::printf("%s on %s, estimated\n", image.network_name().c_str(), chip.name.c_str());
  std::printf("  cycles an image   %llu, %.4f ms at %.0f MHz\n", number(e.cycles), e.seconds * 1e3,
              chip.clock_mhz);
  std::printf("  MACs an image     %llu\n", number(e.macs));
  std::printf("  DRAM an image     %llu bytes\n", number(e.dram_bytes));
  std::printf("  energy an image   %.3f uJ\n", e.energy_pj / 1e6);
  std::printf("  PE array          %.2f mm2\n\n", e.array_mm2);
  std::printf("%-22s %11s %11s %11s %11s %11s %-8s %11s %12s %11s\n", "layer", "cycles", "array",
              "transfers", "commands", "host", "bound", "DRAM bytes", "MACs", "uJ");
  for (const estimate::LayerEstimate& l : e.layers) {
    std::printf("%-22s %11llu %11llu %11llu %11llu %11llu %-8s %11llu %12llu %11.3f\n",
                l.name.c_str(), number(l.cycles), number(l.array_cycles), number(l.transfer_cycles),
                number(l.command_cycles), number(l.host_cycles), l.bound, number(l.dram_bytes),
                number(l.macs), l.energy_pj / 1e6);
  }
}

boost::json::object report(const estimate::Estimate& e, const deploy::Image& image,
                           const chip::Chip& chip, double wall_seconds) {
  boost::json::array layers;
  for (const estimate::LayerEstimate& l : e.layers) {
    layers.push_back({{"name", l.name},
                      {"cycles", l.cycles},
                      {"array_cycles", l.array_cycles},
                      {"transfer_cycles", l.transfer_cycles},
                      {"command_cycles", l.command_cycles},
                      {"host_cycles", l.host_cycles},
                      {"bound", l.bound},
                      {"dram_bytes", l.dram_bytes},
                      {"macs", l.macs},
                      {"energy_pj", l.energy_pj}});
  }
  boost::json::object o;
  o["schema"] = "tessera-estimate";
  o["schema_version"] = kSchemaVersion;
  o["network"] = image.network_name();
  o["chip"] = chip.name;
  o["clock_hz"] = chip.clock_mhz * 1e6;
  o["cycles"] = e.cycles;
  o["latency_ms"] = e.seconds * 1e3;
  o["macs"] = e.macs;
  o["dram_bytes"] = e.dram_bytes;
  o["energy_pj"] = e.energy_pj;
  o["array_mm2"] = e.array_mm2;
  o["layers"] = std::move(layers);
  o["estimate_seconds"] = wall_seconds;
  return o;
}

/// A report of `run` of the same network on the same chip.
struct RunReport {
  std::string network, chip, timing, core;
  double images = 0;
  double cycles = 0;  ///< of all images
  std::vector<std::pair<std::string, double>> layers;
};

RunReport read_run_report(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error(path + ": cannot be read; name a JSON report of run");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  try {
    const boost::json::object o = boost::json::parse(text).as_object();
    if (o.at("schema").as_string() != "tessera-run") throw std::runtime_error("schema");
    const auto string = [&](const char* key) { return std::string(o.at(key).as_string()); };
    RunReport r{string("network"), string("chip"), string("timing"), string("core"), 0, 0, {}};
    r.images = o.at("images").to_number<double>();
    r.cycles = o.at("cycles").to_number<double>();
    for (const boost::json::value& layer : o.at("layers").as_array()) {
      r.layers.emplace_back(layer.at("name").as_string(), layer.at("cycles").to_number<double>());
    }
    if (!(r.images >= 1)) throw std::runtime_error("images");
    return r;
  } catch (const std::exception&) {
    throw std::runtime_error(path + ": is no report of run; make one with 'tessera run --json'");
  }
}

/// Layer by layer, cycles an image: as run, as estimated, and the difference in per cent.
void print_comparison(const estimate::Estimate& e, const RunReport& run, const std::string& network,
                      const std::string& path) {
  if (run.network != network || run.layers.size() != e.layers.size()) {
    throw std::runtime_error(path + ": is of network " + run.network + " with " +
                             std::to_string(run.layers.size()) + " layers, the estimate of " +
                             network + " with " + std::to_string(e.layers.size()) +
                             "; compare the same network");
  }
  std::printf("\nAgainst %s (core %s, timing %s), cycles an image\n", path.c_str(),
              run.core.c_str(), run.timing.c_str());
  std::printf("%-22s %11s %11s %8s\n", "layer", "run", "estimate", "error");
  const auto row = [&](const std::string& name, double measured, uint64_t estimated) {
    const double cycles = measured / run.images;
    std::printf("%-22s %11.0f %11llu %+7.2f%%\n", name.c_str(), cycles, number(estimated),
                cycles > 0 ? 100 * (static_cast<double>(estimated) / cycles - 1) : 0.0);
  };
  for (size_t i = 0; i < e.layers.size(); ++i) {
    row(e.layers[i].name, run.layers[i].second, e.layers[i].cycles);
  }
  row("total", run.cycles, e.cycles);
}

}  // namespace

int estimate_command(const std::vector<std::string>& arguments) {
  namespace po = boost::program_options;
  Arguments args("estimate NET.onnx|IMAGE.timg [--chip CHIP]", "file");
  args.options().add_options()("chip", po::value<std::string>()->default_value("reference"),
                               "chip file or name")("json", po::value<std::string>(),
                                                    "write a report")(
      "compare", po::value<std::string>(), "JSON report of a run to print the errors against");
  if (!args.parse(arguments)) return kExitGood;
  const std::string path = args.require("file", "the network (ONNX) or image (.timg)");
  const chip::Chip chip = chip::load_chip(args.text("chip"));
  const deploy::Image image = image_of(path, chip);
  const auto start = std::chrono::steady_clock::now();
  const estimate::Estimate e = estimate::estimate(image, chip);
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
  print(e, image, chip);
  if (args.has("compare")) {
    const RunReport run = read_run_report(args.text("compare"));
    if (run.chip != chip.name) {
      throw std::runtime_error(args.text("compare") + ": is of chip " + run.chip +
                               ", the estimate of " + chip.name + "; compare the same chip");
    }
    print_comparison(e, run, image.network_name(), args.text("compare"));
  }
  if (args.has("json")) {
    const std::string text = json_text(report(e, image, chip, wall.count()));
    deploy::write_file(args.text("json"), text.data(), text.size());
  }
  return kExitGood;
}

}  // namespace tessera::platform
