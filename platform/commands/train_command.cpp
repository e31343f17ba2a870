#include <cstdio>

#include "command.hpp"
#include "compress/nets.hpp"
#ifdef TESSERA_HAS_TRAINING
#include "compress/train.hpp"
#endif
#include "progress.hpp"

namespace tessera::platform {

#ifdef TESSERA_HAS_TRAINING

namespace {

std::string known_nets() {
  std::string text;
  for (const std::string& name : compress::net_names()) text += (text.empty() ? "" : ", ") + name;
  return text;
}

/// The value of an option that takes one of two words: whether it is the second.
bool second_of(const Arguments& args, const std::string& name, const std::string& first,
               const std::string& second) {
  const std::string value = args.text(name);
  if (value != first && value != second) {
    throw UsageError("--" + name + " must be " + first + " or " + second + ", not " + value);
  }
  return value == second;
}

void read_optimizer(const Arguments& args, compress::TrainOptions& options) {
  if (second_of(args, "schedule", "cosine", "triangular")) {
    options.schedule = compress::Schedule::kTriangular;
  }
  if (second_of(args, "optimizer", "adam", "sgd")) {
    options.optimizer = compress::Optimizer::kSgd;
    options.learning_rate = 0.1;
    options.weight_decay = 5e-4;
  }
  if (args.has("learning-rate")) options.learning_rate = args.get<double>("learning-rate");
  if (args.has("weight-decay")) options.weight_decay = args.get<double>("weight-decay");
}

}  // namespace

int train_command(const std::vector<std::string>& arguments) {
  namespace po = boost::program_options;
  const compress::TrainOptions defaults;
  Arguments args("train NET -o NET.onnx [options]\nNET is an ONNX file, or one of: " + known_nets(),
                 "net");
  args.options().add_options()("data", po::value<std::string>()->default_value(""),
                               "data set: a folder, or a name (fashion-mnist)")(
      "output,o", po::value<std::string>(), "ONNX file to write")(
      "epochs", po::value<int>()->default_value(defaults.epochs), "passes over the training split")(
      "batch-size", po::value<int>()->default_value(defaults.batch_size), "images a step")(
      "optimizer", po::value<std::string>()->default_value("adam"), "adam, or sgd (Nesterov)")(
      "schedule", po::value<std::string>()->default_value("cosine"), "cosine or triangular")(
      "learning-rate", po::value<double>(), "peak; default 0.003, with sgd 0.1")(
      "weight-decay", po::value<double>(), "of weights; default 0.01, with sgd 0.0005")(
      "label-smoothing", po::value<double>()->default_value(defaults.label_smoothing), "0..1")(
      "shift", po::value<int>()->default_value(defaults.shift_pixels),
      "pixels by which images are shifted at random")("no-flip", "mirror no images")(
      "zero-mean", "subtract the mean of a network's input that has no normalisation yet")(
      "average", po::value<double>()->default_value(defaults.average),
      "write the moving average of the weights that keeps this share a step; 0: the last weights")(
      "validation", po::value<int64_t>()->default_value(defaults.validation_images),
      "images held out of the training split, only reported")(
      "precision", po::value<std::string>()->default_value("auto"),
      "auto (bfloat16 for large networks on a CPU with AMX), float32 or bfloat16")(
      "seed", po::value<uint64_t>()->default_value(defaults.seed), "of weights and order")(
      "threads", po::value<int>()->default_value(defaults.threads), "of libtorch")(
      "checkpoint", po::value<std::string>(), "file to resume from, default OUTPUT.checkpoint")(
      "restart", "start over, whatever the checkpoint says");
  if (!args.parse(arguments)) return kExitGood;

  compress::TrainJob job;
  job.net = args.require("net", "the network");
  job.data = args.text("data");
  job.output = args.require("output", "the ONNX file to write (-o)");
  job.options.epochs = args.get<int>("epochs");
  job.options.batch_size = args.get<int>("batch-size");
  read_optimizer(args, job.options);
  job.options.label_smoothing = args.get<double>("label-smoothing");
  job.options.shift_pixels = args.get<int>("shift");
  job.options.flip = !args.has("no-flip");
  job.options.zero_mean_input = args.has("zero-mean");
  job.options.average = args.get<double>("average");
  job.options.validation_images = args.get<int64_t>("validation");
  job.options.precision = compress::parse_precision(args.text("precision"));
  job.options.seed = args.get<uint64_t>("seed");
  job.options.threads = args.get<int>("threads");
  job.options.checkpoint = args.text("checkpoint");
  job.options.restart = args.has("restart");

  Progress progress;
  job.options.on_progress = [&](double fraction) { progress.show("train", fraction); };
  job.options.on_epoch = [&](const compress::EpochReport& e) {
    char line[160];
    const int length =
        std::snprintf(line, sizeof(line), "epoch %d/%d: loss %.4f, training top-1 %.2f %%", e.epoch,
                      e.epochs, e.train_loss, e.train_top1_percent);
    if (e.validation_top1_percent >= 0) {
      std::snprintf(line + length, sizeof(line) - static_cast<size_t>(length),
                    ", validation %.2f %%", e.validation_top1_percent);
    }
    progress.line(line);
  };
  const std::string output = job.output;
  const compress::TrainReport report = compress::run_train(std::move(job));
  std::printf("%s: float top-1 %.2f %% on %lld test images\n", output.c_str(),
              report.test_top1_percent, static_cast<long long>(report.test_images));
  return kExitGood;
}

#else

int train_command(const std::vector<std::string>&) {
  throw UsageError("this build has no training: configure with TESSERA_TORCH=ON");
}

#endif

}  // namespace tessera::platform
