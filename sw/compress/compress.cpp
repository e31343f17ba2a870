#include "compress/compress.hpp"

#include <stdexcept>

#include "compress/calibrate.hpp"
#include "compress/fold.hpp"
#include "compress/measure.hpp"
#include "compress/quantize.hpp"
#include "graph/integer_network.hpp"
#include "graph/onnx_io.hpp"
#include "reference/float_engine.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;

constexpr int64_t kBytesPerFloat = 4;
constexpr int64_t kBytesPerBias = 4;
constexpr int64_t kBytesPerRescale = 3;  // 16 bit multiplier, 8 bit shift
constexpr int64_t kFloatBits = 32;

Progress stage(const CompressOptions& options, const std::string& name) {
  if (!options.on_progress) return {};
  options.on_progress(name, 0);
  return [&options, name](double fraction) { options.on_progress(name, fraction); };
}

void check_fit(const Graph& net, const data::Dataset& dataset) {
  const graph::Shape images = {dataset.channels, dataset.height, dataset.width};
  if (net.shapes.at(net.input) == images) return;
  throw std::runtime_error(dataset.source + " holds images " + graph::to_string(images) + ", " +
                           net.name + " takes " + graph::to_string(net.shapes.at(net.input)));
}

/// What learns from labels needs them, and a tuner.
void check_learning(const Recipe& recipe, const data::Dataset& train,
                    const CompressOptions& options) {
  std::string key;
  if (recipe.finetune.epochs > 0) key = "finetune";
  if (recipe.prune && recipe.prune->retrain.epochs > 0) key = "prune.retrain";
  if (recipe.prune && recipe.prune->criterion == Criterion::kTaylor) key = "prune.criterion taylor";
  if (key.empty()) return;
  if (!train.labelled()) {
    throw std::runtime_error(recipe.file + ": " + key + " needs labels, which " + train.source +
                             " has none of; name a labelled data set, or a recipe without it");
  }
  if (options.fine_tuner == nullptr) {
    throw std::runtime_error(recipe.file + ": " + key +
                             " needs libtorch, which this build is without (TESSERA_TORCH); "
                             "remove the key or use another build");
  }
}

void check(const Graph& net, const Recipe& recipe, const data::Dataset& train,
           const data::Dataset& test, const CompressOptions& options) {
  if (!net.quantizations.empty()) {
    throw std::runtime_error("network " + net.name +
                             " is quantised already; compress the float network");
  }
  if (net.normalization.mean.empty()) {
    throw std::runtime_error("network " + net.name +
                             " does not say how its input is normalised (ONNX metadata "
                             "tessera.input_mean, tessera.input_std): name --input-mean and "
                             "--input-std");
  }
  const auto values = static_cast<int64_t>(net.normalization.mean.size());
  const int64_t channels = net.shapes.at(net.input).front();
  if (values != 1 && values != channels) {
    throw std::runtime_error("network " + net.name + " has " + std::to_string(channels) +
                             " input channels, its normalisation " + std::to_string(values) +
                             " values");
  }
  check_learning(recipe, train, options);
  check_fit(net, train);
  check_fit(net, test);
}

/// Merges what the recipe says; a network with an LRN left is refused.
std::vector<std::string> merge(Graph& net, const Recipe& recipe, const data::Dataset& train) {
  const int64_t count = std::min(recipe.calibration_images, train.count);
  const Samples samples{count,
                        [&](int64_t i) { return reference::normalize(net, train.image(i)); }};
  std::vector<std::string> merged = merge_layers(net, recipe.merge, samples);
  for (const graph::Node& node : net.nodes) {
    if (node.op != graph::Op::kLrn) continue;
    throw std::runtime_error(recipe.file + ": the chip computes no LRN (node '" + node.name +
                             "'); add merge: {lrn: true} to the recipe");
  }
  return merged;
}

void fine_tune(Graph& quantized, const Graph& original, const Recipe& recipe,
               const data::Dataset& train, const CompressOptions& options) {
  if (recipe.finetune.epochs == 0) return;
  FineTuneOptions tuning = recipe.finetune;
  if (recipe.radix_point) tuning.scale_learning_rate = 0;
  options.fine_tuner->fine_tune(quantized, original, train, tuning, stage(options, "fine-tune"));
}

int64_t parameter_count(const Graph& net) {
  int64_t count = 0;
  for (const auto& [name, tensor] : net.weights) count += static_cast<int64_t>(tensor.data.size());
  return count;
}

/// MACs of a layer, from its shapes.
int64_t mac_count(const graph::IntegerLayer& layer, const graph::IntegerTensor& output) {
  const auto per_channel = static_cast<int64_t>(layer.weights.size()) / output.channels;
  return per_channel * output.channels * output.height * output.width;
}

void describe_layers(const graph::IntegerNetwork& network, CompressReport& report) {
  for (const graph::IntegerLayer& layer : network.layers) {
    if (layer.op != graph::IntegerOp::kConv) continue;
    const graph::IntegerTensor& x = network.tensors[static_cast<size_t>(layer.inputs[0])];
    const graph::IntegerTensor& y = network.tensors[static_cast<size_t>(layer.output)];
    LayerReport entry;
    entry.name = layer.name;
    entry.op = x.height * x.width == layer.window.kernel_h * layer.window.kernel_w &&
                       y.height * y.width == 1
                   ? "fully connected"
                   : "convolution";
    entry.weight_bits = layer.weight_bits;
    entry.activation_bits = x.bits;
    entry.activation_signed = x.is_signed;
    entry.power_of_two = layer.p4;
    entry.weights = static_cast<int64_t>(layer.weights.size());
    entry.macs = mac_count(layer, y);
    report.layers.push_back(entry);

    const auto channels = static_cast<int64_t>(layer.bias.size());
    const int64_t layer_bits = entry.weights * entry.weight_bits;
    report.weight_bits += layer_bits;
    report.integer_size_bytes +=
        (layer_bits + 7) / 8 + channels * (kBytesPerBias + kBytesPerRescale);
    report.bit_operations += entry.macs * entry.weight_bits * entry.activation_bits;
  }
}

}  // namespace

CompressResult compress(const Graph& net, const Recipe& recipe, const data::Dataset& train,
                        const data::Dataset& test, const CompressOptions& options) {
  check(net, recipe, train, test, options);
  CompressResult result;
  Graph folded = net;
  if (recipe.prune) {
    folded = prune(net, *recipe.prune, recipe.file, train, options.fine_tuner, options.threads,
                   stage(options, "prune"));
  }
  result.report.pruned_parameters = parameter_count(folded);
  if (recipe.prune && test.labelled()) {
    result.report.pruned_top1_percent = measure_float(
        folded, test, options.test_images, options.threads, stage(options, "measure pruned"));
  }
  fold_batch_norm(folded);
  const Graph teacher = recipe.merge.any() && recipe.finetune.epochs > 0 ? folded : Graph{};
  const std::vector<std::string> merged = merge(folded, recipe, train);
  const std::vector<LayerFormat> formats = layer_formats(folded, recipe);
  const std::vector<ActivationGroup> groups = activation_groups(folded, recipe, formats);

  CompressReport& report = result.report;
  report.net = net.name;
  report.recipe = recipe.name;
  report.merged_layers = merged;
  if (test.labelled()) {
    report.float_top1_percent = measure_float(net, test, options.test_images, options.threads,
                                              stage(options, "measure float"));
  }

  stage(options, "calibrate");
  const Observations observations = observe(folded, groups, train, recipe);
  result.graph = folded;
  result.graph.name = net.name + "-" + recipe.name;
  quantize_activations(result.graph, groups, observations, recipe);
  quantize_weights(result.graph, formats, recipe);
  fine_tune(result.graph, teacher.nodes.empty() ? folded : teacher, recipe, train, options);
  folded = {};  // as large as the result
  settle_weights(result.graph, recipe.radix_point);
  set_rounding(result.graph, recipe.rounding);

  // Measured on what a reader of the file gets, not on what is in memory here.
  const Graph written = graph::parse_onnx(graph::serialize_onnx(result.graph), "the result");
  const graph::IntegerNetwork network = graph::lower(written);
  if (test.labelled()) {
    report.integer_top1_percent = measure_integer(
        network, test, options.test_images, options.threads, stage(options, "measure integer"));
    report.test_images =
        options.test_images > 0 ? std::min(options.test_images, test.count) : test.count;
  }
  report.parameters = parameter_count(net);
  report.float_size_bytes = report.parameters * kBytesPerFloat;
  describe_layers(network, report);
  report.float_bit_operations = graph::mac_count(net) * kFloatBits * kFloatBits;
  return result;
}

CompressReport run_compress(const CompressJob& job) {
  const Recipe recipe = load_recipe(job.recipe);
  Graph net = graph::read_onnx(job.net);
  if (!job.normalization.mean.empty()) net.normalization = job.normalization;
  const graph::Shape& input = net.shapes.at(net.input);
  std::optional<data::ImageShape> shape;
  if (input.size() == 3) shape = data::ImageShape{input[0], input[1], input[2]};
  const data::Dataset train = data::open_dataset(job.data, data::Split::kTrain, shape);
  const data::Dataset test = data::open_dataset(job.data, data::Split::kTest, shape);
  const CompressResult result = compress(net, recipe, train, test, job.options);
  graph::write_onnx(result.graph, job.output);
  return result.report;
}

}  // namespace tessera::compress
