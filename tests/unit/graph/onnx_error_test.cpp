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

TEST(OnnxErrors, an_unsupported_operator_is_named_with_its_node) {
  OnnxBuilder b({-1, 2, 4, 4});
  b.node("Resize", {"x"}, "y");
  EXPECT_THAT(error_of(b),
              AllOf(HasSubstr("'Resize_of_y'"), HasSubstr("(Resize)"), HasSubstr("not supported")));
  OnnxBuilder q({-1, 2, 4, 4});
  q.node("QLinearConv", {"x"}, "y");
  EXPECT_THAT(error_of(q), HasSubstr("QDQ"));
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

TEST(OnnxErrors, a_zero_point_that_is_not_zero) {
  OnnxBuilder b({-1, 2});
  b.floats("s", {}, {0.5F});
  b.small_integers("z", {}, onnx::TensorProto::UINT8, {128});
  b.node("QuantizeLinear", {"x", "s", "z"}, "q");
  b.node("DequantizeLinear", {"q", "s", "z"}, "d");
  b.node("Relu", {"d"}, "y");
  EXPECT_THAT(error_of(b), AllOf(HasSubstr("zero point"), HasSubstr("QuantizeLinear")));
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
  EXPECT_THAT(quant(5, "ROUND", 1), HasSubstr("narrow"));
}

TEST(OnnxErrors, a_spatial_pad_that_no_convolution_follows) {
  OnnxBuilder b({-1, 1, 4, 4});
  b.integers("pads", {0, 0, 1, 1, 0, 0, 1, 1});
  b.node("Pad", {"x", "pads"}, "p");
  b.node("Relu", {"p"}, "y");
  EXPECT_THAT(error_of(b), AllOf(HasSubstr("Pad"), HasSubstr("(Relu)")));
}

}  // namespace
