#include <cstdio>
#include <filesystem>
#include <iostream>

#include "abi/number_formats.hpp"
#include "chip/chip.hpp"
#include "command.hpp"
#include "deploy/deploy.hpp"
#include "deploy/image.hpp"
#include "estimate/estimate.hpp"
#include "explore/explore.hpp"
#include "explore/tables.hpp"
#include "progress.hpp"

namespace tessera::platform {
namespace {

/// Points of the front that are printed; --pareto writes all.
constexpr size_t kPrintedPoints = 24;

/// MACs that the array could do in the layers' cycles at their widths.
double peak_macs(const deploy::Image& image, const estimate::Estimate& estimate,
                 const chip::Chip& chip) {
  const double pes = static_cast<double>(chip.npu.clusters) * chip.npu.rows * chip.npu.columns;
  double peak = 0;
  for (size_t i = 0; i < estimate.layers.size(); ++i) {
    const abi::ComputeConfig& config = image.layers().at(i).config;
    const int lanes =
        abi::lanes(static_cast<int>(config.activation_bits), static_cast<int>(config.weight_bits));
    peak += pes * lanes * static_cast<double>(estimate.layers[i].cycles);
  }
  return peak;
}

explore::Costs evaluate(const graph::Graph& graph, const chip::Chip& chip) {
  deploy::DeployOptions options;
  options.strip = true;
  const auto image = deploy::Image::parse(deploy::deploy(graph, chip, options).image, graph.name);
  const estimate::Estimate e = estimate::estimate(image, chip);
  const chip::Scratchpads& pads = chip.npu.scratchpads;

  explore::Costs costs;
  costs.cycles = e.cycles;
  costs.seconds = e.seconds;
  costs.inferences_per_second = 1 / e.seconds;
  costs.energy_pj = e.energy_pj;
  costs.array_mm2 = e.array_mm2;
  costs.scratchpad_bytes =
      chip.npu.clusters * (uint64_t{pads.activation_bytes} + pads.weight_bytes + pads.output_bytes +
                           pads.parameter_bytes);
  costs.dram_bytes = e.dram_bytes;
  costs.macs = e.macs;
  costs.utilization = static_cast<double>(e.macs) / peak_macs(image, e, chip);
  for (const auto& layer : e.layers) costs.cycles_by_bound[layer.bound] += layer.cycles;
  return costs;
}

void write_text(const std::string& path, const std::string& text) {
  deploy::write_file(path, text.data(), text.size());
}

/// Refused before anything is computed.
void check_outputs(const Arguments& args) {
  for (const char* option : {"csv", "pareto"}) {
    const std::filesystem::path path = args.text(option);
    if (path.empty()) continue;
    const auto folder = path.has_parent_path() ? path.parent_path() : ".";
    if (!std::filesystem::is_directory(folder) || std::filesystem::is_directory(path)) {
      throw UsageError("--" + std::string(option) + " " + path.string() + " cannot be written");
    }
  }
}

void print_front(const explore::Sweep& sweep, const std::vector<explore::Result>& results,
                 const std::vector<explore::Result>& front, const std::string& file) {
  size_t errors = 0;
  for (const auto& r : results) errors += r.error ? 1U : 0U;
  std::string objectives;
  for (const std::string& name : sweep.objectives) {
    objectives += (objectives.empty() ? "" : ", ") + name;
  }
  std::printf("%zu points, %zu of them impossible; %zu on the Pareto front%s over %s\n",
              results.size(), errors, front.size(),
              sweep.one_front ? "" : "s of each network and widths", objectives.c_str());
  if (!front.empty()) std::cout << to_table(sweep, front, kPrintedPoints);
  if (front.size() > kPrintedPoints) {
    std::printf("and %zu more: --pareto FILE writes all\n", front.size() - kPrintedPoints);
  }
  if (errors != 0) std::printf("%s says why a point is impossible\n", file.c_str());
}

std::vector<explore::Result> explore_with_progress(const explore::Sweep& sweep,
                                                   explore::ExploreOptions options) {
  Progress progress;
  options.on_message = [&](const std::string& text) {
    progress.line(options.results + ": " + text);
  };
  options.on_progress = [&](size_t done, size_t total) {
    progress.show("exploring", static_cast<double>(done) / static_cast<double>(total));
  };
  return explore::explore(sweep, evaluate, options);
}

}  // namespace

int explore_command(const std::vector<std::string>& arguments) {
  namespace po = boost::program_options;
  Arguments args("explore SWEEP.yaml -o RESULTS.jsonl", "sweep");
  args.options().add_options()("output,o", po::value<std::string>(),
                               "results, a JSON line a point; points that are there are kept")(
      "jobs,j", po::value<uint64_t>()->default_value(0), "threads; 0: one a core")(
      "csv", po::value<std::string>(), "write all points as CSV")(
      "pareto", po::value<std::string>(), "write the Pareto front as CSV");
  if (!args.parse(arguments)) return kExitGood;
  const std::string file = args.require("sweep", "the sweep file");
  explore::ExploreOptions options;
  options.results = args.require("output", "the results file (-o)");
  constexpr uint64_t kMostJobs = 1024;
  if (args.get<uint64_t>("jobs") > kMostJobs) {
    throw UsageError("--jobs must be 0..1024, got " + std::to_string(args.get<uint64_t>("jobs")));
  }
  options.jobs = static_cast<int>(args.get<uint64_t>("jobs"));
  check_outputs(args);

  const explore::Sweep sweep = explore::read_sweep(file);
  const std::vector<explore::Result> results = explore_with_progress(sweep, std::move(options));
  const std::vector<explore::Result> front = explore::front_of(sweep, results);
  if (args.has("csv")) write_text(args.text("csv"), to_csv(sweep, results));
  if (args.has("pareto")) write_text(args.text("pareto"), to_csv(sweep, front));
  print_front(sweep, results, front, args.text("output"));
  return kExitGood;
}

}  // namespace tessera::platform
