/// Other widths without data.

#include "explore/requantize.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "graph/grids.hpp"
#include "graph/integer_network.hpp"
#include "graph/onnx_io.hpp"
#include "unit/explore/sweep_files.hpp"

namespace tessera::explore {
namespace {

graph::IntegerNetwork lowered(const std::string& net, const Widths& widths) {
  return graph::lower(requantize(graph::read_onnx(shipped_network(net)), widths));
}

/// Every layer has the widths, the logits those they had.
void expect_widths(const std::string& net, const Widths& widths) {
  const graph::IntegerNetwork before = graph::lower(graph::read_onnx(shipped_network(net)));
  const graph::IntegerNetwork after = lowered(net, widths);
  ASSERT_EQ(after.layers.size(), before.layers.size());
  for (const graph::IntegerLayer& layer : after.layers) {
    EXPECT_EQ(after.tensors[static_cast<size_t>(layer.inputs[0])].bits, widths.activation_bits);
    if (layer.op != graph::IntegerOp::kConv) continue;
    EXPECT_EQ(layer.weight_bits, widths.weight_bits);
    EXPECT_EQ(layer.p4, widths.power_of_two);
  }
  const auto& old_logits = before.tensors[static_cast<size_t>(before.output)];
  const auto& logits = after.tensors[static_cast<size_t>(after.output)];
  EXPECT_EQ(logits.bits, old_logits.bits);
  EXPECT_EQ(logits.scale, old_logits.scale);
}

TEST(requantize, gives_every_layer_the_widths_that_are_asked_for) {
  for (const int activation : {16, 8, 4, 2}) {
    for (const int weight : {16, 8, 4, 2}) {
      SCOPED_TRACE(std::to_string(activation) + "x" + std::to_string(weight));
      expect_widths("lenet5-int8", {"", activation, weight, false});
    }
    expect_widths("lenet5-int8", {"", activation, 4, true});
  }
}

TEST(requantize, makes_a_mix_and_power_of_two_weights_uniform) {
  expect_widths("lenet5-mix2", {"", 8, 8, false});
  expect_widths("lenet5-p4", {"", 8, 4, false});
}

TEST(requantize, leaves_the_network_alone_if_the_widths_are_those_of_the_file) {
  const auto graph = graph::read_onnx(shipped_network("lenet5-mix"));
  const auto same = requantize(graph, {});
  EXPECT_EQ(same.quantizations, graph.quantizations);
  for (const auto& [name, tensor] : graph.weights) {
    EXPECT_EQ(same.weights.at(name).data, tensor.data) << name;
  }
}

TEST(requantize, keeps_the_range_of_activations) {
  const auto before = graph::read_onnx(shipped_network("lenet5-int8"));
  const auto after = requantize(before, {"", 4, 8, false});
  size_t compared = 0;
  for (const auto& [tensor, grid] : after.quantizations) {
    if (after.weights.count(tensor) != 0 || grid.bits == 16) continue;
    const auto& old = before.quantizations.at(tensor);
    EXPECT_EQ(grid.is_signed, old.is_signed);
    const float range = old.scales[0] * static_cast<float>(old.max());
    EXPECT_NEAR(grid.scales[0] * static_cast<float>(grid.max()), range, 1e-6 * range) << tensor;
    ++compared;
  }
  EXPECT_GE(compared, 4U);
}

TEST(requantize, to_more_bits_moves_no_weight_by_more_than_half_a_step) {
  const auto before = graph::read_onnx(shipped_network("lenet5-int4"));
  const auto after = requantize(before, {"", 8, 16, false});
  for (const auto& [name, grid] : after.quantizations) {
    const auto weight = after.weights.find(name);
    if (weight == after.weights.end()) continue;
    const auto& old = before.weights.at(name).data;
    const size_t per_scale = old.size() / grid.scales.size();
    for (size_t i = 0; i < old.size(); ++i) {
      ASSERT_LE(std::fabs(old[i] - weight->second.data[i]), 0.51F * grid.scales[i / per_scale])
          << name << " " << i;
    }
  }
}

}  // namespace
}  // namespace tessera::explore
