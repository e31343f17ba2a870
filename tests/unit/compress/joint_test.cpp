#include "compress/joint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <stdexcept>

#include "compress/compress.hpp"
#include "compress/gated_net.hpp"
#include "compress/measure.hpp"
#include "compress/train.hpp"
#include "compress/trainer.hpp"
#include "support/error_of.hpp"
#include "unit/compress/tiny_problem.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;
using test::error_of;
using testing::HasSubstr;

const std::map<std::string, int> kEightBits = {{"conv", 8}, {"dead", 8}, {"fc1", 8}, {"fc2", 8}};

JointOptions tiny_joint() {
  JointOptions options;
  options.training.epochs = 8;
  options.training.batch_size = 16;
  options.training.learning_rate = 0.1;  // about 0.01 in units of fc1's weights
  options.training.shift_pixels = 0;
  options.training.flip = false;
  options.training.distillation = 0;
  options.gate_learning_rate = 0.05;
  options.dual_learning_rate = 0.02;
  options.bits = {2, 4, 8};
  options.ratio = 20;
  return options;
}

Graph normalised(Graph net) {
  net.normalization = {{0.2F}, {0.4F}};
  return net;
}

Graph trained(const Graph& net) {
  TrainOptions options;
  options.epochs = 4;
  options.batch_size = 16;
  options.learning_rate = 0.01;
  options.shift_pixels = 0;
  options.flip = false;
  options.threads = 1;
  return train(net, corner_images(400, 1), options).graph;
}

/// tiny_net with a second convolution beside the first whose ReLU never opens.
Graph net_with_dead_layer() {
  Graph net = tiny_net(4);
  Node dead = net.nodes[0], relu = net.nodes[1], concat;
  dead.name = "dead";
  dead.inputs = {"image", "dead.weight", "dead.bias"};
  dead.output = "dead_out";
  net.weights["dead.weight"] = net.weights.at("conv.weight");
  net.weights["dead.bias"] = {{4}, {-100, -100, -100, -100}};
  relu.name = "dead_relu";
  relu.inputs = {"dead_out"};
  relu.output = "dead_relu_out";
  concat.name = "concat";
  concat.op = Op::kConcat;
  concat.inputs = {"dead_relu_out", "relu_out"};
  concat.output = "concat_out";
  net.nodes.insert(net.nodes.begin() + 2, {dead, relu, concat});
  net.nodes[5].inputs = {"concat_out"};
  graph::Tensor& weight = net.weights.at("fc1.weight");
  const std::vector<float> noise = random_values(12 * 64, 8);
  graph::Tensor wide{{12, 128}, {}};
  for (size_t k = 0; k < 12; ++k) {
    for (size_t i = 0; i < 64; ++i) wide.data.push_back(0.1F * noise[k * 64 + i]);
    for (size_t i = 0; i < 64; ++i) wide.data.push_back(weight.data[k * 64 + i]);
  }
  weight = wide;
  graph::infer_shapes(net);
  return net;
}

/// Sum over weights of their width, counted on the network without the removed channels.
double weight_bits(const Graph& net, const JointResult& result) {
  const Graph small = remove_channels(net, result.map, result.removed);
  double bits = 0;
  for (const Node& node : small.nodes) {
    if (node.op != Op::kConv && node.op != Op::kGemm) continue;
    bits += static_cast<double>(small.weights.at(node.inputs[1]).data.size()) *
            result.weight_bits.at(node.name);
  }
  return bits;
}

size_t removed_of(const JointResult& result, const std::string& tensor) {
  size_t count = 0;
  for (const size_t group : result.map.group_of.at(tensor))
    count += result.removed[group] ? 1U : 0U;
  return count;
}

void set_gates(GatedNet& net, const std::function<float(size_t)>& value) {
  at::NoGradGuard no_grad;
  for (auto& [name, parameter] : net.parameters()) {
    if (!GatedNet::is_gate(name)) continue;
    for (int64_t i = 0; i < parameter.numel(); ++i) parameter[i] = value(static_cast<size_t>(i));
  }
}

TEST(HardConcrete, is_open_as_often_as_its_probability_says) {
  torch::manual_seed(1);
  for (const double log_alpha : {-2.0, 0.0, 1.5}) {
    const at::Tensor alpha = torch::full({100000}, log_alpha);
    const at::Tensor gates = hard_concrete(alpha, at::rand({100000}).clamp(1e-6, 1 - 1e-6));
    EXPECT_NEAR(gates.gt(0).to(at::kFloat).mean().item<double>(),
                open_probability(alpha)[0].item<double>(), 0.01);
    EXPECT_GT(gates.eq(1).sum().item<int64_t>(), 0);
    EXPECT_GT(gates.eq(0).sum().item<int64_t>(), 0);
  }
}

TEST(GatedNet, gradients_of_gates_agree_with_finite_differences) {
  const Graph net = normalised(tiny_net(5));
  GatedNet gated(
      net, kEightBits, float_cost(net, JointCost::kBops),
      [] {
        JointOptions options = tiny_joint();
        options.cost = JointCost::kBops;
        return options;
      }(),
      Precision::kFloat32);
  const std::vector<float> values = random_values(64, 3);
  set_gates(gated, [&](size_t i) { return 0.5F * values[i]; });
  gated.buffers().at("budget/multiplier").fill_(0.7);
  torch::manual_seed(2);
  const at::Tensor images = at::rand({8, 1, 8, 8});
  const at::Tensor labels = at::randint(0, 4, {8}, torch::kInt64);
  const auto loss = [&] {
    gated.sample(7);
    return at::cross_entropy_loss(gated.forward(images, true), labels) + gated.penalty();
  };
  loss().backward();
  constexpr double kStep = 2e-3;
  size_t compared = 0, steep = 0;
  for (auto& [name, parameter] : gated.parameters()) {
    if (!GatedNet::is_gate(name)) continue;
    for (int64_t i = 0; i < parameter.numel(); ++i) {
      const double gradient = parameter.grad()[i].item<double>();
      const auto moved = [&](double by) {
        at::NoGradGuard no_grad;
        parameter[i] += by;
        const double value = loss().item<double>();
        parameter[i] -= by;
        return value;
      };
      EXPECT_NEAR((moved(kStep) - moved(-kStep)) / (2 * kStep), gradient,
                  1e-3 + 0.03 * std::fabs(gradient))
          << name << " " << i;
      ++compared;
      steep += std::fabs(gradient) > 0.01 ? 1U : 0U;
    }
  }
  EXPECT_EQ(compared, 4U + 12U + 3U * 2U);
  EXPECT_GT(steep, 6U);
}

TEST(GatedNet, closed_gates_compute_what_the_network_without_the_channels_computes) {
  JointOptions options = tiny_joint();
  options.bits = {16};
  options.ratio = 2.5;
  const Graph net = normalised(net_with_dead_layer());
  Graph lively = net;
  lively.weights.at("dead.bias") = {{4}, {0.3F, -0.2F, 0.1F, 0.5F}};
  GatedNet gated(lively, kEightBits, float_cost(net, JointCost::kWeightBits), options,
                 Precision::kFloat32);
  set_gates(gated, [](size_t i) { return i % 3 == 1 ? -30.0F : 30.0F; });
  gated.sample(1);
  const JointResult result = gated.decide();
  EXPECT_EQ(std::count(result.removed.begin(), result.removed.end(), true), 7);
  const Graph small = remove_channels(lively, result.map, result.removed);
  const std::vector<float> image = random_values(64, 9);
  const at::Tensor logits =
      gated.forward(torch::tensor(image).view({1, 1, 8, 8}), false).contiguous();
  const std::vector<float> expected = run_float(small, image);
  for (size_t i = 0; i < 4; ++i) EXPECT_NEAR(logits.data_ptr<float>()[i], expected[i], 2e-3);
}

TEST(GatedNet, widths_choose_between_the_grids) {
  const Graph net = normalised(tiny_net(5));
  const auto logits = [&](const std::vector<int>& bits, float gate) {
    JointOptions options = tiny_joint();
    options.bits = bits;
    options.ratio = 1.5;
    options.channels = false;
    GatedNet gated(net, kEightBits, float_cost(net, JointCost::kWeightBits), options,
                   Precision::kFloat32);
    set_gates(gated, [&](size_t) { return gate; });
    gated.sample(1);
    return gated.forward(torch::ones({1, 1, 8, 8}), false).detach();
  };
  EXPECT_TRUE(at::equal(logits({2, 4, 8}, -30), logits({2}, 0)));
  EXPECT_TRUE(at::allclose(logits({2, 4, 8}, 30), logits({8}, 0), 1e-5, 1e-5));
  EXPECT_FALSE(at::allclose(logits({2}, 0), logits({8}, 0), 1e-3, 1e-3));
}

TEST(JointLearning, meets_the_budget_in_expectation_and_when_decided) {
  const data::Dataset set = corner_images(400, 1);
  for (const double ratio : {10.0, 24.0}) {
    Graph net = trained(tiny_net(1));
    const Graph original = net;
    JointOptions options = tiny_joint();
    options.ratio = ratio;
    const JointResult result =
        TorchFineTuner(1).learn_gates(net, original, kEightBits, set, options, {});
    const double counted = float_cost(original, JointCost::kWeightBits) / weight_bits(net, result);
    EXPECT_NEAR(result.ratio, counted, 1e-6 * counted);
    EXPECT_GE(result.ratio, ratio);
    EXPECT_LT(result.ratio, 1.4 * ratio) << "few gates: steps of the ratio are large";
    EXPECT_GT(result.expected_ratio, 0.8 * ratio);
    EXPECT_LT(result.expected_ratio, 1.4 * ratio);
    EXPECT_NE(net.weights.at("fc1.weight").data, original.weights.at("fc1.weight").data);
  }
}

TEST(JointLearning, a_useless_layer_loses_its_channels_first) {
  const data::Dataset set = corner_images(400, 1);
  Graph net = trained(net_with_dead_layer());
  ASSERT_GT(measure_float(net, corner_images(200, 2), 0, 1), 95);
  const Graph original = net;
  JointOptions options = tiny_joint();
  options.bits = {8};
  options.ratio = 6;
  const JointResult result =
      TorchFineTuner(1).learn_gates(net, original, kEightBits, set, options, {});
  EXPECT_EQ(removed_of(result, "dead_out"), 3U) << "one channel stays";
  EXPECT_LE(removed_of(result, "conv_out"), 1U);
}

TEST(JointLearning, an_impossible_budget_says_what_is_possible) {
  Graph net = normalised(tiny_net(1));
  JointOptions options = tiny_joint();
  options.ratio = 1000;
  EXPECT_THAT(error_of([&] {
                TorchFineTuner(1).learn_gates(net, net, kEightBits, corner_images(20, 1), options,
                                              {});
              }),
              HasSubstr("the budget of 1000x cannot be met; the most is"));
}

TEST(JointLearning, depends_on_the_seed_and_nothing_else) {
  const data::Dataset set = corner_images(100, 1);
  const auto learn = [&](uint64_t seed) {
    Graph net = normalised(tiny_net(1));
    JointOptions options = tiny_joint();
    options.training.epochs = 2;
    options.training.seed = seed;
    TorchFineTuner(1).learn_gates(net, net, kEightBits, set, options, {});
    return net.weights.at("fc1.weight").data;
  };
  EXPECT_EQ(learn(1), learn(1));
  EXPECT_NE(learn(1), learn(2));
}

TEST(JointLearning, an_interrupted_run_ends_with_the_same_gates) {
  const data::Dataset set = corner_images(100, 1);
  const Graph net = normalised(tiny_net(1));
  LoopOptions loop;
  loop.train.epochs = 3;
  loop.train.batch_size = 16;
  loop.train.learning_rate = 0.01;
  loop.train.threads = 1;
  loop.gate_learning_rate = 0.05;
  const auto run = [&] {
    GatedNet gated(net, kEightBits, float_cost(net, JointCost::kWeightBits), tiny_joint(),
                   Precision::kFloat32);
    loop.gates = &gated;
    Trainer(gated, nullptr, set, net.normalization, loop).run();
    return std::make_pair(gated.parameters().at("channels/gate").detach().clone(),
                          gated.decide().multiplier);
  };
  const auto whole = run();
  loop.train.checkpoint = (std::filesystem::temp_directory_path() /
                           ("gates_" + std::to_string(getpid()) + ".checkpoint"))
                              .string();
  loop.train.on_epoch = [](const EpochReport& report) {
    if (report.epoch == 1) throw std::runtime_error("interrupted");
  };
  EXPECT_THROW(run(), std::runtime_error);
  loop.train.on_epoch = {};
  const auto resumed = run();
  std::filesystem::remove(loop.train.checkpoint);
  EXPECT_TRUE(at::equal(whole.first, resumed.first));
  EXPECT_EQ(whole.second, resumed.second);
  EXPECT_GT(whole.second, 0);
}

TEST(JointLearning, compress_removes_the_channels_and_sets_the_widths) {
  const data::Dataset set = corner_images(400, 1), test_set = corner_images(200, 2);
  const Graph net = trained(tiny_net(1));
  TorchFineTuner tuner(1);
  CompressOptions options;
  options.fine_tuner = &tuner;
  const CompressReport report =
      compress(net,
               parse_recipe("name: t\nweights: {bits: 8}\nactivations: {bits: 8}\n"
                            "joint: {epochs: 6, batch_size: 16, learning_rate: 0.01, "
                            "shift_pixels: 0, flip: false, gate_learning_rate: 0.05, "
                            "bits: [2, 4, 8], budget: {weight_bits: 20}}\n"
                            "finetune: {epochs: 3, batch_size: 16, learning_rate: 0.01, "
                            "shift_pixels: 0, flip: false}\n",
                            "r"),
               set, test_set, options)
          .report;
  EXPECT_LT(report.pruned_parameters, report.parameters);
  EXPECT_GE(float_cost(net, JointCost::kWeightBits) / static_cast<double>(report.weight_bits), 20);
  EXPECT_GT(report.integer_top1_percent, 90);
}

}  // namespace
}  // namespace tessera::compress
