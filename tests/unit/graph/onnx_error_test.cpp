#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "graph/onnx_io.hpp"
#include "onnx_builder.hpp"

namespace {

using namespace tessera::graph;
using tessera::test::OnnxBuilder;
using testing::AllOf;
using testing::HasSubstr;

std::string error_of_bytes(const std::string& bytes) {
  try {
    parse_onnx(bytes, "net.onnx");
  } catch (const std::runtime_error& error) {
    const std::string message = error.what();
    EXPECT_LE(std::count(message.begin(), message.end(), '\n'), 1) << message;
    EXPECT_EQ(message.rfind("net.onnx: ", 0), 0U) << message;
    return message;
  }
  return "no error";
}

std::string error_of(const OnnxBuilder& builder) { return error_of_bytes(builder.bytes()); }

OnnxBuilder gemm() {
  OnnxBuilder b({-1, 2});
  b.floats("w", {3, 2}, {1, 2, 3, 4, 5, 6});
  b.integer(b.node("Gemm", {"x", "w"}, "y"), "transB", 1);
  return b;
}

TEST(OnnxErrors, the_model_that_they_start_from_is_good) {
  EXPECT_EQ(error_of(gemm()), "no error");
}

TEST(OnnxErrors, a_missing_file_is_named) {
  EXPECT_THROW(read_onnx("/nowhere/net.onnx"), std::runtime_error);
}

TEST(OnnxErrors, garbage_and_empty_files) {
  EXPECT_THAT(error_of_bytes(""), HasSubstr("no ONNX file"));
  EXPECT_THAT(error_of_bytes(std::string(1000, '\xff')), HasSubstr("no ONNX"));
  EXPECT_THAT(error_of_bytes("version: 1\n"), HasSubstr("no ONNX"));
}

TEST(OnnxErrors, every_truncation_is_an_error_or_a_smaller_model_and_never_a_crash) {
  const std::string bytes = gemm().bytes();
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_NE(error_of_bytes(bytes.substr(0, size)), "no error") << size;
  }
}

TEST(OnnxErrors, every_flipped_byte_is_an_error_or_another_model_and_never_a_crash) {
  const std::string bytes = gemm().bytes();
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const int mask : {0x01, 0x08, 0x80, 0xff}) {
      std::string changed = bytes;
      changed[i] = static_cast<char>(changed[i] ^ mask);
      error_of_bytes(changed);
    }
  }
}

TEST(OnnxErrors, an_unsupported_operator_is_named_with_its_node_and_what_to_do) {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"Resize", "end before it"},
      {"Upsample", "end before it"},
      {"ConvTranspose", "end before it"},
      {"HardSwish", "Relu and Clip"},
      {"Sigmoid", "Relu and Clip"},
      {"LeakyRelu", "Relu and Clip"},
      {"PRelu", "Relu and Clip"},
      {"InstanceNormalization", "BatchNormalization"},
      {"LSTM", "constant weights"},
      {"Split", "two convolutions"},
      {"DynamicQuantizeLinear", "statically"},
      {"QLinearConv", "QDQ"},
      {"ConvInteger", "QDQ"},
      {"NonMaxSuppression", "replace it"}};
  for (const auto& [op, advice] : cases) {
    OnnxBuilder b({-1, 2, 4, 4});
    b.node(op, {"x"}, "y");
    EXPECT_THAT(error_of(b), AllOf(HasSubstr("'" + op + "_of_y' (" + op + ")"),
                                   HasSubstr("not supported"), HasSubstr(advice)));
  }
}

TEST(OnnxErrors, an_operator_of_another_domain_says_what_to_do) {
  const auto of_domain = [](const char* op, const char* domain) {
    OnnxBuilder b({-1, 2, 4, 4});
    b.node(op, {"x"}, "y").set_domain(domain);
    return error_of(b);
  };
  EXPECT_THAT(of_domain("BipolarQuant", "qonnx.custom_op.general"),
              AllOf(HasSubstr("qonnx.custom_op.general"), HasSubstr("2 bits")));
  EXPECT_THAT(of_domain("Trunc", "onnx.brevitas"), HasSubstr("average"));
  EXPECT_THAT(of_domain("MultiThreshold", "finn.custom_op.general"), HasSubstr("FINN"));
  EXPECT_THAT(of_domain("FusedConv", "com.microsoft"), HasSubstr("without fusing"));
  EXPECT_THAT(of_domain("QLinearAdd", "com.microsoft"), HasSubstr("QDQ"));
}

TEST(OnnxErrors, indices_that_are_floats) {
  OnnxBuilder b({-1, 2, 3, 3});
  b.floats("index", {4}, {0, 1, 2, 3});
  b.node("Shape", {"x"}, "shape");
  b.node("Gather", {"shape", "index"}, "target");
  b.node("Reshape", {"x", "target"}, "y");
  EXPECT_THAT(error_of(b), AllOf(HasSubstr("(Gather)"), HasSubstr("integers")));
}

TEST(OnnxErrors, layouts_that_are_not_channels_first) {
  OnnxBuilder b({-1, 2, 4, 4});
  b.ints(b.node("Transpose", {"x"}, "t"), "perm", {0, 2, 3, 1});
  b.node("GlobalAveragePool", {"t"}, "y");
  EXPECT_THAT(error_of(b), AllOf(HasSubstr("{N, H, W, C}"), HasSubstr("channels first")));
  OnnxBuilder other({-1, 2, 4, 4});
  other.ints(other.node("Transpose", {"x"}, "y"), "perm", {0, 1, 3, 2});
  EXPECT_THAT(error_of(other), HasSubstr("only transpositions between"));
  OnnxBuilder output({-1, 2, 4, 4});
  output.ints(output.node("Transpose", {"x"}, "t"), "perm", {0, 2, 3, 1});
  output.node("Relu", {"t"}, "y");
  EXPECT_THAT(error_of(output), HasSubstr("the output 'y' is {N, H, W, C}"));
}

TEST(OnnxErrors, zeros_around_a_maximum_of_numbers_that_may_be_negative) {
  const auto pooled = [](bool relu, int64_t pad) {
    OnnxBuilder b({-1, 1, 4, 4});
    b.integers("pads", {0, 0, pad, pad, 0, 0, 0, 0});
    b.node("Relu", {"x"}, "r");
    b.node("Pad", {relu ? "r" : "x", "pads"}, "p");
    b.ints(b.node("MaxPool", {"p"}, relu ? "y" : "m"), "kernel_shape", {2, 2});
    if (!relu) b.node("Add", {"m", "m"}, "y");
    return error_of(b);
  };
  EXPECT_EQ(pooled(true, 1), "no error");
  EXPECT_THAT(pooled(true, 2), HasSubstr("behind a Relu"));
  EXPECT_THAT(pooled(false, 1), HasSubstr("behind a Relu"));
}

TEST(OnnxErrors, extrema_casts_and_shapes_that_the_chip_has_no_use_for) {
  const auto one = [](const char* op, const std::vector<std::string>& inputs) {
    OnnxBuilder b({-1, 2, 4, 4});
    b.floats("two", {2}, {1, 2});
    b.integers("nothing", {1, 2, 0, 4});
    b.integers("wide", {1, 8, 4, 1});
    b.integers("axes", {1});
    auto& node = b.node(op, inputs, "y");
    if (node.op_type() == "Cast") b.integer(node, "to", onnx::TensorProto::INT8);
    if (node.op_type() == "Reshape") b.integer(node, "allowzero", 1);
    return error_of(b);
  };
  EXPECT_THAT(one("Max", {"x", "x"}), HasSubstr("one constant"));
  EXPECT_THAT(one("Min", {"x", "two"}), HasSubstr("one finite float"));
  EXPECT_THAT(one("Cast", {"x"}), HasSubstr("float networks"));
  EXPECT_THAT(one("Reshape", {"x", "nothing"}), HasSubstr("without elements"));
  EXPECT_THAT(one("Reshape", {"x", "wide"}), HasSubstr("only flattening"));
  EXPECT_THAT(one("Unsqueeze", {"x", "axes"}), HasSubstr("one pixel"));
}

TEST(OnnxErrors, a_cycle) {
  OnnxBuilder b({-1, 2});
  b.node("Add", {"x", "back"}, "forth");
  b.node("Relu", {"forth"}, "back");
  b.node("Relu", {"back"}, "y");
  EXPECT_THAT(error_of(b), HasSubstr("cycle"));
}

TEST(OnnxErrors, missing_weights) {
  OnnxBuilder b = gemm();
  b.graph().clear_initializer();
  EXPECT_THAT(error_of(b), AllOf(HasSubstr("'w'"), HasSubstr("Gemm")));
  OnnxBuilder empty = gemm();
  empty.graph().mutable_initializer(0)->clear_float_data();
  EXPECT_THAT(error_of(empty), HasSubstr("data is missing"));
}

TEST(OnnxErrors, missing_and_escaping_external_data) {
  for (const char* location : {"absent.bin", "../secret.bin", "/etc/hostname"}) {
    OnnxBuilder b = gemm();
    auto& w = *b.graph().mutable_initializer(0);
    w.clear_float_data();
    w.set_data_location(onnx::TensorProto::EXTERNAL);
    auto& entry = *w.add_external_data();
    entry.set_key("location");
    entry.set_value(location);
    EXPECT_THAT(error_of(b), AllOf(HasSubstr("external data"), HasSubstr(location)));
  }
}

TEST(OnnxErrors, weights_that_are_not_finite) {
  OnnxBuilder b = gemm();
  b.graph().mutable_initializer(0)->set_float_data(2, std::numeric_limits<float>::quiet_NaN());
  EXPECT_THAT(error_of(b), HasSubstr("not finite"));
}

TEST(OnnxErrors, a_shape_conflict_names_both_shapes) {
  OnnxBuilder b({-1, 5});
  b.floats("w", {3, 2}, {1, 2, 3, 4, 5, 6});
  b.integer(b.node("Gemm", {"x", "w"}, "y"), "transB", 1);
  EXPECT_THAT(error_of(b), AllOf(HasSubstr("{3, 2}"), HasSubstr("{5}")));
}

TEST(OnnxErrors, huge_zero_and_open_dimensions) {
  const int64_t huge = int64_t{1} << 40;
  for (const std::vector<int64_t>& shape : {std::vector<int64_t>{1, 3, huge, huge},
                                            {1, 3, 1 << 20, 1 << 20},
                                            {1, 3, 0, 4},
                                            {1, 3, -1, 4}}) {
    OnnxBuilder b(shape);
    b.node("Relu", {"x"}, "y");
    EXPECT_NE(error_of(b), "no error");
  }
  OnnxBuilder pad({-1, 1, 4, 4});
  pad.integers("pads", {0, huge, 0, 0, 0, 0, 0, 0});
  pad.node("Pad", {"x", "pads"}, "y");
  EXPECT_THAT(error_of(pad), HasSubstr("out of range"));
  OnnxBuilder weights({-1, 2});
  weights.floats("w", {huge, 2}, {1});
  weights.integer(weights.node("Gemm", {"x", "w"}, "y"), "transB", 1);
  EXPECT_THAT(error_of(weights), HasSubstr("too large"));
  OnnxBuilder fill({-1, 2});
  fill.integers("n", {huge});
  fill.node("ConstantOfShape", {"n"}, "f");
  fill.node("Add", {"x", "f"}, "y");
  EXPECT_THAT(error_of(fill), HasSubstr("too large"));
}

TEST(OnnxErrors, several_inputs_or_outputs) {
  OnnxBuilder two = gemm();
  auto& input = *two.graph().add_input();
  input = two.graph().input(0);
  input.set_name("second");
  EXPECT_THAT(error_of(two), HasSubstr("several inputs"));
  OnnxBuilder none = gemm();
  none.graph().clear_output();
  EXPECT_THAT(error_of(none), HasSubstr("0 outputs"));
}

TEST(OnnxErrors, an_unknown_opset) {
  OnnxBuilder b = gemm();
  b.model.mutable_opset_import(0)->set_version(99);
  EXPECT_THAT(error_of(b), HasSubstr("opset 99"));
}

TEST(OnnxErrors, a_tensor_that_is_produced_twice) {
  OnnxBuilder b = gemm();
  b.node("Relu", {"x"}, "y");
  EXPECT_THAT(error_of(b), HasSubstr("produced twice"));
}

TEST(OnnxErrors, a_zero_point_inside_the_range_says_which_tensor_and_what_to_do) {
  const auto quantized = [](int type, int zero_point) {
    OnnxBuilder b({-1, 2});
    b.floats("s", {}, {0.5F});
    b.small_integers("z", {}, type, {zero_point});
    b.node("Relu", {"x"}, "r");
    b.node("QuantizeLinear", {"r", "s", "z"}, "q");
    b.node("DequantizeLinear", {"q", "s", "z"}, "y");
    return error_of(b);
  };
  EXPECT_THAT(quantized(onnx::TensorProto::UINT8, 113),
              AllOf(HasSubstr("(QuantizeLinear)"), HasSubstr("'r'"), HasSubstr("zero point 113"),
                    HasSubstr("-113..142"), HasSubstr("tessera compress")));
  EXPECT_THAT(quantized(onnx::TensorProto::INT8, -1), HasSubstr("zero point -1"));
  EXPECT_THAT(quantized(onnx::TensorProto::UINT8, 255), HasSubstr("zero point 255"));
  EXPECT_THAT(quantized(onnx::TensorProto::INT8, 1000), HasSubstr("'z'"));
  EXPECT_EQ(quantized(onnx::TensorProto::UINT8, 128), "no error");
  EXPECT_EQ(quantized(onnx::TensorProto::INT8, -128), "no error");
}

TEST(OnnxErrors, zero_points_of_weights_that_are_not_symmetric) {
  const auto weights = [](const std::vector<int>& zero_points, float scale_of_pair = 0.5F) {
    OnnxBuilder b({-1, 2});
    b.small_integers("w", {2, 2}, onnx::TensorProto::UINT8, {1, 2, 3, 4});
    b.floats("s", {2}, {0.5F, scale_of_pair});
    b.small_integers("z", {2}, onnx::TensorProto::UINT8, zero_points);
    b.integer(b.node("DequantizeLinear", {"w", "s", "z"}, "wd"), "axis", 0);
    b.integer(b.node("Gemm", {"x", "wd"}, "y"), "transB", 1);
    return error_of(b);
  };
  EXPECT_EQ(weights({128, 128}), "no error");
  EXPECT_THAT(weights({128, 127}), HasSubstr("channel to channel"));
  EXPECT_THAT(weights({100, 100}), AllOf(HasSubstr("'w'"), HasSubstr("zero point 100")));
  EXPECT_THAT(weights({128, 128}, -1), HasSubstr("positive"));
}

TEST(OnnxErrors, a_dequantizer_that_does_not_fit_its_quantizer) {
  const auto pair = [](float scale, int zero_point, int type) {
    OnnxBuilder b({-1, 2});
    b.floats("s", {}, {0.5F});
    b.floats("t", {}, {scale});
    b.small_integers("z", {}, onnx::TensorProto::UINT8, {128});
    b.small_integers("u", {}, type, {zero_point});
    b.node("QuantizeLinear", {"x", "s", "z"}, "q");
    b.node("DequantizeLinear", {"q", "t", "u"}, "d");
    b.node("Relu", {"d"}, "y");
    return error_of(b);
  };
  EXPECT_EQ(pair(0.5F, 128, onnx::TensorProto::UINT8), "no error");
  EXPECT_THAT(pair(0.25F, 128, onnx::TensorProto::UINT8), HasSubstr("differs"));
  EXPECT_THAT(pair(0.5F, 0, onnx::TensorProto::UINT8), HasSubstr("differs"));
  EXPECT_THAT(pair(0.5F, 128, onnx::TensorProto::UINT16), HasSubstr("differs"));
}

TEST(OnnxErrors, integers_that_no_dequantizer_reads) {
  OnnxBuilder b({-1, 2});
  b.floats("s", {}, {0.5F});
  b.node("QuantizeLinear", {"x", "s"}, "q");
  b.node("Relu", {"q"}, "y");
  EXPECT_THAT(error_of(b), HasSubstr("add a DequantizeLinear"));
  OnnxBuilder w({-1, 2});
  w.floats("s", {}, {0.5F});
  w.floats("w", {1, 2}, {1, 2});
  w.node("QuantizeLinear", {"w", "s"}, "q");
  w.integer(w.node("Gemm", {"x", "q"}, "y"), "transB", 1);
  EXPECT_THAT(error_of(w), HasSubstr("add a DequantizeLinear"));
  OnnxBuilder bare({-1, 2});
  bare.floats("s", {}, {0.5F});
  bare.node("DequantizeLinear", {"x", "s"}, "y");
  EXPECT_THAT(error_of(bare), HasSubstr("no QuantizeLinear precedes"));
}

TEST(OnnxErrors, a_tensor_read_on_and_off_its_grid) {
  OnnxBuilder b({-1, 2});
  b.floats("s", {}, {0.5F});
  b.node("Relu", {"x"}, "r");
  b.node("QuantizeLinear", {"r", "s"}, "q");
  b.node("DequantizeLinear", {"q", "s"}, "d");
  b.node("Add", {"d", "r"}, "y");
  EXPECT_THAT(error_of(b), AllOf(HasSubstr("'r'"), HasSubstr("before and after")));
}

TEST(OnnxErrors, quant_parameters_that_are_not_supported) {
  const auto quant = [](float bits, const char* mode, int narrow) {
    OnnxBuilder b({-1, 2});
    b.floats("s", {}, {0.5F});
    b.floats("z", {}, {0});
    b.floats("bits", {}, {bits});
    auto& node = b.node("Quant", {"x", "s", "z", "bits"}, "q");
    b.text(node, "rounding_mode", mode);
    b.integer(node, "narrow", narrow);
    b.node("Relu", {"q"}, "y");
    return error_of(b);
  };
  EXPECT_EQ(quant(5, "ROUND", 0), "no error");
  EXPECT_THAT(quant(1, "ROUND", 0), HasSubstr("bit width"));
  EXPECT_THAT(quant(2.5F, "ROUND", 0), HasSubstr("bit width"));
  EXPECT_THAT(quant(20, "ROUND", 0), HasSubstr("2..16"));
  EXPECT_THAT(quant(5, "FLOOR", 0), HasSubstr("FLOOR"));
  EXPECT_EQ(quant(5, "ROUND", 1), "no error");
}

TEST(OnnxErrors, a_spatial_pad_that_no_convolution_follows) {
  OnnxBuilder b({-1, 1, 4, 4});
  b.integers("pads", {0, 0, 1, 1, 0, 0, 1, 1});
  b.node("Pad", {"x", "pads"}, "p");
  b.node("Relu", {"p"}, "y");
  EXPECT_THAT(error_of(b), AllOf(HasSubstr("Pad"), HasSubstr("(Relu)")));
}

}  // namespace
