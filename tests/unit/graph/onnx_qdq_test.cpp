#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "import_check.hpp"

// Quantised networks as other tools write them, run on both engines against ONNX's definitions:
// q = saturate(round(x / scale) + zero_point), real = (q - zero_point) * scale. Scales are powers
// of two and values multiples of 1/8, so that everything but a rounding is exact.

namespace {

using namespace tessera::graph;
using namespace tessera::test;
using testing::ElementsAre;
using Type = onnx::TensorProto;

/// QuantizeLinear and DequantizeLinear, by their definition.
float fake_quantized(float x, float scale, int zero_point, int low, int high) {
  const float q = std::clamp(std::nearbyint(x / scale) + static_cast<float>(zero_point),
                             static_cast<float>(low), static_cast<float>(high));
  return (q - static_cast<float>(zero_point)) * scale;
}

/// A builder with the quantisers of onnxruntime and others.
class QdqBuilder : public OnnxBuilder {
 public:
  using OnnxBuilder::OnnxBuilder;

  /// A QuantizeLinear and a DequantizeLinear around `from`; returns what readers take.
  std::string pair(const std::string& from, const std::string& name, float scale, int type,
                   int zero_point) {
    floats(name + "_scale", {}, {scale});
    small_integers(name + "_zero_point", {}, type, {zero_point});
    const std::vector<std::string> grid{name + "_scale", name + "_zero_point"};
    node("QuantizeLinear", {from, grid[0], grid[1]}, name + "_quantized");
    node("DequantizeLinear", {name + "_quantized", grid[0], grid[1]}, name + "_dequantized");
    return name + "_dequantized";
  }

  /// Stored integers and their DequantizeLinear, a scale along dimension `axis`.
  std::string stored(const std::string& name, const std::vector<int64_t>& shape, int type,
                     const std::vector<int>& values, const std::vector<float>& scales,
                     int zero_point, int64_t axis) {
    small_integers(name, shape, type, values);
    const auto count = static_cast<int64_t>(scales.size());
    floats(name + "_scale", {count}, scales);
    small_integers(name + "_zero_point", {count}, type,
                   std::vector<int>(scales.size(), zero_point));
    integer(node("DequantizeLinear", {name, name + "_scale", name + "_zero_point"}, name + "_real"),
            "axis", axis);
    return name + "_real";
  }
};

constexpr float kInputScale = 0.125F, kMapScale = 0.25F, kOutputScale = 1;
const std::vector<int> kFilters{3, -2, -5, 7, 1, 4};  // {3, 2}
const std::vector<float> kFilterScales{0.25F, 0.5F, 0.125F};
const std::vector<int> kBias{40, -16, 8};
const std::vector<int> kColumns{1, -2, 3, -4, 5, -6};  // {2, 3}

/// What onnxruntime's quantize_static makes of Conv, Relu, MaxPool, Flatten and Gemm: a pair around
/// each operator, the Relu left to the saturation. `shifted` is its default of asymmetric types
/// with the zero points of symmetric data, otherwise its types for TensorRT.
QdqBuilder onnxruntime_network(bool shifted) {
  QdqBuilder b({-1, 2, 2, 2});
  const int input = shifted ? Type::UINT8 : Type::INT8;
  const int map = shifted ? Type::INT8 : Type::UINT8;
  const std::string x = b.pair("x", "x", kInputScale, input, shifted ? 128 : 0);
  std::vector<int> filters = kFilters, columns = kColumns;
  if (shifted) {
    for (int& value : filters) value += 128;
    for (int& value : columns) value += 128;
  }
  const std::string w =
      b.stored("w", {3, 2, 1, 1}, input, filters, kFilterScales, shifted ? 128 : 0, 0);
  std::vector<float> bias_scales;
  for (const float scale : kFilterScales) bias_scales.push_back(kInputScale * scale);
  const std::string bias = b.stored("bias", {3}, Type::INT32, kBias, bias_scales, 0, 0);
  b.node("Conv", {x, w, bias}, "conv");
  const int zero = shifted ? -128 : 0;
  b.ints(b.node("MaxPool", {b.pair("conv", "conv", kMapScale, map, zero)}, "pool"), "kernel_shape",
         {2, 2});
  b.integers("flat_shape", {-1, 3});
  b.node("Reshape", {b.pair("pool", "pool", kMapScale, map, zero), "flat_shape"}, "flat");
  const std::string columns_real =
      b.stored("columns", {2, 3}, input, columns, {0.5F}, shifted ? 128 : 0, 0);
  b.integer(b.node("Gemm", {b.pair("flat", "flat", kMapScale, map, zero), columns_real}, "gemm"),
            "transB", 1);
  b.node("Identity", {b.pair("gemm", "gemm", kOutputScale, input, shifted ? 128 : 0)}, "y");
  return b;
}

std::vector<float> onnxruntime_result(std::vector<float> x) {
  for (float& value : x) value = fake_quantized(value, kInputScale, 128, 0, 255);
  std::vector<float> pooled;
  for (size_t k = 0; k < 3; ++k) {
    float largest = 0;
    for (size_t p = 0; p < 4; ++p) {
      float sum = static_cast<float>(kBias[k]) * kInputScale * kFilterScales[k];
      for (size_t c = 0; c < 2; ++c) {
        sum += static_cast<float>(kFilters[2 * k + c]) * kFilterScales[k] * x[4 * c + p];
      }
      largest = std::max(largest, fake_quantized(sum, kMapScale, -128, -128, 127));
    }
    pooled.push_back(largest);
  }
  std::vector<float> y;
  for (size_t n = 0; n < 2; ++n) {
    float sum = 0;
    for (size_t k = 0; k < 3; ++k)
      sum += 0.5F * static_cast<float>(kColumns[3 * n + k]) * pooled[k];
    y.push_back(fake_quantized(sum, kOutputScale, 128, 0, 255));
  }
  return y;
}

TEST(Qdq, of_onnxruntime_equals_its_definition_whatever_the_integer_types) {
  for (const bool shifted : {true, false}) {
    const Graph graph = parse(onnxruntime_network(shifted));
    EXPECT_THAT(ops(graph), ElementsAre(Op::kConv, Op::kMaxPool, Op::kFlatten, Op::kGemm));
    EXPECT_TRUE(graph.quantizations.at("x").is_signed);
    EXPECT_FALSE(graph.quantizations.at("conv").is_signed);
    EXPECT_THAT(graph.quantizations.at("w").scales, ElementsAre(0.25F, 0.5F, 0.125F));
    for (unsigned seed = 0; seed < 20; ++seed) {
      SCOPED_TRACE(testing::Message() << "shifted " << shifted << ", seed " << seed);
      const std::vector<float> x = eighths(8, seed);
      expect_close(run_float(graph, x), onnxruntime_result(x), 0);
      // A half is rounded to even there, up here.
      expect_close(run_integer(graph, x), onnxruntime_result(x), 5 * kOutputScale);
    }
  }
}

TEST(Qdq, with_shifted_zero_points_lowers_to_the_same_integers) {
  const IntegerNetwork shifted = lower(parse(onnxruntime_network(true)));
  const IntegerNetwork plain = lower(parse(onnxruntime_network(false)));
  ASSERT_EQ(shifted.layers.size(), plain.layers.size());
  for (size_t i = 0; i < plain.layers.size(); ++i) {
    EXPECT_EQ(shifted.layers[i].weights, plain.layers[i].weights);
    EXPECT_EQ(shifted.layers[i].bias, plain.layers[i].bias);
    EXPECT_EQ(shifted.layers[i].low, plain.layers[i].low);
    EXPECT_EQ(shifted.layers[i].high, plain.layers[i].high);
  }
  EXPECT_THAT(plain.layers[0].weights, ElementsAre(3, -2, -5, 7, 1, 4));
  EXPECT_THAT(plain.layers[0].bias, ElementsAre(40, -16, 8));
  EXPECT_EQ(shifted.input_low, -128);
}

TEST(Qdq, of_16_bits_shifts_its_zero_points_too) {
  QdqBuilder b({-1, 2}, 21);
  b.node("Relu", {b.pair("x", "x", 0.125F, Type::UINT16, 32768)}, "r");
  b.node("Identity", {b.pair("r", "r", 0.125F, Type::INT16, -32768)}, "y");
  const Graph graph = parse(b);
  EXPECT_EQ(graph.quantizations.at("x").bits, 16);
  EXPECT_TRUE(graph.quantizations.at("x").is_signed);
  EXPECT_FALSE(graph.quantizations.at("y").is_signed);
  EXPECT_THAT(run_integer(graph, {-3, 2.5F}), ElementsAre(0, 2.5F));
}

/// Weights as floats behind a pair with a scale a channel, batch norms not folded: TensorRT's form.
QdqBuilder tensorrt_network(const std::vector<float>& factors) {
  QdqBuilder b({-1, 1, 2, 2});
  const std::string x = b.pair("x", "x", 0.125F, Type::INT8, 0);
  b.floats("w", {2, 1, 1, 1}, {1.6F, -2.9F});
  b.floats("ws", {2}, {0.5F, 0.25F});
  b.small_integers("wz", {2}, Type::INT8, {0, 0});
  b.integer(b.node("QuantizeLinear", {"w", "ws", "wz"}, "wq"), "axis", 0);
  b.integer(b.node("DequantizeLinear", {"wq", "ws", "wz"}, "wd"), "axis", 0);
  b.node("Conv", {x, "wd"}, "c");
  b.floats("gamma", {2}, factors);
  b.floats("beta", {2}, {0.5F, -1});
  b.floats("mean", {2}, {1, 2});
  b.floats("variance", {2}, {0.75F, 0.75F});
  b.real(b.node("BatchNormalization", {"c", "gamma", "beta", "mean", "variance"}, "n"), "epsilon",
         0.25F);
  b.node("Relu", {"n"}, "r");
  b.node("Identity", {b.pair("r", "r", 0.25F, Type::INT8, 0)}, "y");
  return b;
}

TEST(Qdq, of_tensorrt_takes_a_batch_norm_into_the_scales_of_its_weights) {
  for (const std::vector<float>& factors : {std::vector<float>{2, 0.5F}, {-2, 0.5F}, {0, 4}}) {
    const Graph graph = parse(tensorrt_network(factors));
    EXPECT_THAT(ops(graph), ElementsAre(Op::kConv, Op::kRelu));
    for (unsigned seed = 0; seed < 10; ++seed) {
      SCOPED_TRACE(seed);
      const std::vector<float> x = eighths(4, seed);
      std::vector<float> expected;
      for (size_t k = 0; k < 2; ++k) {
        const float w = k == 0 ? 1.5F : -3;  // 1.6 / 0.5 and -2.9 / 0.25, rounded
        for (const float value : x) {
          const float normal = (w * value - (k == 0 ? 1 : 2)) * factors[k] + (k == 0 ? 0.5F : -1);
          expected.push_back(fake_quantized(std::max(normal, 0.F), 0.25F, 0, -128, 127));
        }
      }
      expect_close(run_float(graph, x), expected, 0);
      expect_close(run_integer(graph, x), expected, 0.25F);
    }
  }
  const IntegerNetwork network = lower(parse(tensorrt_network({-2, 0.5F})));
  EXPECT_THAT(network.layers[0].weights, ElementsAre(-3, -12));
}

TEST(Qdq, with_a_pair_for_each_reader_is_as_with_one) {
  QdqBuilder b({-1, 2});
  const std::string x = b.pair("x", "x", 0.125F, Type::INT8, 0);
  b.node("Relu", {x}, "r");
  const std::string first = b.pair("r", "first", 0.125F, Type::UINT8, 0);
  const std::string second = b.pair("r", "second", 0.125F, Type::UINT8, 0);
  b.node("Add", {first, second}, "sum");
  b.node("Identity", {b.pair("sum", "sum", 0.25F, Type::UINT8, 0)}, "y");
  const Graph graph = parse(b);
  EXPECT_THAT(ops(graph), ElementsAre(Op::kRelu, Op::kAdd));
  EXPECT_THAT(run_integer(graph, {-1, 1.5F}), ElementsAre(0, 3));
}

TEST(Qdq, that_rounds_twice_does_so_on_the_chip) {
  QdqBuilder b({-1, 3});
  const std::string fine = b.pair("x", "fine", 0.125F, Type::INT8, 0);
  const std::string coarse = b.pair(fine, "coarse", 0.3F, Type::INT8, 0);
  b.node("Relu", {coarse}, "r");
  b.node("Identity", {b.pair("r", "r", 0.3F, Type::INT8, 0)}, "y");
  const Graph graph = parse(b);
  EXPECT_EQ(graph.quantizations.at("x").scales[0], 0.125F);
  // 0.44 becomes 0.5 and then 0.6; rounded once it would be 0.3
  expect_close(run_float(graph, {0.44F, 15, -2}), {0.6F, 15, 0}, 1e-5F);
  expect_close(run_integer(graph, {0.44F, 15, -2}), {0.6F, 15, 0}, 1e-5F);
}

TEST(Qdq, with_a_clip_between_has_fewer_bits) {
  QdqBuilder b({-1, 2});
  b.floats("s", {}, {0.125F});
  b.small_integers("z", {}, Type::INT8, {0});
  b.small_integers("low", {}, Type::INT8, {-7});
  b.small_integers("high", {}, Type::INT8, {7});
  b.node("QuantizeLinear", {"x", "s", "z"}, "xq");
  b.node("Clip", {"xq", "low", "high"}, "xc");
  b.node("DequantizeLinear", {"xc", "s", "z"}, "xd");
  b.small_integers("w", {2, 2}, Type::INT8, {100, -100, 3, -4});  // stored, clipped to 4 bits
  b.floats("ws", {}, {0.5F});
  b.node("Clip", {"w", "low", "high"}, "wc");
  b.node("DequantizeLinear", {"wc", "ws", "z"}, "wd");
  b.integer(b.node("Gemm", {"xd", "wd"}, "g"), "transB", 1);
  b.floats("ys", {}, {0.25F});
  b.small_integers("yz", {}, Type::UINT8, {0});
  b.small_integers("yl", {}, Type::UINT8, {0});
  b.small_integers("yh", {}, Type::UINT8, {15});
  b.node("QuantizeLinear", {"g", "ys", "yz"}, "gq");
  b.node("Clip", {"gq", "yl", "yh"}, "gc");
  b.node("DequantizeLinear", {"gc", "ys", "yz"}, "y");
  const Graph graph = parse(b);
  EXPECT_EQ(graph.quantizations.at("x").bits, 4);
  EXPECT_EQ(graph.quantizations.at("w").bits, 4);
  EXPECT_EQ(graph.quantizations.at("y").bits, 4);
  EXPECT_FALSE(graph.quantizations.at("y").is_signed);
  // x in steps: 2 and -9, clipped to -7: 7*2 + 7*7 = 63 and 3*2 + 4*7 = 34 of 1/16
  EXPECT_THAT(run_float(graph, {0.25F, -1.125F}), ElementsAre(3.75F, 2));
  EXPECT_THAT(run_integer(graph, {0.25F, -1.125F}), ElementsAre(3.75F, 2.25F));  // 2.125: a half
  const IntegerNetwork network = lower(graph);
  EXPECT_THAT(network.layers.back().weights, ElementsAre(7, -7, 3, -4));
  EXPECT_EQ(network.layers.back().weight_bits, 4);
  EXPECT_EQ(network.layers.back().high, 15);
}

TEST(Qdq, reads_weights_of_four_bits_two_a_byte) {
  QdqBuilder b({-1, 3}, 21);
  const std::string x = b.pair("x", "x", 0.125F, Type::INT8, 0);
  auto& w = b.small_integers("w", {1, 3}, 22, {});  // INT4
  w.set_raw_data(std::string("\x7f\x08", 2));       // -1, 7, -8
  b.floats("ws", {}, {0.5F});
  b.node("DequantizeLinear", {"w", "ws"}, "wd");
  b.integer(b.node("Gemm", {x, "wd"}, "g"), "transB", 1);
  b.node("Identity", {b.pair("g", "g", 1, Type::INT8, 0)}, "y");
  const Graph graph = parse(b);
  EXPECT_THAT(lower(graph).layers[0].weights, ElementsAre(-1, 7, -8));
  EXPECT_EQ(lower(graph).layers[0].weight_bits, 4);
  EXPECT_THAT(run_integer(graph, {2, 4, 1}), ElementsAre(9));
}

TEST(Qdq, of_matrices_has_its_scales_along_columns) {
  QdqBuilder b({-1, 2});
  const std::string x = b.pair("x", "x", 0.125F, Type::INT8, 0);
  const std::string w =
      b.stored("w", {2, 3}, Type::INT8, {1, 2, 3, 4, 5, 6}, {1, 0.5F, 0.25F}, 0, 1);
  const std::string c =
      b.stored("c", {3}, Type::INT32, {8, 16, 32}, {0.125F, 0.0625F, 0.03125F}, 0, 0);
  b.node("MatMul", {x, w}, "product");
  b.node("Add", {"product", c}, "sum");
  b.node("Identity", {b.pair("sum", "sum", 0.25F, Type::INT8, 0)}, "y");
  const Graph graph = parse(b);
  EXPECT_THAT(ops(graph), ElementsAre(Op::kGemm));
  EXPECT_THAT(lower(graph).layers[0].bias, ElementsAre(8, 16, 32));
  EXPECT_THAT(run_integer(graph, {1, 2}), ElementsAre(10, 7, 4.75F));
}

/// Brevitas: scales of weights {K, 1, 1, 1}, narrow; the domain is that of the release.
TEST(Qonnx, of_brevitas_equals_its_definition_in_every_domain) {
  for (const char* domain :
       {"qonnx.custom_op.general", "onnx.brevitas", "finn.custom_op.general"}) {
    OnnxBuilder b({-1, 1, 1, 2});
    b.floats("zero", {}, {0});
    b.floats("bits4", {}, {4});
    b.floats("bits32", {}, {32});
    b.floats("xs", {}, {0.125F});
    b.floats("w", {2, 1, 1, 1}, {-100, 0.6F});
    b.floats("ws", {2, 1, 1, 1}, {0.5F, 0.25F});
    b.floats("bias", {2}, {0.07F, 1});
    b.floats("bs", {2}, {0.0625F, 0.03125F});
    b.floats("ys", {1}, {0.5F});
    b.integer(b.node("Quant", {"x", "xs", "zero", "bits4"}, "xq"), "narrow", 1);
    b.integer(b.node("IntQuant", {"w", "ws", "zero", "bits4"}, "wq"), "narrow", 1);
    b.text(b.node("Quant", {"bias", "bs", "zero", "bits32"}, "bq"), "rounding_mode", "HALF_EVEN");
    b.node("Conv", {"xq", "wq", "bq"}, "c");
    b.node("Relu", {"c"}, "r");
    b.integer(b.node("Quant", {"r", "ys", "zero", "bits4"}, "y"), "signed", 0);
    for (auto& node : *b.graph().mutable_node()) {
      if (node.op_type().find("Quant") != std::string::npos) node.set_domain(domain);
    }
    const Graph graph = parse(b);
    EXPECT_EQ(graph.quantizations.at("w").bits, 4);
    // x is clipped to +-7/8, w to -3.5 and 0.5, the bias to 0.0625 and 1
    EXPECT_THAT(run_float(graph, {-5, 0.5F}), ElementsAre(3, 0, 0.5F, 1));
    EXPECT_THAT(run_integer(graph, {-5, 0.5F}), ElementsAre(3, 0, 0.5F, 1.5F));  // 1.25: a half
    EXPECT_THAT(lower(graph).layers.back().weights, ElementsAre(-7, 2));
  }
}

TEST(Qonnx, with_the_zero_point_in_the_middle_is_symmetric) {
  OnnxBuilder b({-1, 2});
  b.floats("eight", {}, {8});
  b.floats("bits4", {}, {4});
  b.floats("s", {}, {0.5F});
  b.integer(b.node("Quant", {"x", "s", "eight", "bits4"}, "q"), "signed", 0);
  b.node("Add", {"q", "q"}, "sum");
  b.floats("zero", {}, {0});
  b.node("Quant", {"sum", "s", "zero", "bits4"}, "y");
  for (auto& node : *b.graph().mutable_node()) {
    if (node.op_type() == "Quant") node.set_domain("qonnx.custom_op.general");
  }
  const Graph graph = parse(b);
  EXPECT_TRUE(graph.quantizations.at("x").is_signed);
  EXPECT_THAT(run_integer(graph, {-9, 1}), ElementsAre(-4, 2));
}

}  // namespace
