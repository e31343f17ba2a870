#pragma once

/// Constants of an ONNX file: reading them (from the file or from external data) and evaluating
/// the shape arithmetic that exporters leave in the graph.

#include <onnx/onnx_pb.h>

#include <optional>
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace tessera::graph {

/// Element types that ONNX has got since the version of its library here; two values a byte, the
/// first in the low half.
constexpr int kUint4 = 21, kInt4 = 22;

/// What a file says of a tensor of integers: of those that a QuantizeLinear makes, or of stored
/// ones.
struct IntegerForm {
  int element_type = onnx::TensorProto::UINT8;
  int64_t low = 0, high = 255;  ///< range of the values, zero point included; a Clip narrows it
  std::vector<float> scales;    ///< of the QuantizeLinear; none for stored integers
  int64_t zero_point = 0;       ///< of the QuantizeLinear
};

/// A tensor whose value is known. Exactly one of `floats` and `integers` holds it.
struct Constant {
  std::string name;  ///< of the initializer it came from
  int element_type = onnx::TensorProto::FLOAT;
  Shape shape;
  std::vector<float> floats;
  std::vector<int64_t> integers;
  std::optional<Quantization> grid;  ///< on which quantised weights lie; floats are before rounding
  int64_t grid_axis = 0;             ///< dimension of the grid's scales, if there is more than one
  /// Of floats: a QuantizeLinear has made integers of them, which a DequantizeLinear has yet to
  /// read. Of integers: a Clip has narrowed their range.
  std::optional<IntegerForm> integer_form;

  bool is_float() const {
    return element_type == onnx::TensorProto::FLOAT || element_type == onnx::TensorProto::FLOAT16 ||
           element_type == onnx::TensorProto::DOUBLE;
  }
  /// The floats, rounded to the grid if there is one.
  std::vector<float> values() const;
  /// Index of the scale that applies to element i.
  size_t scale_index(size_t i) const;
};

/// Reads a tensor; external data is looked for in `folder`. Throws std::runtime_error if its data
/// is missing, of the wrong length, or of an unsupported type; allocates nothing before that.
Constant read_constant(const onnx::TensorProto& tensor, const std::string& folder);

/// Elements of a constant's shape. Throws std::runtime_error beginning with `what` if there are
/// more than 2^27 or a dimension is negative.
int64_t checked_count(const Shape& shape, const std::string& what);

/// Whether tensors of this ONNX element type can be read.
bool is_supported_type(int element_type);

/// One-dimensional int64 constant.
Constant integer_constant(std::vector<int64_t> values);

/// A Cast, Concat, ConstantOfShape, Gather, ReduceProd, Reshape, Slice, Squeeze, Transpose,
/// Unsqueeze, Add, Sub, Mul or Div of constants; null inputs are absent ones. Nothing if the
/// operator is another. Throws std::runtime_error on what it cannot evaluate.
std::optional<Constant> evaluate(const onnx::NodeProto& node,
                                 const std::vector<const Constant*>& inputs);

/// The dimensions that a Reshape to `target` gives: 0 copies, -1 is what remains.
Shape reshaped(const Shape& from, const std::vector<int64_t>& target);

/// `index` with negative values counted from `size`; throws std::runtime_error if out of range.
int64_t from_end(int64_t index, int64_t size);

const onnx::AttributeProto* find_attribute(const onnx::NodeProto& node, const std::string& name);
int64_t int_attribute(const onnx::NodeProto& node, const std::string& name, int64_t otherwise);
float float_attribute(const onnx::NodeProto& node, const std::string& name, float otherwise);
std::string string_attribute(const onnx::NodeProto& node, const std::string& name,
                             const std::string& otherwise);
std::vector<int64_t> ints_attribute(const onnx::NodeProto& node, const std::string& name);

}  // namespace tessera::graph
