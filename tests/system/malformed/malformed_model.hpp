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
