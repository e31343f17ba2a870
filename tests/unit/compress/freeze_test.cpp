#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <stdexcept>

#include "compress/compress.hpp"
#include "compress/measure.hpp"
#include "compress/train.hpp"
#include "compress/trainer.hpp"
#include "support/error_of.hpp"
#include "unit/compress/tiny_problem.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Quantization;
using graph::WeightCode;
using testing::HasSubstr;

constexpr const char* kWeight = "fc1.weight";

/// tiny_net with grids on its weights only.
Graph tiny_on_grids(WeightCode code) {
  Graph net = tiny_net(3);
  net.normalization = {{0.2F}, {0.4F}};
  for (const char* weight : {"conv.weight", kWeight, "fc2.weight"}) {
    Quantization grid;
    grid.bits = 4;
    grid.code = code;
    const auto channels = static_cast<size_t>(net.weights.at(weight).shape[0]);
    for (size_t k = 0; k < channels; ++k)
      grid.scales.push_back(0.01F + 0.001F * static_cast<float>(k));
    net.quantizations[weight] = grid;
  }
  return net;
}

/// The grid point nearest to value i of a weight.
float on_grid(const Graph& net, const std::string& weight, size_t i) {
  const Quantization& grid = net.quantizations.at(weight);
  const float scale = grid.scales[i / (net.weights.at(weight).data.size() / grid.scales.size())];
  return scale * static_cast<float>(graph::quantize(net.weights.at(weight).data[i], scale, grid));
}

void disturb(TorchNet& net) {
  at::NoGradGuard no_grad;
  for (auto& [name, parameter] : net.parameters()) {
    if (!TorchNet::is_scale(name)) parameter.add_(0.3);
  }
}

TEST(Freezing, takes_the_largest_magnitudes_and_keeps_them) {
  for (const WeightCode code : {WeightCode::kPowerOfTwo, WeightCode::kTwosComplement}) {
    const Graph start = tiny_on_grids(code);
    const std::vector<float>& before = start.weights.at(kWeight).data;
    std::vector<float> sorted = before;
    std::sort(sorted.begin(), sorted.end(),
              [](float a, float b) { return std::fabs(a) > std::fabs(b); });
    TorchNet net(start, NormMode::kAffine);
    net.start_freezing(Unfrozen::kFloat);
    size_t frozen_before = 0;
    for (const double share : {0.25, 0.75}) {
      net.freeze_weights(share);
      const Graph present = net.to_graph();
      const float limit = std::fabs(sorted[static_cast<size_t>(share * 768) - 1]);
      size_t frozen = 0;
      for (size_t i = 0; i < before.size(); ++i) {
        const bool large = std::fabs(before[i]) >= limit;
        frozen += large ? 1 : 0;
        // What was frozen at the first share must not follow the disturbance.
        const float expected = large ? on_grid(start, kWeight, i) : before[i];
        if (large || frozen_before == 0) {
          EXPECT_NEAR(present.weights.at(kWeight).data[i], expected, 1e-6) << i;
        }
      }
      EXPECT_EQ(frozen, static_cast<size_t>(share * 768));
      frozen_before = frozen;
    }
    const Graph settled = net.to_graph();
    disturb(net);
    const Graph disturbed = net.to_graph();
    size_t same = 0;
    for (size_t i = 0; i < before.size(); ++i) {
      same +=
          settled.weights.at(kWeight).data[i] == disturbed.weights.at(kWeight).data[i] ? 1U : 0U;
    }
    EXPECT_EQ(same, 576U) << "only frozen ones stay";
  }
}

TEST(Freezing, weights_that_are_not_frozen_compute_with_what_was_asked_for) {
  const Graph start = tiny_on_grids(WeightCode::kPowerOfTwo);
  Graph as_floats = start;
  as_floats.quantizations.clear();
  const at::Tensor images = torch::ones({2, 1, 8, 8});
  const auto logits = [&](const Graph& graph, bool freezing, Unfrozen rest) {
    TorchNet net(graph, NormMode::kAffine);
    if (freezing) net.start_freezing(rest);
    return net.forward(images, false).detach();
  };
  const at::Tensor floats = logits(as_floats, false, Unfrozen::kFloat);
  const at::Tensor rounded = logits(start, false, Unfrozen::kFloat);
  ASSERT_FALSE(at::equal(floats, rounded));
  EXPECT_TRUE(at::equal(logits(start, true, Unfrozen::kFloat), floats));
  EXPECT_TRUE(at::equal(logits(start, true, Unfrozen::kRounded), rounded));
  TorchNet all(start, NormMode::kAffine);
  all.start_freezing(Unfrozen::kFloat);
  all.freeze_weights(1);
  EXPECT_TRUE(at::allclose(all.forward(images, false), rounded, 1e-5, 1e-5));
}

TEST(Freezing, frozen_weights_get_no_gradient_and_their_scales_do) {
  TorchNet net(tiny_on_grids(WeightCode::kPowerOfTwo), NormMode::kAffine);
  net.start_freezing(Unfrozen::kFloat);
  net.freeze_weights(1);
  net.forward(torch::ones({2, 1, 8, 8}), true).pow(2).sum().backward();
  EXPECT_EQ(net.parameters().at("fc2.weight").grad().abs().max().item<float>(), 0);
  EXPECT_GT(net.parameters().at("fc2.weight/scale").grad().abs().max().item<float>(), 0);
  EXPECT_GT(net.parameters().at("fc2.bias").grad().abs().max().item<float>(), 0);
}

LoopOptions tiny_loop() {
  LoopOptions loop;
  loop.train.epochs = 4;
  loop.train.batch_size = 16;
  loop.train.learning_rate = 0.01;
  loop.train.weight_decay = 0;
  loop.train.shift_pixels = 0;
  loop.train.threads = 1;
  loop.scale_learning_rate = 0.01;
  loop.freeze.steps = {0.5, 0.75, 1, 1};
  return loop;
}

Graph freeze_through(const LoopOptions& loop) {
  const Graph start = tiny_on_grids(WeightCode::kPowerOfTwo);
  TorchNet net(start, NormMode::kAffine);
  Trainer(net, nullptr, corner_images(100, 1), start.normalization, loop).run();
  return net.to_graph();
}

TEST(Freezing, an_interrupted_run_ends_with_the_same_bits) {
  LoopOptions loop = tiny_loop();
  const Graph whole = freeze_through(loop);
  const std::string path = (std::filesystem::temp_directory_path() /
                            ("freezing_" + std::to_string(getpid()) + ".checkpoint"))
                               .string();
  loop.train.checkpoint = path;
  loop.train.on_epoch = [](const EpochReport& report) {
    if (report.epoch == 2) throw std::runtime_error("interrupted");
  };
  EXPECT_THROW(freeze_through(loop), std::runtime_error);
  loop.train.on_epoch = {};
  const Graph resumed = freeze_through(loop);
  std::filesystem::remove(path);
  for (const auto& [name, tensor] : whole.weights) {
    EXPECT_EQ(tensor.data, resumed.weights.at(name).data) << name;
  }
}

TEST(Freezing, weights_learn_until_their_part_of_the_epochs_has_passed) {
  LoopOptions loop = tiny_loop();
  const Graph start = tiny_on_grids(WeightCode::kPowerOfTwo);
  TorchNet net(start, NormMode::kAffine);
  std::vector<double> shares;
  loop.train.on_epoch = [&](const EpochReport&) {
    shares.push_back(net.buffers().at("fc1.weight/frozen").mean().item<double>());
  };
  Trainer(net, nullptr, corner_images(100, 1), start.normalization, loop).run();
  EXPECT_EQ(shares, (std::vector<double>{0.5, 0.75, 1, 1}));
  const Graph end = net.to_graph();
  size_t moved = 0;
  for (size_t i = 0; i < 768; ++i) {
    EXPECT_NEAR(end.weights.at(kWeight).data[i], on_grid(end, kWeight, i), 1e-6);
    moved +=
        std::fabs(end.weights.at(kWeight).data[i] - on_grid(start, kWeight, i)) > 0.005 ? 1U : 0U;
  }
  EXPECT_GT(moved, 76U);
}

TEST(Freezing, a_moving_average_leaves_frozen_weights_on_their_grids) {
  LoopOptions loop = tiny_loop();
  loop.freeze.steps = {0, 0.5, 1, 1};
  const Graph last = freeze_through(loop);
  loop.train.average = 0.9;
  const Graph averaged = freeze_through(loop);
  for (size_t i = 0; i < 768; ++i) {
    EXPECT_NEAR(averaged.weights.at(kWeight).data[i], on_grid(averaged, kWeight, i), 1e-6);
  }
  EXPECT_NE(averaged.weights.at("fc1.bias").data, last.weights.at("fc1.bias").data);
}

TEST(Freezing, recovers_what_two_bits_lose) {
  const data::Dataset train_set = corner_images(400, 1), test_set = corner_images(300, 2);
  TrainOptions float_options;
  float_options.epochs = 4;
  float_options.optimizer = Optimizer::kSgd;
  float_options.weight_decay = 5e-4;
  float_options.batch_size = 16;
  float_options.learning_rate = 0.05;
  float_options.shift_pixels = 0;
  float_options.flip = false;
  float_options.threads = 1;
  const Graph net = train(tiny_residual_net(1), train_set, float_options).graph;
  TorchFineTuner tuner(1);
  CompressOptions options;
  options.fine_tuner = &tuner;
  const std::string base =
      "name: t\nweights: {bits: 2, threshold: max}\nactivations: {bits: 2, threshold: max}\n";
  const double before = *compress(net, parse_recipe(base, "r"), train_set, test_set, options)
                             .report.integer_top1_percent;
  EXPECT_LT(before, 90);
  for (const std::string rest : {"float", "rounded"}) {
    const Recipe recipe =
        parse_recipe(base +
                         "finetune: {epochs: 5, batch_size: 16, learning_rate: 0.01, "
                         "scale_learning_rate: 0.01, shift_pixels: 0, flip: false, "
                         "freeze: {steps: [0, 0.5, 0.75, 1, 1], rest: " +
                         rest + "}}\n",
                     "r");
    const CompressResult result = compress(net, recipe, train_set, test_set, options);
    EXPECT_GT(*result.report.integer_top1_percent, 95) << rest;
  }
}

}  // namespace
}  // namespace tessera::compress
