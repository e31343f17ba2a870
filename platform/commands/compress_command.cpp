#include <chrono>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <sstream>

#include "chip/chip.hpp"
#include "command.hpp"
#include "commands/compress_output.hpp"
#include "compress/compress.hpp"
#include "compress/recipe.hpp"
#include "compress/stages.hpp"
#ifdef TESSERA_HAS_TRAINING
#include "compress/train.hpp"
#endif
#include "deploy/deploy.hpp"
#include "deploy/image.hpp"
#include "estimate/estimate.hpp"
#include "json_text.hpp"
#include "progress.hpp"

namespace tessera::platform {
namespace {

std::string known_recipes() {
  std::string text;
  for (const std::string& name : compress::recipe_names()) {
    text += (text.empty() ? "" : ", ") + name;
  }
  return text;
}

/// "0.485,0.456,0.406": as many numbers as there are channels, or one for all.
std::vector<float> parse_list(const std::string& text, const std::string& option) {
  std::vector<float> values;
  std::istringstream stream(text);
  for (std::string item; std::getline(stream, item, ',');) {
    char* end = nullptr;
    values.push_back(std::strtof(item.c_str(), &end));
    if (item.empty() || *end != '\0' || !std::isfinite(values.back())) {
      throw UsageError(option + " must be numbers separated by commas, got " + text);
    }
  }
  return values;
}

graph::InputNormalization parse_normalization(const Arguments& args) {
  graph::InputNormalization n;
  if (args.has("input-mean") != args.has("input-std")) {
    throw UsageError("--input-mean and --input-std go together");
  }
  if (!args.has("input-mean")) return n;
  n.mean = parse_list(args.text("input-mean"), "--input-mean");
  n.std = parse_list(args.text("input-std"), "--input-std");
  if (n.mean.empty() || n.mean.size() != n.std.size()) {
    throw UsageError("--input-mean and --input-std must have as many values");
  }
  for (float std : n.std) {
    if (std <= 0) throw UsageError("--input-std must be positive");
  }
  return n;
}

/// Estimates on a chip, as `estimate` does. Weights are not coded: what coding saves depends on
/// their values, which still change when widths and channels are chosen.
compress::LatencyModel latency_on(const chip::Chip& chip) {
  compress::LatencyModel model;
  model.chip = chip.name;
  model.chip_yaml = chip::to_yaml(chip);
  model.estimate = [chip](const graph::Graph& graph) {
    const deploy::DeployOptions options{true, deploy::Coding::kNowhere};
    const auto image = deploy::Image::parse(deploy::deploy(graph, chip, options).image, graph.name);
    const estimate::Estimate e = estimate::estimate(image, chip);
    compress::Costs costs;
    costs.total = static_cast<int64_t>(e.cycles);
    costs.dram_bytes = static_cast<int64_t>(e.dram_bytes);
    for (const estimate::LayerEstimate& layer : e.layers) {
      costs.layers.emplace_back(layer.name, static_cast<int64_t>(layer.cycles));
    }
    return costs;
  };
  return model;
}

std::string command_line(const std::vector<std::string>& arguments) {
  std::string text = "tessera compress";
  for (const std::string& argument : arguments) text += " " + argument;
  return text;
}

}  // namespace

int compress_command(const std::vector<std::string>& arguments) {
  namespace po = boost::program_options;
  Arguments args(
      "compress NET.onnx --recipe RECIPE -o OUT.onnx [options]\nRECIPE is a YAML file, "
      "or one of: " +
          known_recipes(),
      "net");
  args.options().add_options()("data", po::value<std::string>()->default_value(""),
                               "data set: a folder, or a name (fashion-mnist, noise)")(
      "recipe", po::value<std::string>()->default_value("int8"), "recipe: a file or a name")(
      "set", po::value<std::vector<std::string>>()->composing(),
      "a key of the recipe and its value, such as joint.budget.weight_bits=20; may come again")(
      "output,o", po::value<std::string>(), "ONNX file to write")(
      "input-mean", po::value<std::string>(),
      "of pixels 0..1, a value a channel, where the file does not say: .485,.456,.406")(
      "input-std", po::value<std::string>(), "likewise")(
      "test-images", po::value<int64_t>()->default_value(0),
      "measure on the first so many test images; 0: all")(
      "seed", po::value<uint64_t>(),
      "of pruning, allocating and fine-tuning, instead of the recipe's")(
      "epochs-factor", po::value<double>()->default_value(1),
      "multiplies the recipe's epochs, to no fewer than 1: a quick trial, or a long run")(
      "chip", po::value<std::string>()->default_value("reference"),
      "file or name of the chip that latencies are estimated on; none: they are not")(
      "restart", "begin anew, whatever OUTPUT.checkpoint holds")(
      "threads", po::value<int>()->default_value(2), "of measuring and fine-tuning")(
      "precision", po::value<std::string>()->default_value("auto"),
      "of retraining and fine-tuning: auto, float32 or bfloat16, as for train")(
      "json", po::value<std::string>(), "write the report to this file");
  if (!args.parse(arguments)) return kExitGood;

  compress::CompressJob job;
  job.net = args.require("net", "the network (ONNX)");
  job.data = args.text("data");
  job.recipe = args.text("recipe");
  if (args.has("set")) job.settings = args.get<std::vector<std::string>>("set");
  if (args.has("seed")) job.seed = args.get<uint64_t>("seed");
  job.epochs_factor = args.get<double>("epochs-factor");
  if (!(job.epochs_factor > 0 && job.epochs_factor <= 1000)) {
    throw UsageError("--epochs-factor must be above 0 and at most 1000");
  }
  job.output = args.require("output", "the ONNX file to write (-o)");
  job.normalization = parse_normalization(args);
  job.options.test_images = args.get<int64_t>("test-images");
  job.options.threads = args.get<int>("threads");
#ifdef TESSERA_HAS_TRAINING
  compress::TorchFineTuner tuner(job.options.threads,
                                 compress::parse_precision(args.text("precision")));
  job.options.fine_tuner = &tuner;
#endif
  job.options.settings = "precision " + args.text("precision");
  std::optional<compress::LatencyModel> latency;
  if (args.text("chip") != "none") latency = latency_on(chip::load_chip(args.text("chip")));
  job.options.latency = latency ? &*latency : nullptr;
  if (args.has("restart")) compress::remove_stages(job.output + ".checkpoint");
  const auto start = std::chrono::steady_clock::now();
  Progress progress;
  job.options.on_progress = [&](const std::string& stage, double fraction) {
    progress.show(stage, fraction);
  };
  job.options.on_plan = [&](const compress::WidthPlan& plan) {
    progress.clear();
    print_plan(plan);
  };
  const compress::CompressReport report = compress::run_compress(job);
  print(report, job.output);
  if (args.has("json")) {
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - start;
    boost::json::object o = to_json(report);
    const compress::Recipe recipe = compress::recipe_of(job);
    o["settings"] = boost::json::value_from(job.settings);
    o["seeds"] = seeds_of(recipe);
    o["training_epochs"] = compress::training_epochs(recipe);
    o["command"] = command_line(arguments);
    o["wall_seconds"] = wall.count();
    const std::string text = json_text(o);
    deploy::write_file(args.text("json"), text.data(), text.size());
  }
  return kExitGood;
}

}  // namespace tessera::platform
