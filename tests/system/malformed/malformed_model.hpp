#pragma once

/// Models that `deploy` must refuse, and with which resources.

#include <sys/resource.h>

#include <functional>
#include <string>
#include <vector>

#include "system/cli/bad_input.hpp"
#include "unit/graph/onnx_builder.hpp"

namespace tessera::test {

/// Bounds what the commands of a scope may take: 1 s of processor time, 1.5 GB of address space.
/// Sanitizers reserve and spend more: with them nothing is bounded.
class Bounds {
 public:
  Bounds() {
#ifndef TESSERA_SANITIZED
    set(RLIMIT_CPU, 1, processor_);
    set(RLIMIT_AS, 1'500'000'000, memory_);
#endif
  }
  ~Bounds() {
#ifndef TESSERA_SANITIZED
    setrlimit(RLIMIT_CPU, &processor_);
    setrlimit(RLIMIT_AS, &memory_);
#endif
  }
  Bounds(const Bounds&) = delete;
  Bounds& operator=(const Bounds&) = delete;

 private:
  static void set(__rlimit_resource resource, rlim_t limit, rlimit& before) {
    if (getrlimit(resource, &before) != 0) throw std::runtime_error("getrlimit failed");
    const rlimit bounded{limit, before.rlim_max};
    if (setrlimit(resource, &bounded) != 0) throw std::runtime_error("setrlimit failed");
  }

  rlimit processor_{}, memory_{};
};

/// A quantised network that deploys: x {1, 2, 6, 6}, 8 bit -> Conv "conv", weights "w" {4, 2, 3, 3}
/// on 4 bits, bias "b" -> Relu "relu" -> 8 bit -> "y".
class GoodModel : public OnnxBuilder {
 public:
  static constexpr int kQuantX = 0, kQuantW = 1, kConv = 2, kRelu = 3, kQuantY = 4;

  GoodModel() : OnnxBuilder({-1, 2, 6, 6}) {
    auto& import = *model.add_opset_import();
    import.set_domain("qonnx.custom_op.general");
    import.set_version(1);
    floats("zero", {}, {0});
    std::vector<float> weights(4 * 2 * 9);
    for (size_t i = 0; i < weights.size(); ++i) weights[i] = static_cast<float>(i % 7) * 0.1F;
    floats("w", {4, 2, 3, 3}, weights);
    floats("b", {4}, {1, 2, 3, 4});
    quant("x", "xq", 0.01F, 8, false);
    quant("w", "wq", 0.1F, 4, true);
    node("Conv", {"xq", "wq", "b"}, "c").set_name("conv");
    node("Relu", {"c"}, "r").set_name("relu");
    quant("r", "y", 0.05F, 8, false);
  }

  onnx::NodeProto& quant(const std::string& input, const std::string& output, float scale,
                         float bits, bool is_signed) {
    floats(output + "_scale", {}, {scale});
    floats(output + "_bits", {}, {bits});
    auto& made = node("Quant", {input, output + "_scale", "zero", output + "_bits"}, output);
    made.set_name("quant_" + output);
    made.set_domain("qonnx.custom_op.general");
    integer(made, "signed", is_signed ? 1 : 0);
    return made;
  }

  onnx::NodeProto& at(int index) { return *graph().mutable_node(index); }

  onnx::TensorProto& initializer(const std::string& name) {
    for (auto& tensor : *graph().mutable_initializer()) {
      if (tensor.name() == name) return tensor;
    }
    throw std::runtime_error("the model has no initializer " + name);
  }

  onnx::TensorShapeProto& input_shape() {
    return *graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->mutable_shape();
  }

  void set_input(int index, int input, const std::string& name) {
    at(index).set_input(input, name);
  }
};

/// A quantised network that deploys, as tf2onnx and onnxruntime write it: x {1, 6, 6, 2}, channels
/// last, asymmetric types -> Pad, strided Conv -> Relu, 4 bits by a Clip -> MaxPool -> flattened
/// with channels last -> Gemm -> "y".
class ExportedModel : public OnnxBuilder {
 public:
  ExportedModel() : OnnxBuilder({-1, 6, 6, 2}) {
    using Type = onnx::TensorProto;
    small_integers("u128", {}, Type::UINT8, {128});
    small_integers("i128", {}, Type::INT8, {-128});
    small_integers("i0", {}, Type::INT8, {0});
    small_integers("high", {}, Type::INT8, {-113});
    floats("xs", {}, {0.01F});
    floats("ys", {}, {0.05F});
    pair("x", "x", "xs", "u128", false);
    ints(node("Transpose", {"x_d"}, "first"), "perm", {0, 3, 1, 2});
    integers("pads", {0, 0, 0, 0, 0, 0, 1, 1});
    node("Pad", {"first", "pads"}, "padded");
    stored("w", {4, 2, 3, 3}, 0);
    small_integers("b", {4}, Type::INT32, {1, 2, 3, 4});
    floats("bs", {}, {0.0001F});
    node("DequantizeLinear", {"b", "bs"}, "b_d");
    ints(node("Conv", {"padded", "w_d", "b_d"}, "c"), "strides", {2, 2});
    node("Relu", {"c"}, "r");
    pair("r", "r", "ys", "i128", true);
    ints(node("MaxPool", {"r_d"}, "m"), "kernel_shape", {2, 2});
    ints(node("Transpose", {"m"}, "last"), "perm", {0, 2, 3, 1});
    node("Shape", {"last"}, "shape");
    integers("zero", {0});
    integers("one", {1});
    node("Slice", {"shape", "zero", "one"}, "batch");
    integers("rest", {-1});
    integer(node("Concat", {"batch", "rest"}, "target"), "axis", 0);
    node("Reshape", {"last", "target"}, "flat");
    stored("v", {16, 3}, 1);
    node("MatMul", {"flat", "v_d"}, "product");
    pair("product", "y", "ys", "u128", false);
    node("Identity", {"y_d"}, "y");
  }

 private:
  void pair(const std::string& from, const std::string& name, const std::string& scale,
            const std::string& zero_point, bool clips) {
    node("QuantizeLinear", {from, scale, zero_point}, name + "_q");
    if (clips) node("Clip", {name + "_q", zero_point, "high"}, name + "_c");
    node("DequantizeLinear", {name + (clips ? "_c" : "_q"), scale, zero_point}, name + "_d");
  }

  /// 8-bit weights with a scale a channel, which is dimension `axis`.
  void stored(const std::string& name, const std::vector<int64_t>& shape, int64_t axis) {
    int64_t count = 1;
    for (const int64_t size : shape) count *= size;
    std::vector<int> values;
    for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<int>(i % 11) - 5);
    const int64_t channels = shape[static_cast<size_t>(axis)];
    small_integers(name, shape, onnx::TensorProto::INT8, values);
    floats(name + "_s", {channels}, std::vector<float>(static_cast<size_t>(channels), 0.01F));
    integer(node("DequantizeLinear", {name, name + "_s"}, name + "_d"), "axis", axis);
  }
};

/// Deploys models within Bounds.
class MalformedModel : public BadInput {
 protected:
  /// The model is refused in one or two lines that name the file and hold each of `clues`.
  void expect_model_refused(const OnnxBuilder& model, std::vector<std::string> clues) {
    expect_bytes_refused(model.bytes(), std::move(clues));
  }
  void expect_bytes_refused(const std::string& bytes, std::vector<std::string> clues) {
    const std::string net = given("net.onnx", bytes);
    clues.emplace_back("net.onnx");
    const Bounds bounds;
    expect_refused({"deploy", net, "-o", output("net.timg")}, clues);
  }
  void expect_file_refused(const std::string& path, const std::vector<std::string>& clues) {
    const Bounds bounds;
    expect_refused({"deploy", path, "-o", output("net.timg")}, clues);
  }
  void expect_model_deployed(const OnnxBuilder& model) {
    const std::string net = given("good.onnx", model.bytes());
    const TemporaryFolder elsewhere;
    const Bounds bounds;
    const CommandResult result = tessera({"deploy", net, "-o", elsewhere / "good.timg"});
    EXPECT_EQ(result.status, 0) << result;
  }
};

}  // namespace tessera::test
