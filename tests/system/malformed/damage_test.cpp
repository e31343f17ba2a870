/// Models damaged at random: each is refused as any other, or deploys.

#include <cstdlib>
#include <random>

#include "system/malformed/malformed_model.hpp"

namespace tessera::test {
namespace {

constexpr uint32_t kSeeds = 25;  // of each case

/// TESSERA_TEST_SEED, or nothing.
const char* wanted_seed() { return std::getenv("TESSERA_TEST_SEED"); }

class Damage {
 public:
  explicit Damage(uint32_t seed) : engine_(seed) {}

  void to_model(OnnxBuilder& model) {
    for (size_t count = 1 + pick(3); count > 0; --count) change(model);
  }

  std::string to_bytes(std::string bytes) {
    for (size_t count = 1 + pick(4); count > 0; --count) {
      bytes[pick(bytes.size())] = static_cast<char>(pick(256));
    }
    return bytes;
  }

 private:
  size_t pick(size_t count) { return engine_() % count; }

  int64_t odd_number() {
    static const std::vector<int64_t> kOdd{-1,
                                           0,
                                           1,
                                           2,
                                           7,
                                           1 << 20,
                                           int64_t{1} << 40,
                                           std::numeric_limits<int64_t>::max(),
                                           std::numeric_limits<int64_t>::min()};
    return kOdd[pick(kOdd.size())];
  }

  /// Any tensor of the model, none, or one that is not there.
  std::string some_tensor(OnnxBuilder& model) {
    std::vector<std::string> names{"x", "", "?"};
    for (const auto& node : model.graph().node()) names.push_back(node.output(0));
    for (const auto& tensor : model.graph().initializer()) names.push_back(tensor.name());
    return names[pick(names.size())];
  }

  void change(OnnxBuilder& model) {
    static const std::vector<std::string> kOperators{"Add",
                                                     "AveragePool",
                                                     "BatchNormalization",
                                                     "Cast",
                                                     "Clip",
                                                     "Concat",
                                                     "Constant",
                                                     "ConstantOfShape",
                                                     "Conv",
                                                     "DequantizeLinear",
                                                     "Flatten",
                                                     "Gather",
                                                     "Gemm",
                                                     "GlobalMaxPool",
                                                     "Identity",
                                                     "IntQuant",
                                                     "LRN",
                                                     "MatMul",
                                                     "Max",
                                                     "MaxPool",
                                                     "Min",
                                                     "Mul",
                                                     "Pad",
                                                     "Quant",
                                                     "QuantizeLinear",
                                                     "ReduceMean",
                                                     "ReduceProd",
                                                     "Reshape",
                                                     "Shape",
                                                     "Slice",
                                                     "Softmax",
                                                     "Squeeze",
                                                     "Sum",
                                                     "Transpose",
                                                     "Unsqueeze"};
    static const std::vector<const char*> kAttributes{
        "axis", "group",        "strides", "pads", "dilations", "axes",  "kernel_shape",
        "to",   "output_dtype", "perm",    "end",  "allowzero", "start", "narrow"};
    auto& node = *model.graph().mutable_node(
        static_cast<int>(pick(static_cast<size_t>(model.graph().node_size()))));
    auto& tensor = *model.graph().mutable_initializer(
        static_cast<int>(pick(static_cast<size_t>(model.graph().initializer_size()))));
    switch (pick(9)) {
      case 0:
      case 1:
        node.set_op_type(kOperators[pick(kOperators.size())]);
        node.clear_domain();
        break;
      case 2:
        node.add_input(some_tensor(model));
        break;
      case 3:
        if (node.input_size() > 0) node.set_input(0, some_tensor(model));
        break;
      case 4:
        if (node.input_size() > 1) node.set_input(1, some_tensor(model));
        break;
      case 5:
        OnnxBuilder::ints(node, kAttributes[pick(kAttributes.size())],
                          {odd_number(), odd_number()});
        break;
      case 6:
        OnnxBuilder::integer(node, kAttributes[pick(kAttributes.size())], odd_number());
        break;
      case 7:
        tensor.add_dims(odd_number());
        break;
      default:
        tensor.set_data_type(static_cast<int>(pick(24)));
    }
  }

  std::mt19937 engine_;
};

class DamagedModel : public MalformedModel, public testing::WithParamInterface<uint32_t> {
 protected:
  /// In both cases within the bounds; no message is that of a library.
  void expect_clean_end(const std::string& bytes) {
    const std::string net = given("net.onnx", bytes);
    const Bounds bounds;
    const CommandResult result = tessera({"deploy", net, "-o", output("net.timg")});
    if (result.status == 0) return;
    EXPECT_EQ(result.status, 2) << result;
    EXPECT_GE(result.err_lines(), 1) << result;
    EXPECT_LE(result.err_lines(), 2) << result;
    EXPECT_THAT(result.err, testing::HasSubstr("net.onnx: "));
    for (const char* words : {"std::", "_M_", "::at", "bad_", "stod", "stoi"}) {
      EXPECT_THAT(result.err, testing::Not(testing::HasSubstr(words)));
    }
  }

  void for_each_seed(const std::function<void(uint32_t)>& check) {
    for (uint32_t seed = GetParam(); seed < GetParam() + kSeeds; ++seed) {
      if (wanted_seed() != nullptr && std::to_string(seed) != wanted_seed()) continue;
      SCOPED_TRACE("TESSERA_TEST_SEED=" + std::to_string(seed));
      check(seed);
    }
  }
};

TEST_P(DamagedModel, in_its_nodes_and_tensors_is_refused_or_deploys) {
  for_each_seed([&](uint32_t seed) {
    GoodModel model;
    Damage(seed).to_model(model);
    expect_clean_end(model.bytes());
  });
}

TEST_P(DamagedModel, in_its_bytes_is_refused_or_deploys) {
  for_each_seed(
      [&](uint32_t seed) { expect_clean_end(Damage(seed).to_bytes(GoodModel().bytes())); });
}

TEST_P(DamagedModel, of_another_tool_is_refused_or_deploys) {
  for_each_seed([&](uint32_t seed) {
    ExportedModel model;
    Damage(seed).to_model(model);
    expect_clean_end(model.bytes());
    expect_clean_end(Damage(seed).to_bytes(ExportedModel().bytes()));
  });
}

INSTANTIATE_TEST_SUITE_P(Seeds, DamagedModel, testing::Values(0, kSeeds, 2 * kSeeds, 3 * kSeeds));

}  // namespace
}  // namespace tessera::test
