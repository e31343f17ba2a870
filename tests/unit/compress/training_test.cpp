#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <stdexcept>

#include "compress/compress.hpp"
#include "compress/measure.hpp"
#include "compress/nets.hpp"
#include "compress/prune.hpp"
#include "compress/train.hpp"
#include "graph/onnx_io.hpp"
#include "reference/float_engine.hpp"
#include "support/error_of.hpp"
#include "unit/compress/tiny_problem.hpp"

namespace tessera::compress {
namespace {

namespace fs = std::filesystem;
using graph::Graph;
using test::error_of;
using testing::HasSubstr;

TrainOptions tiny_options() {
  TrainOptions options;
  options.epochs = 4;
  options.optimizer = Optimizer::kSgd;
  options.weight_decay = 5e-4;
  options.batch_size = 16;
  options.learning_rate = 0.05;
  options.shift_pixels = 0;
  options.flip = false;
  options.threads = 1;
  return options;
}

class Training : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("training_" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  fs::path folder_;
};

void expect_same_weights(const Graph& a, const Graph& b) {
  for (const auto& [name, tensor] : a.weights)
    EXPECT_EQ(tensor.data, b.weights.at(name).data) << name;
}

TEST_F(Training, a_small_network_learns_with_either_optimiser_and_schedule) {
  const data::Dataset train_set = corner_images(400, 1), test_set = corner_images(200, 2);
  for (const Optimizer optimizer : {Optimizer::kSgd, Optimizer::kAdam}) {
    for (const Schedule schedule : {Schedule::kCosine, Schedule::kTriangular}) {
      TrainOptions options = tiny_options();
      options.optimizer = optimizer;
      options.schedule = schedule;
      if (optimizer == Optimizer::kAdam) options.learning_rate = 0.01;
      const TrainResult result = train(tiny_net(1), train_set, options);
      EXPECT_GT(measure_float(result.graph, test_set, 0, 1), 97);
      EXPECT_LT(measure_float(
                    [] {
                      Graph net = tiny_net(1);
                      net.normalization = {{0}, {1}};
                      return net;
                    }(),
                    test_set, 0, 1),
                80)
          << "the untrained network must not know it already";
    }
  }
}

TEST_F(Training, the_exported_graph_computes_what_was_trained) {
  TrainOptions options = tiny_options();
  options.validation_images = 100;
  for (const Graph& net : {tiny_net(2), tiny_residual_net(2)}) {
    const data::Dataset set = corner_images(400, 1);
    options.learning_rate = 0.02;
    const TrainResult result = train(net, set, options);
    const data::Dataset test_set = corner_images(200, 9);
    EXPECT_GT(result.last.validation_top1_percent, 90);
    EXPECT_NEAR(measure_float(result.graph, test_set, 0, 1), result.last.validation_top1_percent,
                8);
  }
}

TEST_F(Training, batch_norms_leave_with_their_statistics) {
  TrainOptions options = tiny_options();
  options.epochs = 1;
  const TrainResult result = train(tiny_residual_net(2), corner_images(200, 1), options);
  for (const float scale : result.graph.weights.at("norm.scale").data) {
    EXPECT_GT(std::fabs(scale - 1), 1e-3);
  }
  const TrainResult more = train(result.graph, corner_images(200, 1), options);
  EXPECT_GE(more.last.train_top1_percent, result.last.train_top1_percent)
      << "going on from a trained file must not start over";
}

TEST_F(Training, batch_norms_of_a_trained_file_go_on_from_what_they_compute) {
  TrainOptions options = tiny_options();
  const data::Dataset set = corner_images(200, 1);
  const Graph first = train(tiny_residual_net(2), set, options).graph;
  options.epochs = 1;
  options.learning_rate = 1e-12;  // only the statistics move, towards those of the batches
  const Graph second = train(first, set, options).graph;
  const std::vector<float> image = random_values(64, 5);
  const std::vector<float> before = run_float(first, image), after = run_float(second, image);
  for (size_t i = 0; i < before.size(); ++i) EXPECT_NEAR(after[i], before[i], 0.1 * 4) << i;
  EXPECT_NE(first.weights.at("norm.scale").data, second.weights.at("norm.scale").data)
      << "statistics must come from batches, not from the file";
}

TEST_F(Training, the_moving_average_is_what_is_written_and_what_validation_measures) {
  const data::Dataset set = corner_images(400, 1);
  TrainOptions options = tiny_options();
  options.validation_images = 100;
  const TrainResult last = train(tiny_net(1), set, options);
  options.average = 0.8;
  const TrainResult averaged = train(tiny_net(1), set, options);
  EXPECT_NE(averaged.graph.weights.at("fc1.weight").data, last.graph.weights.at("fc1.weight").data);
  EXPECT_GT(averaged.last.validation_top1_percent, 90);
  EXPECT_FLOAT_EQ(static_cast<float>(averaged.last.train_loss),
                  static_cast<float>(last.last.train_loss))
      << "averaging must not change the run";
  options.learning_rate = 1e-12;
  const TrainResult resting = train(tiny_net(1), set, options);
  const std::vector<float> start = tiny_net(1).weights.at("fc1.weight").data;
  const auto& average = resting.graph.weights.at("fc1.weight").data;
  for (size_t i = 0; i < start.size(); ++i) EXPECT_NEAR(average[i], start[i], 1e-6);
}

TEST_F(Training, bfloat16_learns_what_float32_learns) {
  TrainOptions options = tiny_options();
  options.precision = Precision::kBfloat16;
  try {
    resolve_precision(options.precision, 0);
  } catch (const std::runtime_error& error) {
    GTEST_SKIP() << error.what();
  }
  const data::Dataset set = corner_images(400, 1), test_set = corner_images(200, 2);
  for (const Graph& net : {tiny_net(1), tiny_residual_net(1)}) {
    const TrainResult result = train(net, set, options);
    EXPECT_GT(measure_float(result.graph, test_set, 0, 1), 97) << net.name;
    options.precision = Precision::kFloat32;
    EXPECT_NEAR(train(net, set, options).last.train_loss, result.last.train_loss, 0.05);
    options.precision = Precision::kBfloat16;
  }
}

TEST_F(Training, an_interrupted_run_ends_with_the_same_bits) {
  const data::Dataset set = corner_images(200, 1);
  for (const Optimizer optimizer : {Optimizer::kSgd, Optimizer::kAdam}) {
    TrainOptions options = tiny_options();
    options.optimizer = optimizer;
    options.shift_pixels = 1;
    options.flip = true;
    options.validation_images = 20;
    options.average = optimizer == Optimizer::kSgd ? 0.9 : 0;
    const TrainResult whole = train(tiny_residual_net(1), set, options);

    options.checkpoint = path("checkpoint");
    options.on_epoch = [](const EpochReport& report) {
      if (report.epoch == 2) throw std::runtime_error("interrupted");
    };
    EXPECT_THROW(train(tiny_residual_net(1), set, options), std::runtime_error);
    int epochs_seen = 0;
    options.on_epoch = [&](const EpochReport&) { ++epochs_seen; };
    const TrainResult resumed = train(tiny_residual_net(1), set, options);
    EXPECT_EQ(resumed.resumed_after_epochs, 2);
    EXPECT_EQ(epochs_seen, 2);
    expect_same_weights(whole.graph, resumed.graph);
    EXPECT_EQ(resumed.last.validation_top1_percent, whole.last.validation_top1_percent);
    fs::remove(options.checkpoint);
  }
}

TEST_F(Training, seeds_and_options_change_the_result_and_nothing_else_does) {
  const data::Dataset set = corner_images(100, 1);
  TrainOptions options = tiny_options();
  options.epochs = 1;
  const TrainResult a = train(tiny_net(1), set, options), b = train(tiny_net(1), set, options);
  expect_same_weights(a.graph, b.graph);
  options.seed = 2;
  EXPECT_NE(train(tiny_net(1), set, options).graph.weights.at("fc1.weight").data,
            a.graph.weights.at("fc1.weight").data);
}

TEST_F(Training, a_checkpoint_of_another_run_is_refused) {
  const data::Dataset set = corner_images(100, 1);
  TrainOptions options = tiny_options();
  options.epochs = 1;
  options.checkpoint = path("checkpoint");
  train(tiny_net(1), set, options);
  options.learning_rate *= 2;
  EXPECT_THAT(error_of([&] { train(tiny_net(1), set, options); }), HasSubstr("another run"));
  EXPECT_THAT(error_of([&] { train(tiny_net(2), set, options); }), HasSubstr("another run"));
  options.restart = true;
  EXPECT_EQ(train(tiny_net(1), set, options).resumed_after_epochs, 0);
}

TEST_F(Training, options_and_data_that_do_not_fit_are_refused) {
  const data::Dataset set = corner_images(20, 1);
  const auto with = [&](const std::function<void(TrainOptions&)>& change) {
    TrainOptions options = tiny_options();
    change(options);
    return error_of([&] { train(tiny_net(1), set, options); });
  };
  EXPECT_THAT(with([](TrainOptions& o) { o.epochs = 0; }), HasSubstr("epochs"));
  EXPECT_THAT(with([](TrainOptions& o) { o.batch_size = 0; }), HasSubstr("batch size"));
  EXPECT_THAT(with([](TrainOptions& o) { o.learning_rate = std::nan(""); }),
              HasSubstr("learning rate"));
  EXPECT_THAT(with([](TrainOptions& o) { o.validation_images = 20; }), HasSubstr("validation"));
  EXPECT_THAT(error_of([&] { train(lenet5(1), set, tiny_options()); }),
              HasSubstr("the network takes"));
  data::Dataset five = set;
  five.classes = 5;
  EXPECT_THAT(error_of([&] { train(tiny_net(1), five, tiny_options()); }), HasSubstr("5 classes"));
}

TEST_F(Training, fine_tuning_recovers_what_two_bits_lose) {
  const data::Dataset train_set = corner_images(400, 1), test_set = corner_images(300, 2);
  const Graph net = train(tiny_residual_net(1), train_set, tiny_options()).graph;
  const std::string base =
      "name: t\nweights: {bits: 2, threshold: max}\nactivations: {bits: 2, threshold: max}\n";
  TorchFineTuner tuner(1);
  CompressOptions options;
  options.fine_tuner = &tuner;
  const double before = *compress(net, parse_recipe(base, "r"), train_set, test_set, options)
                             .report.integer_top1_percent;
  const double after =
      *compress(net,
                parse_recipe(base + "finetune: {epochs: 4, batch_size: 16, learning_rate: 0.01, "
                                    "scale_learning_rate: 0.01, shift_pixels: 0, flip: false}\n",
                             "r"),
                train_set, test_set, options)
           .report.integer_top1_percent;
  EXPECT_LT(before, 90);
  EXPECT_GT(after, 95);
}

void scale_tensor(Graph& net, const std::string& name, float factor) {
  for (float& value : net.weights.at(name).data) value *= factor;
}

/// Computes what `net` does: its first layer gives a sixteenth, its second takes sixteen times as
/// much.
Graph with_a_small_first_layer(Graph net) {
  scale_tensor(net, "conv.weight", 1 / 16.0F);
  scale_tensor(net, "conv.bias", 1 / 16.0F);
  scale_tensor(net, "fc1.weight", 16);
  return net;
}

TEST_F(Training, fine_tuning_does_not_depend_on_how_large_the_weights_of_a_layer_are) {
  const data::Dataset images = corner_images(400, 1);
  const Graph net = train(tiny_net(1), images, tiny_options()).graph;
  FineTuneOptions options;
  options.epochs = 2;
  options.batch_size = 16;
  options.shift_pixels = 0;
  options.flip = false;
  options.distillation = 0;
  const auto tuned = [&](Graph graph) {
    TorchFineTuner(1).fine_tune(graph, net, images, options, {});
    return graph;
  };
  const Graph even = with_a_small_first_layer(tuned(net));
  const Graph uneven = tuned(with_a_small_first_layer(net));
  const Graph start = with_a_small_first_layer(net);
  for (const auto& [name, tensor] : uneven.weights) {
    double distance = 0, difference = 0;
    for (size_t i = 0; i < tensor.data.size(); ++i) {
      distance += std::fabs(tensor.data[i] - start.weights.at(name).data[i]);
      difference += std::fabs(tensor.data[i] - even.weights.at(name).data[i]);
    }
    EXPECT_GT(distance, 0) << name;
    // Not 0: Adam's epsilon is no share of anything.
    EXPECT_LT(difference, 0.1 * distance) << name;
  }
}

PruneOptions halving(Criterion criterion) {
  PruneOptions options;
  options.criterion = criterion;
  options.ratio = 0.5;
  options.images = 64;
  options.retrain.epochs = 2;
  options.retrain.batch_size = 16;
  options.retrain.learning_rate = 0.02;
  options.retrain.shift_pixels = 0;
  options.retrain.flip = false;
  return options;
}

TEST_F(Training, retraining_recovers_what_pruning_loses_with_every_criterion) {
  const data::Dataset train_set = corner_images(400, 1), test_set = corner_images(300, 2);
  TorchFineTuner tuner(1);
  for (const Graph& start : {tiny_net(1), tiny_residual_net(1)}) {
    const Graph net = train(start, train_set, tiny_options()).graph;
    for (const Criterion criterion : {Criterion::kL1, Criterion::kL2, Criterion::kTaylor,
                                      Criterion::kSimilarity, Criterion::kReconstruction}) {
      const Graph small = prune(net, halving(criterion), "r", train_set, &tuner, 1, {});
      EXPECT_LT(small.weights.at("fc1.weight").data.size(),
                net.weights.at("fc1.weight").data.size() / 3);
      EXPECT_GT(measure_float(small, test_set, 0, 1), 95)
          << start.name << " " << static_cast<int>(criterion);
    }
  }
}

TEST_F(Training, sensitivities_are_what_the_loss_loses_without_the_channel) {
  const data::Dataset set = corner_images(1, 3);
  const Graph net = train(tiny_net(1), corner_images(100, 1), tiny_options()).graph;
  const auto scores = TorchFineTuner(1).sensitivities(net, {"relu_out", "fc1_relu_out"}, set, 1);
  const auto loss = [&](const Graph& graph) {
    const auto logits = run_float(graph, reference::normalize(graph, set.image(0)));
    double sum = 0;
    for (const float logit : logits) sum += std::exp(static_cast<double>(logit));
    return std::log(sum) - logits[set.labels[0]];
  };
  ASSERT_EQ(scores.at("relu_out").size(), 4U);
  ASSERT_EQ(scores.at("fc1_relu_out").size(), 12U);
  // A channel shrunk by a little, at its readers, changes the loss by that share of its
  // sensitivity.
  constexpr double kShare = 1e-3;
  for (size_t c = 0; c < 12; ++c) {
    Graph less = net, more = net;
    for (size_t k = 0; k < 4; ++k) {
      less.weights.at("fc2.weight").data[k * 12 + c] *= static_cast<float>(1 - kShare);
      more.weights.at("fc2.weight").data[k * 12 + c] *= static_cast<float>(1 + kShare);
    }
    const double slope = (loss(more) - loss(less)) / (2 * kShare);
    EXPECT_NEAR(scores.at("fc1_relu_out")[c], slope * slope, 1e-3 + 0.05 * slope * slope) << c;
  }
}

TEST_F(Training, zeros_stay_zero_through_retraining_and_fine_tuning) {
  const data::Dataset set = corner_images(200, 1);
  const Graph net = train(tiny_net(1), set, tiny_options()).graph;
  TorchFineTuner tuner(1);
  CompressOptions options;
  options.fine_tuner = &tuner;
  const CompressResult result = compress(
      net,
      parse_recipe("name: t\nweights: {bits: 8}\nactivations: {bits: 8}\n"
                   "prune: {fc_sparsity: 0.8, steps: 2, retrain: {epochs: 1, batch_size: 16, "
                   "shift_pixels: 0, flip: false}}\n"
                   "finetune: {epochs: 1, batch_size: 16, shift_pixels: 0, flip: false}\n",
                   "r"),
      set, set, options);
  const auto& weights = result.graph.weights.at("fc1.weight").data;
  const auto zeros = static_cast<size_t>(std::count(weights.begin(), weights.end(), 0.0F));
  EXPECT_GE(zeros, weights.size() * 79 / 100);
  EXPECT_GT(result.report.integer_top1_percent, 95);
}

TEST_F(Training, fine_tuned_power_of_two_weights_and_radix_points_stay_what_they_are) {
  const data::Dataset set = corner_images(200, 1);
  const Graph net = train(tiny_net(1), set, tiny_options()).graph;
  TorchFineTuner tuner(1);
  CompressOptions options;
  options.fine_tuner = &tuner;
  const CompressResult result = compress(
      net,
      parse_recipe("name: t\nweights: {bits: 4, code: power-of-two}\nactivations: {bits: 4}\n"
                   "radix_point: true\nfinetune: {epochs: 1, batch_size: 16, shift_pixels: 0, "
                   "flip: false}\n",
                   "r"),
      set, set, options);
  for (const auto& [name, grid] : result.graph.quantizations) {
    for (const float scale : grid.scales) {
      int exponent = 0;
      EXPECT_EQ(std::frexp(scale, &exponent), 0.5F) << name;
    }
  }
  EXPECT_NE(result.graph.weights.at("fc2.weight").data, net.weights.at("fc2.weight").data);
  EXPECT_GT(result.report.integer_top1_percent, 95);
}

TEST_F(Training, a_job_writes_the_file_and_removes_its_checkpoint) {
  for (const char* split : {"train.bin", "test.bin"}) {
    const data::Dataset set = corner_images(200, 1);
    std::ofstream file(folder_ / split, std::ios::binary);
    for (int64_t i = 0; i < set.count; ++i) {
      file.put(static_cast<char>(set.labels[static_cast<size_t>(i)]));
      file.write(reinterpret_cast<const char*>(set.image(i)), 64);
    }
  }
  graph::write_onnx(tiny_net(1), path("start.onnx"));
  TrainJob job;
  job.net = path("start.onnx");
  job.data = folder_.string();
  job.output = path("out.onnx");
  job.options = tiny_options();
  job.options.on_epoch = [&](const EpochReport& report) {
    if (report.epoch == 2) {
      EXPECT_TRUE(fs::exists(path("out.onnx.checkpoint")));
    }
  };
  const TrainReport report = run_train(job);
  EXPECT_EQ(report.test_images, 200);
  EXPECT_GT(report.test_top1_percent, 95);
  EXPECT_FALSE(fs::exists(path("out.onnx.checkpoint")));
  expect_same_weights(graph::read_onnx(job.output), report.result.graph);
}

TEST_F(Training, a_job_for_an_unknown_network_writes_nothing) {
  TrainJob job;
  job.net = "no_such_net";
  job.output = path("out.onnx");
  EXPECT_THAT(error_of([&] { run_train(job); }), HasSubstr("no_such_net"));
  EXPECT_FALSE(fs::exists(job.output));
}

}  // namespace
}  // namespace tessera::compress
