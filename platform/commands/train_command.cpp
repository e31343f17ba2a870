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
      "learning-rate", po::value<double>()->default_value(defaults.learning_rate), "peak")(
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
  job.options.learning_rate = args.get<double>("learning-rate");
  job.options.seed = args.get<uint64_t>("seed");
  job.options.threads = args.get<int>("threads");
  job.options.checkpoint = args.text("checkpoint");
  job.options.restart = args.has("restart");

  Progress progress;
  job.options.on_progress = [&](double fraction) { progress.show("train", fraction); };
  job.options.on_epoch = [&](const compress::EpochReport& e) {
    char line[128];
    std::snprintf(line, sizeof(line), "epoch %d/%d: loss %.4f, training top-1 %.2f %%", e.epoch,
                  e.epochs, e.train_loss, e.train_top1_percent);
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
