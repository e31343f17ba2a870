#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "import_check.hpp"

// Float networks as the exporters of other frameworks write them, against plain loops or against
// the same network in its plainest form.

namespace {

using namespace tessera::graph;
using namespace tessera::test;
using testing::ElementsAre;

/// Puts a grid on every activation and weight, so that the network can be lowered.
Graph with_grids(Graph graph) {
  for (const auto& [name, shape] : graph.shapes) {
    graph.quantizations[name] = {16, true, {1.0F / 256}, WeightCode::kTwosComplement};
  }
  for (const Node& node : graph.nodes) {
    if (node.op != Op::kConv && node.op != Op::kGemm) continue;
    graph.quantizations[node.inputs[1]] = {16, true, {1.0F / 256}, WeightCode::kTwosComplement};
  }
  return graph;
}

/// The integer network gives the same up to the rounding of a few layers.
void expect_lowers(const Graph& graph, const std::vector<float>& x) {
  expect_close(run_integer(with_grids(graph), x), run_float(graph, x), 0.05F);
}

/// Keras through tf2onnx: an input {N, H, W, C}, padding in front of strided convolutions, ReLU6 of
/// Max and Min, a flattening of {H, W, C}, MatMul and Add.
OnnxBuilder tensorflow_network(const std::vector<float>& filters,
                               const std::vector<float>& matrix) {
  OnnxBuilder b({-1, 3, 5, 2});
  b.ints(b.node("Transpose", {"x"}, "channels_first"), "perm", {0, 3, 1, 2});
  b.integers("pads", {0, 0, 0, 0, 0, 0, 1, 1});
  b.node("Pad", {"channels_first", "pads"}, "padded");
  b.floats("w", {3, 2, 2, 2}, filters);
  b.ints(b.node("Conv", {"padded", "w"}, "c"), "strides", {2, 2});
  b.floats("zero", {}, {0});
  b.floats("six", {}, {6});
  b.node("Max", {"c", "zero"}, "rectified");
  b.node("Min", {"six", "rectified"}, "clipped");
  b.ints(b.node("Transpose", {"clipped"}, "channels_last"), "perm", {0, 2, 3, 1});
  b.integers("flat", {-1, 18});
  b.node("Reshape", {"channels_last", "flat"}, "vector");
  b.floats("m", {18, 2}, matrix);
  b.floats("bias", {2}, {0.25F, -0.5F});
  b.node("MatMul", {"vector", "m"}, "product");
  b.node("Add", {"product", "bias"}, "y");
  return b;
}

/// The same by TensorFlow's definitions, on {H, W, C}.
std::vector<float> tensorflow_result(const std::vector<float>& filters,
                                     const std::vector<float>& matrix,
                                     const std::vector<float>& x) {
  std::vector<float> vector;
  for (int64_t row = 0; row < 4; row += 2) {
    for (int64_t column = 0; column < 6; column += 2) {
      for (int64_t k = 0; k < 3; ++k) {
        float sum = 0;
        for (int64_t tap = 0; tap < 8; ++tap) {
          const int64_t c = tap / 4, h = row + tap / 2 % 2, w = column + tap % 2;
          if (h < 3 && w < 5) {
            sum += filters[static_cast<size_t>(8 * k + tap)] *
                   x[static_cast<size_t>((5 * h + w) * 2 + c)];
          }
        }
        vector.push_back(std::clamp(sum, 0.F, 6.F));
      }
    }
  }
  std::vector<float> y{0.25F, -0.5F};
  for (size_t i = 0; i < vector.size(); ++i) {
    for (size_t n = 0; n < 2; ++n) y[n] += matrix[2 * i + n] * vector[i];
  }
  return y;
}

std::vector<float> channels_first(const std::vector<float>& x, size_t channels) {
  std::vector<float> y;
  for (size_t c = 0; c < channels; ++c) {
    for (size_t i = c; i < x.size(); i += channels) y.push_back(x[i]);
  }
  return y;
}

TEST(Exporter, tensorflow_with_channels_last) {
  const std::vector<float> filters = eighths(24, 1);
  const std::vector<float> matrix = eighths(36, 2);
  const Graph graph = parse(tensorflow_network(filters, matrix));
  EXPECT_THAT(ops(graph), ElementsAre(Op::kConv, Op::kRelu, Op::kClip, Op::kFlatten, Op::kGemm));
  EXPECT_THAT(graph.shapes.at("x"), ElementsAre(2, 3, 5));
  for (unsigned seed = 3; seed < 13; ++seed) {
    SCOPED_TRACE(seed);
    const std::vector<float> x = eighths(30, seed);
    expect_close(run_float(graph, channels_first(x, 2)), tensorflow_result(filters, matrix, x),
                 1e-4F);
  }
  Graph lowered = with_grids(graph);
  lowered.quantizations[graph.output].scales = {1.0F / 64};
  const std::vector<float> x = eighths(30, 99);
  expect_close(run_integer(lowered, channels_first(x, 2)), tensorflow_result(filters, matrix, x),
               0.5F);
}

TEST(Exporter, tensorflow_with_channels_last_behind_a_quantizer) {
  OnnxBuilder b({-1, 1, 2, 2});
  b.floats("s", {}, {0.125F});
  b.small_integers("z", {}, onnx::TensorProto::UINT8, {128});
  b.node("QuantizeLinear", {"x", "s", "z"}, "q");
  b.node("DequantizeLinear", {"q", "s", "z"}, "d");
  b.ints(b.node("Transpose", {"d"}, "t"), "perm", {0, 3, 1, 2});
  b.node("Relu", {"t"}, "y");
  EXPECT_THAT(parse(b).shapes.at("y"), ElementsAre(2, 1, 2));
}

/// Keras's MobileNet: the mean without its dimensions, made a pixel again for a 1x1 convolution.
TEST(Exporter, keras_mean_that_becomes_a_pixel_again) {
  for (const bool unsqueezes : {false, true}) {
    for (const bool quantizes : {false, true}) {
      OnnxBuilder b({-1, 2, 2, 2}, 18);
      b.integers("axes", {2, 3});
      b.integer(b.node("ReduceMean", {"x", "axes"}, "mean"), "keepdims", 0);
      std::string mean = "mean";
      if (quantizes) {
        b.floats("s", {}, {0.125F});
        b.node("QuantizeLinear", {"mean", "s"}, "q");
        b.node("DequantizeLinear", {"q", "s"}, "d");
        mean = "d";
      }
      if (unsqueezes) {
        b.node("Unsqueeze", {mean, "axes"}, "pixel");
      } else {
        b.integers("shape", {-1, 1, 1, 2});
        b.node("Reshape", {mean, "shape"}, "last");
        b.ints(b.node("Transpose", {"last"}, "pixel"), "perm", {0, 3, 1, 2});
      }
      b.floats("w", {1, 2, 1, 1}, {2, -1});
      b.node("Conv", {"pixel", "w"}, "c");
      b.node("Squeeze", {"c", "axes"}, "y");
      const Graph graph = parse(b);
      EXPECT_THAT(ops(graph), ElementsAre(Op::kGlobalAveragePool, Op::kConv, Op::kFlatten));
      EXPECT_THAT(run_float(graph, {1, 2, 3, 4, 5, 5, 5, 1}), ElementsAre(1));
      EXPECT_EQ(graph.quantizations.size(), quantizes ? 1U : 0U);
      expect_lowers(graph, {1, 2, 3, 4, 5, 5, 5, 1});
    }
  }
}

TEST(Exporter, keras_padding_in_front_of_a_maximum) {
  OnnxBuilder b({-1, 1, 3, 3});
  b.integers("pads", {0, 0, 1, 1, 0, 0, 1, 1});
  b.node("Relu", {"x"}, "r");
  b.node("Pad", {"r", "pads"}, "p");
  b.ints(b.ints(b.node("MaxPool", {"p"}, "y"), "kernel_shape", {3, 3}), "strides", {2, 2});
  const Graph graph = parse(b);
  EXPECT_THAT(ops(graph), ElementsAre(Op::kRelu, Op::kMaxPool));
  const std::vector<float> x{-1, 2, -3, 4, -5, 6, -7, 8, -9};
  EXPECT_THAT(run_float(graph, x), ElementsAre(4, 6, 8, 8));
  expect_lowers(graph, x);
}

/// torch.onnx of today: shapes from Shape with a range, axes as inputs, allowzero, parts shared
/// through Identity.
TEST(Exporter, pytorch_by_its_new_exporter) {
  OnnxBuilder b({-1, 2, 2, 2}, 18);
  b.floats("w", {2, 2, 1, 1}, {1, 2, 3, 4});
  b.node("Identity", {"w"}, "shared");
  b.node("Conv", {"x", "w"}, "a");
  b.node("Conv", {"a", "shared"}, "c");
  b.integers("pads", {1, 1, 0, 0});
  b.integers("axes", {-2, 3});
  b.node("Pad", {"c", "pads", "", "axes"}, "p");
  b.node("Conv", {"p", "shared"}, "e");
  b.integer(b.integer(b.node("Shape", {"x"}, "batch"), "start", 0), "end", 1);
  b.integer(b.node("Shape", {"e"}, "rest"), "start", -3);
  b.node("ReduceProd", {"rest"}, "size");
  b.integers("vector", {1});
  b.node("Reshape", {"size", "vector"}, "sizes");
  b.integer(b.node("Concat", {"batch", "sizes"}, "target"), "axis", 0);
  b.integer(b.node("Reshape", {"e", "target"}, "flat"), "allowzero", 1);
  b.integer(b.node("Cast", {"flat"}, "y"), "to", onnx::TensorProto::FLOAT);
  const Graph graph = parse(b);
  EXPECT_THAT(ops(graph), ElementsAre(Op::kConv, Op::kConv, Op::kConv, Op::kFlatten));
  EXPECT_EQ(graph.weights.size(), 1U);
  EXPECT_EQ(graph.nodes[2].window.pad_top, 1);
  EXPECT_EQ(graph.nodes[2].window.pad_bottom, 0);
  EXPECT_THAT(graph.shapes.at("y"), ElementsAre(18));
  // {1 2; 3 4} cubed is {37 54; 81 118}
  const std::vector<float> y = run_float(graph, {1, 0, 0, 0, 0, 0, 0, 1});
  EXPECT_EQ(y[4], 37);
  EXPECT_EQ(y[8], 54);
  EXPECT_EQ(y[17], 118);
  expect_lowers(graph, {1, 0, 0, 0, 0, 0, 0, 1});
}

TEST(Exporter, old_opsets_slice_shapes_by_attributes) {
  OnnxBuilder b({-1, 2, 1, 3}, 9);
  b.node("Shape", {"x"}, "shape");
  auto& slice = b.node("Slice", {"shape"}, "batch");
  b.ints(b.ints(b.ints(slice, "starts", {0}), "ends", {1}), "axes", {0});
  b.integers("rest", {-1});
  b.integer(b.node("Concat", {"batch", "rest"}, "target"), "axis", 0);
  b.node("Reshape", {"x", "target"}, "y");
  EXPECT_THAT(parse(b).shapes.at("y"), ElementsAre(6));
}

TEST(Exporter, sums_of_several_operands_and_global_maxima) {
  OnnxBuilder b({-1, 1, 2, 2});
  b.node("Relu", {"x"}, "r");
  b.floats("half", {}, {0.5F});
  b.node("Sum", {"x", "r", "r"}, "sum");
  b.node("GlobalMaxPool", {"sum"}, "y");
  const Graph graph = parse(b);
  EXPECT_THAT(ops(graph), ElementsAre(Op::kRelu, Op::kAdd, Op::kAdd, Op::kMaxPool));
  EXPECT_THAT(run_float(graph, {-1, 2, 3, -4}), ElementsAre(9));
  EXPECT_THAT(run_float(graph, {-1, -2, -3, -4}), ElementsAre(-1));
  expect_lowers(graph, {-1, 2, 3, -4});
}

TEST(Exporter, a_plain_transposition_there_and_back_disappears) {
  OnnxBuilder b({-1, 2, 2, 3});
  b.ints(b.node("Transpose", {"x"}, "last"), "perm", {0, 2, 3, 1});
  b.node("Relu", {"last"}, "r");
  b.integer(b.ints(b.node("ReduceMean", {"r"}, "mean"), "axes", {1, 2}), "keepdims", 1);
  b.ints(b.node("Squeeze", {"mean"}, "y"), "axes", {1, 2});
  const Graph graph = parse(b);
  EXPECT_THAT(ops(graph), ElementsAre(Op::kRelu, Op::kGlobalAveragePool, Op::kFlatten));
  EXPECT_THAT(run_float(graph, {1, 2, 3, 4, 5, 9, -6, 0, 0, 0, 0, 6}), ElementsAre(4, 1));
}

}  // namespace
