#pragma once

/// Imports a model and runs what came of it.

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "graph/integer_network.hpp"
#include "graph/onnx_io.hpp"
#include "onnx_builder.hpp"
#include "reference/float_engine.hpp"
#include "reference/integer_engine.hpp"

namespace tessera::test {

inline graph::Graph parse(const OnnxBuilder& builder) {
  return graph::parse_onnx(builder.bytes(), "test.onnx");
}

inline std::vector<graph::Op> ops(const graph::Graph& graph) {
  std::vector<graph::Op> found;
  for (const graph::Node& node : graph.nodes) found.push_back(node.op);
  return found;
}

inline std::vector<float> run_float(const graph::Graph& graph, const std::vector<float>& x) {
  return reference::FloatEngine(graph).run(x);
}

/// The output of the integer network, as real numbers.
inline std::vector<float> run_integer(const graph::Graph& graph, const std::vector<float>& x) {
  const graph::IntegerNetwork network = graph::lower(graph);
  const auto& input = network.tensors[static_cast<size_t>(network.input)];
  std::vector<int32_t> q;
  for (const float value : x) {
    const double nearest = std::floor(value / input.scale + 0.5);
    q.push_back(static_cast<int32_t>(std::clamp(nearest, static_cast<double>(network.input_low),
                                                static_cast<double>(network.input_high))));
  }
  std::vector<float> y;
  for (const int32_t value : reference::IntegerEngine(network).run(q)) {
    y.push_back(
        static_cast<float>(value * network.tensors[static_cast<size_t>(network.output)].scale));
  }
  return y;
}

/// Numbers in -4..4 that are multiples of 1/8, so that sums of a few products are exact.
inline std::vector<float> eighths(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(static_cast<int>(random() % 65) - 32) / 8;
  return values;
}

inline void expect_close(const std::vector<float>& got, const std::vector<float>& expected,
                         float tolerance) {
  ASSERT_EQ(got.size(), expected.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], tolerance) << i;
}

}  // namespace tessera::test
