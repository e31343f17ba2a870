#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <sstream>

#include "command.hpp"
#include "compress/compress.hpp"
#include "compress/recipe.hpp"
#ifdef TESSERA_HAS_TRAINING
#include "compress/train.hpp"
#endif
#include "deploy/image.hpp"
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

/// The accuracies, or that there are none.
std::string accuracy_text(const compress::CompressReport& r) {
  if (!r.integer_top1_percent || !r.float_top1_percent) {
    return "accuracy not measured (no labels)";
  }
  char text[128];
  std::snprintf(text, sizeof(text), "top-1 %.2f %% (float %.2f %%) on %lld images",
                *r.integer_top1_percent, *r.float_top1_percent,
                static_cast<long long>(r.test_images));
  return text;
}

boost::json::value json_percent(const std::optional<double>& percent) {
  return percent ? boost::json::value(*percent) : boost::json::value(nullptr);
}

double ratio(int64_t before, int64_t after) {
  return after == 0 ? 0 : static_cast<double>(before) / static_cast<double>(after);
}

boost::json::object to_json(const compress::CompressReport& r) {
  boost::json::object o;
  o["schema"] = "tessera-compress";
  o["schema_version"] = 1;
  o["network"] = r.net;
  o["recipe"] = r.recipe;
  o["test_images"] = r.test_images;
  o["float_top1_percent"] = json_percent(r.float_top1_percent);
  o["integer_top1_percent"] = json_percent(r.integer_top1_percent);
  o["pruned_top1_percent"] = json_percent(r.pruned_top1_percent);
  o["parameters"] = r.parameters;
  o["pruned_parameters"] = r.pruned_parameters;
  o["merged_layers"] = boost::json::array(r.merged_layers.begin(), r.merged_layers.end());
  o["weight_bits"] = r.weight_bits;
  o["float_bytes"] = r.float_size_bytes;
  o["integer_bytes"] = r.integer_size_bytes;
  o["bops"] = r.bit_operations;
  o["float_bops"] = r.float_bit_operations;
  boost::json::array layers;
  for (const compress::LayerReport& l : r.layers) {
    layers.push_back(boost::json::object{{"name", l.name},
                                         {"op", l.op},
                                         {"weight_bits", l.weight_bits},
                                         {"weight_code", l.power_of_two ? "p4" : "integer"},
                                         {"activation_bits", l.activation_bits},
                                         {"activation_signed", l.activation_signed},
                                         {"weights", l.weights},
                                         {"macs", l.macs}});
  }
  o["layers"] = std::move(layers);
  return o;
}

void print(const compress::CompressReport& r, const std::string& output) {
  std::printf("%-20s %6s %8s %8s %12s\n", "layer", "op", "weights", "inputs", "MACs");
  for (const compress::LayerReport& l : r.layers) {
    const std::string weights = l.power_of_two ? "p4" : std::to_string(l.weight_bits) + " bit";
    std::printf("%-20s %6s %8s %6d %c %12lld\n", l.name.c_str(), l.op.c_str(), weights.c_str(),
                l.activation_bits, l.activation_signed ? 's' : 'u', static_cast<long long>(l.macs));
  }
  if (r.pruned_top1_percent) {
    std::printf("pruned: %lld of %lld parameters left, float top-1 %.2f %%\n",
                static_cast<long long>(r.pruned_parameters), static_cast<long long>(r.parameters),
                *r.pruned_top1_percent);
  }
  if (!r.merged_layers.empty()) {
    std::printf("merged into their neighbours:");
    for (const std::string& name : r.merged_layers) std::printf(" %s", name.c_str());
    std::printf("\n");
  }
  std::printf("%s: %s, %lld bytes (float %lld, %.2fx), BOPs %.1fx fewer\n", output.c_str(),
              accuracy_text(r).c_str(), static_cast<long long>(r.integer_size_bytes),
              static_cast<long long>(r.float_size_bytes),
              ratio(r.float_size_bytes, r.integer_size_bytes),
              ratio(r.float_bit_operations, r.bit_operations));
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
      "output,o", po::value<std::string>(), "ONNX file to write")(
      "input-mean", po::value<std::string>(),
      "of pixels 0..1, a value a channel, where the file does not say: .485,.456,.406")(
      "input-std", po::value<std::string>(), "likewise")(
      "test-images", po::value<int64_t>()->default_value(0),
      "measure on the first so many test images; 0: all")(
      "threads", po::value<int>()->default_value(2), "of measuring and fine-tuning")(
      "precision", po::value<std::string>()->default_value("float32"),
      "of retraining and fine-tuning: auto, float32 or bfloat16, as for train")(
      "json", po::value<std::string>(), "write the report to this file");
  if (!args.parse(arguments)) return kExitGood;

  compress::CompressJob job;
  job.net = args.require("net", "the network (ONNX)");
  job.data = args.text("data");
  job.recipe = args.text("recipe");
  job.output = args.require("output", "the ONNX file to write (-o)");
  job.normalization = parse_normalization(args);
  job.options.test_images = args.get<int64_t>("test-images");
  job.options.threads = args.get<int>("threads");
#ifdef TESSERA_HAS_TRAINING
  compress::TorchFineTuner tuner(job.options.threads,
                                 compress::parse_precision(args.text("precision")));
  job.options.fine_tuner = &tuner;
#endif
  Progress progress;
  job.options.on_progress = [&](const std::string& stage, double fraction) {
    progress.show(stage, fraction);
  };
  const compress::CompressReport report = compress::run_compress(job);
  print(report, job.output);
  if (args.has("json")) {
    const std::string text = json_text(to_json(report));
    deploy::write_file(args.text("json"), text.data(), text.size());
  }
  return kExitGood;
}

}  // namespace tessera::platform
