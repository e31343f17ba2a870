#include "compress/train.hpp"

#include <zlib.h>

#include <sstream>
#include <stdexcept>

#include "compress/fold.hpp"
#include "compress/gated_net.hpp"
#include "compress/sensitivity.hpp"
#include "compress/trainer.hpp"

namespace tessera::compress {
namespace {

constexpr int64_t kMaxShiftPixels = 64;
constexpr double kRetrainDecay = 5e-4;

void require(bool good, const std::string& message) {
  if (!good) throw std::runtime_error("train: " + message);
}

void check_options(const TrainOptions& options) {
  require(options.epochs >= 1 && options.epochs <= 100000, "epochs must be in 1..100000");
  require(options.batch_size >= 1, "batch size must be 1 or more");
  require(options.learning_rate > 0, "learning rate must be above 0");
  require(options.momentum >= 0 && options.momentum < 1, "momentum must be in [0, 1)");
  require(options.weight_decay >= 0, "weight decay must not be negative");
  require(options.label_smoothing >= 0 && options.label_smoothing < 1,
          "label smoothing must be in [0, 1)");
  require(options.shift_pixels >= 0 && options.shift_pixels <= kMaxShiftPixels,
          "shift must be in 0.." + std::to_string(kMaxShiftPixels) + " pixels");
  require(options.validation_images >= 0, "validation images must not be negative");
  require(options.average >= 0 && options.average < 1, "average must be in [0, 1)");
  require(options.threads >= 1, "threads must be 1 or more");
}

void check_data(const graph::Graph& net, const data::Dataset& dataset, int64_t held_out) {
  const graph::Shape images = {dataset.channels, dataset.height, dataset.width};
  require(net.shapes.at(net.input) == images,
          dataset.source + " holds images " + graph::to_string(images) + ", the network takes " +
              graph::to_string(net.shapes.at(net.input)));
  require(dataset.labelled(), dataset.source + " has no labels");
  const int64_t classes = graph::element_count(net.shapes.at(net.output));
  require(dataset.classes <= classes, dataset.source + " has " + std::to_string(dataset.classes) +
                                          " classes, the network " + std::to_string(classes));
  require(held_out < dataset.count,
          "validation takes all " + std::to_string(dataset.count) + " training images");
}

uint32_t crc(const void* bytes, size_t size_bytes, uint32_t start) {
  return static_cast<uint32_t>(crc32_z(start, static_cast<const Bytef*>(bytes), size_bytes));
}

std::string fingerprint_of(const graph::Graph& net, const data::Dataset& dataset,
                           const TrainOptions& o) {
  uint32_t weights = 0;
  for (const auto& [name, tensor] : net.weights) {
    weights = crc(name.data(), name.size(), weights);
    weights = crc(tensor.data.data(), tensor.data.size() * sizeof(float), weights);
  }
  uint32_t data = crc(dataset.labels.data(), dataset.labels.size(), 0);
  data = crc(dataset.images.data(), dataset.images.size(), data);
  std::ostringstream text;
  text << net.name << " weights " << weights << " nodes " << net.nodes.size() << " data " << data
       << " epochs " << o.epochs << " batch " << o.batch_size << " optimizer "
       << static_cast<int>(o.optimizer) << " schedule " << static_cast<int>(o.schedule) << " rate "
       << o.learning_rate << " momentum " << o.momentum << " decay " << o.weight_decay
       << " smoothing " << o.label_smoothing << " shift " << o.shift_pixels << " flip " << o.flip
       << " mean " << o.zero_mean_input << " validation " << o.validation_images << " seed "
       << o.seed << " average " << o.average << " precision " << static_cast<int>(o.precision);
  return text.str();
}

/// Computes the same, with fewer passes over memory.
graph::Graph without_norms(graph::Graph net) {
  fold_batch_norm(net);
  return net;
}

/// True if a batch norm has another scale or shift than it was built with.
bool has_trained_norms(const graph::Graph& net) {
  for (const graph::Node& node : net.nodes) {
    if (node.op != graph::Op::kBatchNorm) continue;
    for (const float scale : net.weights.at(node.inputs[1]).data) {
      if (scale != 1) return true;
    }
    for (const float shift : net.weights.at(node.inputs[2]).data) {
      if (shift != 0) return true;
    }
  }
  return false;
}

}  // namespace

TrainResult train(const graph::Graph& net, const data::Dataset& train, const TrainOptions& given) {
  TrainOptions options = given;
  options.precision = resolve_precision(options.precision, graph::mac_count(net));
  check_options(options);
  check_data(net, train, options.validation_images);
  require(net.quantizations.empty(), net.name + " is quantised already; train the float network");
  graph::Graph start = net;
  if (start.normalization.mean.empty()) {
    start.normalization = measure_normalization(train, options.zero_mean_input);
  }
  TorchNet torch_net(start, NormMode::kBatchStatistics, options.precision);
  LoopOptions loop;
  loop.estimate_norms = has_trained_norms(start);
  loop.train = options;
  loop.fingerprint = fingerprint_of(start, train, options);
  Trainer trainer(torch_net, nullptr, train, start.normalization, loop);
  TrainResult result;
  result.last = trainer.run();
  result.resumed_after_epochs = trainer.resumed_after_epochs();
  result.graph = torch_net.to_graph();
  return result;
}

namespace {

LoopOptions loop_of(const FineTuneOptions& options, int threads, Precision precision,
                    const std::function<void(double fraction)>& on_progress) {
  LoopOptions loop;
  loop.train.epochs = options.epochs;
  loop.train.batch_size = options.batch_size;
  loop.train.learning_rate = options.learning_rate;
  loop.train.weight_decay = 0;
  loop.train.average = options.average;
  loop.train.shift_pixels = options.shift_pixels;
  loop.train.flip = options.flip;
  loop.train.seed = options.seed;
  loop.train.threads = threads;
  loop.train.precision = precision;
  loop.train.on_progress = on_progress;
  loop.distillation = options.distillation;
  loop.keep_zeros = options.keep_zeros;
  loop.train.checkpoint = options.checkpoint;
  loop.fingerprint = options.fingerprint;
  check_options(loop.train);
  return loop;
}

}  // namespace

void TorchFineTuner::fine_tune(graph::Graph& quantized, const graph::Graph& original,
                               const data::Dataset& train, const FineTuneOptions& options,
                               const std::function<void(double fraction)>& on_progress) {
  check_data(quantized, train, 0);
  const Precision precision = resolve_precision(precision_, graph::mac_count(original));
  LoopOptions loop = loop_of(options, threads_, precision, on_progress);
  loop.train.optimizer = Optimizer::kAdam;
  loop.relative_rates = true;
  loop.scale_learning_rate = options.scale_learning_rate;
  loop.freeze = options.freeze;
  TorchNet student(quantized, NormMode::kAffine, precision);
  TorchNet teacher(without_norms(original), NormMode::kAffine, precision);
  Trainer(student, &teacher, train, quantized.normalization, loop).run();
  quantized = student.to_graph();
}

void TorchFineTuner::retrain(graph::Graph& pruned, const graph::Graph& original,
                             const data::Dataset& train, const FineTuneOptions& options,
                             const std::function<void(double fraction)>& on_progress) {
  check_data(pruned, train, 0);
  const Precision precision = resolve_precision(precision_, graph::mac_count(original));
  LoopOptions loop = loop_of(options, threads_, precision, on_progress);
  loop.train.optimizer = Optimizer::kSgd;
  loop.train.weight_decay = kRetrainDecay;
  loop.estimate_norms = true;
  TorchNet student(pruned, NormMode::kBatchStatistics, precision);
  TorchNet teacher(without_norms(original), NormMode::kAffine, precision);
  Trainer(student, &teacher, train, pruned.normalization, loop).run();
  pruned = student.to_graph();
}

JointResult TorchFineTuner::learn_gates(graph::Graph& net, const graph::Graph& original,
                                        const std::map<std::string, int>& activation_bits,
                                        const data::Dataset& train, const JointOptions& options,
                                        const std::function<void(double fraction)>& on_progress) {
  check_data(net, train, 0);
  const Precision precision = resolve_precision(precision_, graph::mac_count(original));
  LoopOptions loop = loop_of(options.training, threads_, precision, on_progress);
  loop.train.optimizer = Optimizer::kAdam;
  loop.relative_rates = true;
  loop.scale_learning_rate = options.training.scale_learning_rate;
  loop.gate_learning_rate = options.gate_learning_rate;
  GatedNet student(net, activation_bits, float_cost(original, options.cost), options, precision);
  loop.gates = &student;
  TorchNet teacher(without_norms(original), NormMode::kAffine, precision);
  Trainer(student, &teacher, train, net.normalization, loop).run();
  net = student.float_graph();
  return student.decide();
}

std::map<std::string, std::vector<double>> TorchFineTuner::sensitivities(
    const graph::Graph& net, const std::vector<std::string>& tensors, const data::Dataset& train,
    int64_t images) {
  check_data(net, train, 0);
  TorchNet torch_net(net, NormMode::kAffine);
  return measure_sensitivities(torch_net, tensors, train, net.normalization, images, threads_);
}

std::map<std::string, double> TorchFineTuner::hessian_traces(const graph::Graph& net,
                                                             const data::Dataset& train,
                                                             int64_t images, int probes,
                                                             uint64_t seed) {
  check_data(net, train, 0);
  TorchNet torch_net(net, NormMode::kAffine);
  return measure_hessian_traces(torch_net, train, net.normalization, images, probes, seed,
                                threads_);
}

}  // namespace tessera::compress
