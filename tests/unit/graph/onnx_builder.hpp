#pragma once

#include <onnx/onnx_pb.h>

#include <initializer_list>
#include <string>
#include <vector>

namespace tessera::test {

/// Writes small ONNX models the way exporters do, right or wrong.
class OnnxBuilder {
 public:
  explicit OnnxBuilder(std::vector<int64_t> input_shape, int64_t opset = 13) {
    model.set_ir_version(7);
    auto& import = *model.add_opset_import();
    import.set_version(opset);
    auto& input = *graph().add_input();
    input.set_name("x");
    auto& type = *input.mutable_type()->mutable_tensor_type();
    type.set_elem_type(onnx::TensorProto::FLOAT);
    for (const int64_t size : input_shape) {
      auto& dim = *type.mutable_shape()->add_dim();
      if (size == -1) {
        dim.set_dim_param("batch");
      } else {
        dim.set_dim_value(size);
      }
    }
    graph().add_output()->set_name("y");
  }

  onnx::GraphProto& graph() { return *model.mutable_graph(); }

  onnx::TensorProto& floats(const std::string& name, std::vector<int64_t> shape,
                            const std::vector<float>& values) {
    auto& tensor = new_tensor(name, shape, onnx::TensorProto::FLOAT);
    for (const float value : values) tensor.add_float_data(value);
    return tensor;
  }

  onnx::TensorProto& integers(const std::string& name, const std::vector<int64_t>& values) {
    auto& tensor =
        new_tensor(name, {static_cast<int64_t>(values.size())}, onnx::TensorProto::INT64);
    for (const int64_t value : values) tensor.add_int64_data(value);
    return tensor;
  }

  onnx::TensorProto& small_integers(const std::string& name, std::vector<int64_t> shape, int type,
                                    const std::vector<int>& values) {
    auto& tensor = new_tensor(name, shape, type);
    for (const int value : values) tensor.add_int32_data(value);
    return tensor;
  }

  onnx::NodeProto& node(const std::string& op, const std::vector<std::string>& inputs,
                        const std::string& output) {
    auto& node = *graph().add_node();
    node.set_op_type(op);
    node.set_name(op + "_of_" + output);
    for (const std::string& input : inputs) node.add_input(input);
    node.add_output(output);
    return node;
  }

  static onnx::NodeProto& ints(onnx::NodeProto& node, const char* name,
                               std::initializer_list<int64_t> values) {
    auto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(onnx::AttributeProto::INTS);
    for (const int64_t value : values) attribute.add_ints(value);
    return node;
  }

  static onnx::NodeProto& integer(onnx::NodeProto& node, const char* name, int64_t value) {
    auto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(onnx::AttributeProto::INT);
    attribute.set_i(value);
    return node;
  }

  static onnx::NodeProto& real(onnx::NodeProto& node, const char* name, float value) {
    auto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(onnx::AttributeProto::FLOAT);
    attribute.set_f(value);
    return node;
  }

  static onnx::NodeProto& text(onnx::NodeProto& node, const char* name, const std::string& value) {
    auto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(onnx::AttributeProto::STRING);
    attribute.set_s(value);
    return node;
  }

  std::string bytes() const { return model.SerializeAsString(); }

  onnx::ModelProto model;

 private:
  onnx::TensorProto& new_tensor(const std::string& name, const std::vector<int64_t>& shape,
                                int type) {
    auto& tensor = *graph().add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(type);
    for (const int64_t size : shape) tensor.add_dims(size);
    return tensor;
  }
};

}  // namespace tessera::test
