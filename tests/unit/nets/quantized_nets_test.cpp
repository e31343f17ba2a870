/// The networks with random weights, quantised on noise, still compute something: no layer is dead
/// or saturated, and the logits follow those of the float network.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "compress/compress.hpp"
#include "compress/nets.hpp"
#include "graph/integer_network.hpp"
#include "reference/float_engine.hpp"
#include "reference/integer_engine.hpp"

namespace tessera::compress {
namespace {

void expect_all_layers_alive(const graph::IntegerNetwork& network, const uint8_t* image) {
  const reference::IntegerEngine engine(network);
  const auto trace = engine.trace(graph::quantize_input(network, image));
  for (const graph::IntegerLayer& layer : network.layers) {
    const std::vector<int32_t>& values = trace.tensors[static_cast<size_t>(layer.output)];
    const auto share = [&](int32_t value) {
      return static_cast<double>(std::count(values.begin(), values.end(), value)) /
             static_cast<double>(values.size());
    };
    const std::set<int32_t> distinct(values.begin(), values.end());
    EXPECT_LT(share(0), 0.9) << layer.name;
    EXPECT_LT(share(layer.high), 0.4) << layer.name;
    EXPECT_GE(distinct.size(), std::min<size_t>(8, values.size())) << layer.name;
  }
}

void expect_logits_near(const graph::Graph& net, const graph::IntegerNetwork& network,
                        const uint8_t* image) {
  const double scale = network.tensors[static_cast<size_t>(network.output)].scale;
  const auto expected = reference::FloatEngine(net).run(reference::normalize(net, image));
  const auto got = reference::IntegerEngine(network).run(graph::quantize_input(network, image));
  double error = 0, energy = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    error += std::pow(scale * got[i] - double{expected[i]}, 2);
    energy += std::pow(double{expected[i]}, 2);
  }
  EXPECT_LT(error, 0.05 * energy);
}

class QuantizedNet : public testing::TestWithParam<std::string> {};

TEST_P(QuantizedNet, has_no_dead_or_saturated_layer_and_follows_the_float_network) {
  const graph::Graph net = build_net(GetParam(), 1);
  const data::Dataset test = data::make_noise(data::Split::kTest, {3, 32, 32});
  const CompressResult result = compress(
      net, load_recipe("int8-max"), data::make_noise(data::Split::kTrain, {3, 32, 32}), test, {});
  const graph::IntegerNetwork network = graph::lower(result.graph);
  expect_all_layers_alive(network, test.image(0));
  expect_logits_near(net, network, test.image(1));
  EXPECT_FALSE(result.report.float_top1_percent.has_value()) << "noise has no labels";
  EXPECT_FALSE(result.report.integer_top1_percent.has_value());
  EXPECT_EQ(result.report.test_images, 0);
}

INSTANTIATE_TEST_SUITE_P(Nets, QuantizedNet,
                         testing::Values("resnet20-cifar10", "resnet18-cifar10", "vgg16-cifar10",
                                         "mobilenet-v1-cifar10", "mobilenet-v2-cifar10"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace tessera::compress
