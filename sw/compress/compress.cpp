#include "compress/compress.hpp"

#include <sstream>
#include <stdexcept>

#include "compress/calibrate.hpp"
#include "compress/fold.hpp"
#include "compress/measure.hpp"
#include "compress/quantization_problem.hpp"
#include "compress/removal.hpp"
#include "compress/stages.hpp"
#include "compress/width_losses.hpp"
#include "graph/integer_network.hpp"
#include "graph/onnx_io.hpp"
#include "reference/float_engine.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;

constexpr int kLatencyBits = 16;

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
  if (recipe.joint) key = "joint";
  if (recipe.prune && recipe.prune->retrain.epochs > 0) key = "prune.retrain";
  if (recipe.prune && recipe.prune->criterion == Criterion::kTaylor) key = "prune.criterion taylor";
  if (recipe.allocate && recipe.allocate->sensitivity == Sensitivity::kHessian) {
    key = "allocate.sensitivity hessian";
  }
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

bool needs_latency(const Recipe& recipe) {
  return (recipe.allocate && recipe.allocate->budget.kind == BudgetKind::kLatency) ||
         (recipe.prune && recipe.prune->target &&
          recipe.prune->target->goal == PruneGoal::kLatency);
}

void check_latency(const Recipe& recipe, const CompressOptions& options) {
  if (!needs_latency(recipe) || options.latency != nullptr) return;
  throw std::runtime_error(recipe.file + ": a target or budget of latency needs a chip (--chip)");
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
  check_latency(recipe, options);
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
               const data::Dataset& train, const CompressOptions& options, const Stages& stages) {
  if (recipe.finetune.epochs == 0) return;
  FineTuneOptions tuning = stages.with_epochs(recipe.finetune, "fine-tune", 1);
  if (recipe.radix_point) tuning.scale_learning_rate = 0;
  options.fine_tuner->fine_tune(quantized, original, train, tuning, stage(options, "fine-tune"));
}

/// All that the stages' results depend on.
std::string fingerprint_of(const Graph& net, const Recipe& recipe, const data::Dataset& train,
                           const CompressOptions& options) {
  std::ostringstream text;
  text << "network " << digest(graph::serialize_onnx(net)) << " recipe " << digest(recipe.text)
       << " data " << digest(train) << " " << options.settings;
  if (needs_latency(recipe)) text << " chip " << digest(options.latency->chip_yaml);
  return text.str();
}

/// Learns what the recipe's `joint` asks for: removes channels of `net` and gives the layers their
/// widths, as rules behind those of the recipe.
Recipe learn_jointly(Graph& net, const Graph& original, const Recipe& recipe,
                     const data::Dataset& train, const CompressOptions& options, Stages& stages) {
  Recipe settled = recipe;
  if (!recipe.joint) return settled;
  Graph trained = net;
  std::optional<JointResult> learned;
  const auto learn = [&]() -> const JointResult& {
    if (learned) return *learned;
    std::map<std::string, int> activation_bits;
    for (const LayerFormat& format : layer_formats(trained, recipe)) {
      activation_bits[format.node] = format.activation_bits;
    }
    JointOptions learning = *recipe.joint;
    learning.training = stages.with_epochs(learning.training, "gates", 1);
    learned = options.fine_tuner->learn_gates(trained, original, activation_bits, train, learning,
                                              stage(options, "learn gates"));
    return *learned;
  };
  std::istringstream widths(stages.text("joint widths", [&] {
    std::ostringstream text;
    for (const auto& [name, bits] : learn().weight_bits) text << bits << ' ' << name << '\n';
    return text.str();
  }));
  net = stages.graph("joint", 1, [&] {
    const JointResult& result = learn();
    return remove_channels(trained, result.map, result.removed);
  });
  LayerRule rule;
  rule.code = graph::WeightCode::kTwosComplement;
  for (int bits = 0; widths >> bits && widths.ignore() && std::getline(widths, rule.match);) {
    rule.weight_bits = bits;
    settled.layers.push_back(rule);
  }
  return settled;
}

/// Applies and reports the widths that the recipe lets it choose.
void allocate_widths(QuantizationProblem& problem, const data::Dataset& train,
                     const CompressOptions& options, Stages& stages, CompressReport& report) {
  const std::string text = stages.text("widths", [&] {
    const WidthLosses losses =
        measure_width_losses(problem, *problem.recipe.allocate, train, options.fine_tuner,
                             options.threads, stage(options, "measure widths"));
    return to_text(plan_widths(
        problem, losses, {report.float_size_bytes, report.float_bit_operations}, options.latency));
  });
  report.plan = parse_plan(text);
  apply_plan(*report.plan, problem.formats);
  problem.groups = activation_groups(problem.net, problem.recipe, problem.formats);
  if (options.on_plan) options.on_plan(*report.plan);
}

/// Latency of a float network, all weights and activations being 16 bit.
Costs latency_16_bit(Graph net, bool merge_lrn, const data::Dataset& train,
                     const LatencyModel& model) {
  Recipe plain;
  plain.calibration_images = 1;
  plain.merge.lrn = merge_lrn;
  fold_batch_norm(net);
  merge(net, plain, train);
  const Observations observations =
      observe(net, activation_groups(net, plain, layer_formats(net, plain)), train, plain);
  return model.estimate(quickly_quantized(make_problem(net, plain, observations), kLatencyBits));
}

/// A network that the chip cannot run does not stop compression; the report says why.
void estimate_latency(const Graph& net, const QuantizationProblem& problem,
                      const data::Dataset& train, const Graph& result,
                      const CompressOptions& options, CompressReport& report) {
  if (options.latency == nullptr) return;
  const LatencyModel& model = *options.latency;
  stage(options, "estimate");
  try {
    LatencyReport latency;
    latency.chip = model.chip;
    const auto inference = [](const Costs& costs) {
      return InferenceReport{costs.total, costs.dram_bytes};
    };
    latency.given_16_bit = inference(latency_16_bit(net, problem.recipe.merge.lrn, train, model));
    const bool smaller = problem.recipe.prune || !report.merged_layers.empty();
    latency.pruned_16_bit =
        smaller ? inference(model.estimate(quickly_quantized(problem, kLatencyBits)))
                : latency.given_16_bit;
    latency.result = inference(model.estimate(result));
    report.latency = latency;
  } catch (const std::runtime_error& error) {
    report.latency_error = error.what();
  }
}

}  // namespace

CompressResult compress(const Graph& net, const Recipe& recipe, const data::Dataset& train,
                        const data::Dataset& test, const CompressOptions& options) {
  check(net, recipe, train, test, options);
  Stages stages(options.checkpoint, fingerprint_of(net, recipe, train, options));
  CompressResult result;
  CompressReport& report = result.report;
  describe_original(net, report);
  report.recipe = recipe.name;
  Graph folded = net;
  if (recipe.prune) {
    folded = prune(net, *recipe.prune, recipe.file, train, options.fine_tuner, options.threads,
                   stage(options, "prune"), &stages, [&](const Graph& graph) {
                     return latency_16_bit(graph, recipe.merge.lrn, train, *options.latency).total;
                   });
  }
  report.pruned_parameters = parameter_count(folded);
  if (recipe.prune && test.labelled()) {
    report.pruned_top1_percent = measure_float(folded, test, options.test_images, options.threads,
                                               stage(options, "measure pruned"));
  }
  fold_batch_norm(folded);
  const bool distils = recipe.finetune.epochs > 0 && (recipe.merge.any() || recipe.joint);
  const Graph teacher = distils ? folded : Graph{};
  report.merged_layers = merge(folded, recipe, train);
  const Recipe settled = learn_jointly(folded, net, recipe, train, options, stages);
  if (recipe.joint) report.pruned_parameters = parameter_count(folded);
  const std::vector<LayerFormat> formats = layer_formats(folded, settled);
  LogitList expected, actual;
  if (test.labelled()) {
    report.float_top1_percent = measure_float(net, test, options.test_images, options.threads,
                                              stage(options, "measure float"), &expected);
  }

  stage(options, "calibrate");
  const Observations observations =
      observe(folded, activation_groups(folded, settled, formats), train, settled);
  QuantizationProblem problem = make_problem(folded, settled, observations);
  if (recipe.allocate) allocate_widths(problem, train, options, stages, report);
  result.graph = quantized(problem);
  result.graph.name = net.name + "-" + recipe.name;
  fine_tune(result.graph, teacher.nodes.empty() ? folded : teacher, recipe, train, options, stages);
  settle_weights(result.graph, recipe.radix_point);
  set_rounding(result.graph, recipe.rounding);

  // Measured on what a reader of the file gets, not on what is in memory here.
  const Graph written = graph::parse_onnx(graph::serialize_onnx(result.graph), "the result");
  const graph::IntegerNetwork network = graph::lower(written);
  if (test.labelled()) {
    report.integer_top1_percent =
        measure_integer(network, test, options.test_images, options.threads,
                        stage(options, "measure integer"), &actual);
    report.logits_relative_error = relative_error(actual, expected);
    report.test_images =
        options.test_images > 0 ? std::min(options.test_images, test.count) : test.count;
  }
  describe_result(network, net, report);
  estimate_latency(net, problem, train, written, options, report);
  return result;
}

Recipe recipe_of(const CompressJob& job) {
  Recipe recipe = load_recipe(job.recipe, job.settings);
  if (job.seed) set_seed(recipe, *job.seed);
  scale_epochs(recipe, job.epochs_factor);
  return recipe;
}

CompressReport run_compress(const CompressJob& job) {
  const Recipe recipe = recipe_of(job);
  Graph net = graph::read_onnx(job.net);
  if (!job.normalization.mean.empty()) net.normalization = job.normalization;
  const graph::Shape& input = net.shapes.at(net.input);
  std::optional<data::ImageShape> shape;
  if (input.size() == 3) shape = data::ImageShape{input[0], input[1], input[2]};
  const data::Dataset train = data::open_dataset(job.data, data::Split::kTrain, shape);
  const data::Dataset test = data::open_dataset(job.data, data::Split::kTest, shape);
  CompressOptions options = job.options;
  if (options.checkpoint.empty()) options.checkpoint = job.output + ".checkpoint";
  if (job.seed) options.settings += " seed " + std::to_string(*job.seed);
  if (job.epochs_factor != 1) options.settings += " epochs " + std::to_string(job.epochs_factor);
  const CompressResult result = compress(net, recipe, train, test, options);
  graph::write_onnx(result.graph, job.output);
  remove_stages(options.checkpoint);
  return result.report;
}

}  // namespace tessera::compress
