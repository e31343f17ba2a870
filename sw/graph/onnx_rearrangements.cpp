#include <algorithm>
#include <cmath>

#include "graph/onnx_importer.hpp"
#include "graph/text.hpp"

namespace tessera::graph {
namespace {

struct IntegerType {
  int bits;
  bool is_signed;
};

IntegerType integer_type(int element_type) {
  using Proto = onnx::TensorProto;
  switch (element_type) {
    case Proto::UINT8:
      return {8, false};
    case Proto::INT8:
      return {8, true};
    case Proto::UINT16:
      return {16, false};
    case Proto::INT16:
      return {16, true};
    case Proto::INT32:
      return {32, true};
    default:
      fail("quantisation to element type ", element_type, " is not supported");
  }
}

bool all_zero(const Constant& c) {
  const auto is_zero = [](auto value) { return value == 0; };
  return std::all_of(c.integers.begin(), c.integers.end(), is_zero) &&
         std::all_of(c.floats.begin(), c.floats.end(), is_zero);
}

void check_zero_point(const Constant* zero_point) {
  if (zero_point != nullptr && !all_zero(*zero_point)) {
    fail(
        "its zero point is not 0; only symmetric grids are supported (quantise symmetrically, "
        "unsigned activations from 0)");
  }
}

/// The dimension along which a scale of this shape, aligned to the right, varies.
int64_t scale_axis(const Shape& scale, const Shape& tensor) {
  for (size_t d = 0; d < scale.size(); ++d) {
    if (scale[d] == 1) continue;
    const int64_t axis = static_cast<int64_t>(tensor.size() - scale.size() + d);
    if (scale.size() > tensor.size() || element_count(scale) != scale[d] ||
        scale[d] != tensor[static_cast<size_t>(axis)]) {
      fail("its scale of shape ", to_string(scale), " does not fit ", to_string(tensor));
    }
    return axis;
  }
  return 0;
}

void set_grid(Constant& c, const Quantization& grid, int64_t axis) {
  c.grid = grid;
  c.grid_axis = axis;
  const bool per_tensor = grid.scales.size() == 1;
  const int64_t channels = per_tensor ? 1 : c.shape.at(static_cast<size_t>(axis));
  check_quantization(grid, channels, concat("weights '", c.name, "'"));
}

int64_t axis_of(const onnx::NodeProto& node, const Constant& x, const std::vector<float>& scales) {
  if (scales.size() == 1) return 0;
  return from_end(int_attribute(node, "axis", 1), static_cast<int64_t>(x.shape.size()));
}

/// Wide grids (32 bit biases) are applied to the values and then forgotten.
void round_to_wide_grid(Constant& c, const std::vector<float>& scales, int64_t axis) {
  c.grid = Quantization{16, true, scales, WeightCode::kTwosComplement};
  c.grid_axis = axis;
  for (size_t i = 0; i < c.floats.size(); ++i) {
    const float scale = scales[c.scale_index(i)];
    if (!(scale > 0)) fail("its scale must be positive");
    c.floats[i] = scale * std::nearbyint(c.floats[i] / scale);
  }
  c.grid.reset();
}

}  // namespace

void OnnxImporter::import_identity(const Proto& node) {
  if (node.op_type() == "Dropout" && has_input(node, 2) && !all_zero(constant(node, 2, "mode"))) {
    fail("it is in training mode; export for inference");
  }
  if (is_view(node, 0)) return alias(node, view(node, 0));
  constants_[node.output(0)] = Constant(constant(node, 0, "input"));
}

void OnnxImporter::flatten(const Proto& node) {
  const View& x = view(node, 0);
  if (shape_of(x).size() == 1) return alias(node, View(x));
  import_simple(node, Op::kFlatten);
}

void OnnxImporter::import_flatten(const Proto& node) {
  const auto rank = static_cast<int64_t>(shape_of(view(node, 0)).size()) + 1;
  if (from_end(int_attribute(node, "axis", 1), rank) != 1) fail("only axis 1 is supported");
  flatten(node);
}

void OnnxImporter::import_reshape(const Proto& node) {
  const Shape from = onnx_shape(view(node, 0));
  const Shape to = reshaped(from, constant(node, 1, "target shape").integers);
  if (to == from) return alias(node, View(view(node, 0)));
  if (to.size() != 2 || to[0] != batch_) {
    fail("reshapes ", to_string(from), " to ", to_string(to), "; only flattening is supported");
  }
  flatten(node);
}

void OnnxImporter::import_squeeze(const Proto& node) {
  const Shape& x = shape_of(view(node, 0));
  const Constant* input = optional_constant(node, 1);
  std::vector<int64_t> axes = input != nullptr ? input->integers : ints_attribute(node, "axes");
  for (int64_t& axis : axes) axis = from_end(axis, static_cast<int64_t>(x.size()) + 1);
  std::sort(axes.begin(), axes.end());
  if (x.size() != 3 || axes != std::vector<int64_t>{2, 3} || x[1] != 1 || x[2] != 1) {
    fail("only axes 2 and 3 of {C, 1, 1} can be squeezed, its input is ", to_string(x));
  }
  flatten(node);
}

void OnnxImporter::import_reduce_mean(const Proto& proto) {
  const Shape& x = shape_of(view(proto, 0));
  const Constant* input = optional_constant(proto, 1);
  std::vector<int64_t> axes = input != nullptr ? input->integers : ints_attribute(proto, "axes");
  for (int64_t& axis : axes) axis = from_end(axis, static_cast<int64_t>(x.size()) + 1);
  std::sort(axes.begin(), axes.end());
  if (x.size() != 3 || axes != std::vector<int64_t>{2, 3}) {
    fail("only means over axes 2 and 3 of a feature map are supported");
  }
  if (int_attribute(proto, "keepdims", 1) != 0) return import_simple(proto, Op::kGlobalAveragePool);
  Proto pooled = proto;
  pooled.set_output(0, proto.output(0) + "/pooled");
  import_simple(pooled, Op::kGlobalAveragePool);
  Node node = new_node(proto, Op::kFlatten);
  node.inputs.push_back(views_.at(pooled.output(0)).tensor);
  add(proto, std::move(node));
}

void OnnxImporter::import_pad(const Proto& proto) {
  if (string_attribute(proto, "mode", "constant") != "constant")
    fail("only constant padding is supported");
  const Constant* value = opset_ < 11 ? nullptr : optional_constant(proto, 2);
  if ((value != nullptr && !all_zero(*value)) || float_attribute(proto, "value", 0) != 0) {
    fail("only padding with zeros is supported");
  }
  if (has_input(proto, 3)) fail("its axes input is not supported; give pads for all dimensions");
  const std::vector<int64_t> pads =
      opset_ < 11 ? ints_attribute(proto, "pads") : constant(proto, 1, "pads").integers;
  const size_t rank = shape_of(view(proto, 0)).size() + 1;
  if (pads.size() != 2 * rank) fail("it has ", pads.size(), " pads for ", rank, " dimensions");
  for (const int64_t pad : pads) {
    if (pad < 0 || pad > kMaxActivationElements) fail("pad ", pad, " is out of range");
  }
  if (pads[0] + pads[rank] != 0) fail("pads the batch");
  View x = view(proto, 0);
  if (pads[1] + pads[rank + 1] != 0) {
    Node node = new_node(proto, Op::kPadChannels);
    node.inputs.push_back(read(proto, 0));
    node.pad_before = pads[1];
    node.pad_after = pads[rank + 1];
    add(proto, std::move(node));
    x = views_.at(proto.output(0));
  }
  if (rank == 4 && pads[2] + pads[3] + pads[6] + pads[7] != 0) {
    Pads sum = x.padding.value_or(Pads{});
    const Pads more{pads[2], pads[3], pads[6], pads[7]};
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += more[i];
    x.padding = sum;
  }
  alias(proto, std::move(x));
}

void OnnxImporter::import_slice(const Proto& proto) {
  const Shape shape = onnx_shape(view(proto, 0));
  std::vector<int64_t> starts, ends, axes, steps;
  if (opset_ < 10) {
    starts = ints_attribute(proto, "starts");
    ends = ints_attribute(proto, "ends");
    axes = ints_attribute(proto, "axes");
  } else {
    starts = constant(proto, 1, "starts").integers;
    ends = constant(proto, 2, "ends").integers;
    if (const Constant* given = optional_constant(proto, 3)) axes = given->integers;
    if (const Constant* given = optional_constant(proto, 4)) steps = given->integers;
  }
  for (size_t i = axes.size(); i < starts.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  steps.resize(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size())
    fail("starts and ends differ in length");
  int64_t stride[2] = {1, 1};
  for (size_t i = 0; i < starts.size(); ++i) {
    const auto axis = static_cast<size_t>(from_end(axes[i], static_cast<int64_t>(shape.size())));
    const bool whole = (starts[i] == 0 || starts[i] <= -shape[axis]) && ends[i] >= shape[axis];
    if (!whole || steps[i] < 1 || (axis < 2 && steps[i] != 1)) {
      fail("only slices that keep every n-th row or column are supported, axis ", axis,
           " is cut to ", starts[i], ":", ends[i], ":", steps[i]);
    }
    if (axis >= 2) stride[axis - 2] = steps[i];
  }
  subsample(proto, stride[0], stride[1]);
}

void OnnxImporter::subsample(const Proto& proto, int64_t stride_h, int64_t stride_w) {
  const View x = view(proto, 0);
  if (stride_h == 1 && stride_w == 1) return alias(proto, x);
  Node* producer = producer_of(x.tensor);
  const bool mergeable = producer != nullptr && producer->op == Op::kSubsample && !x.quantized &&
                         graph_.quantizations.count(x.tensor) == 0 && !x.padding;
  if (!mergeable || proto.input(0) != x.tensor || !read_once(x.tensor)) {
    Node node = new_node(proto, Op::kSubsample);
    node.inputs.push_back(read(proto, 0));
    node.window.stride_h = stride_h;
    node.window.stride_w = stride_w;
    return add(proto, std::move(node));
  }
  rename_tensor(*producer, unused_name(proto.output(0)));
  producer->window.stride_h *= stride_h;
  producer->window.stride_w *= stride_w;
  graph_.shapes[producer->output] = infer_output_shape(graph_, *producer);
  alias(proto, {producer->output, false, false, std::nullopt});
}

Quantization OnnxImporter::grid_of_zero_point(const Proto& node, std::vector<float> scales) {
  const Constant* zero_point = optional_constant(node, 2);
  check_zero_point(zero_point);
  if (zero_point == nullptr && int_attribute(node, "output_dtype", 0) != 0) {
    fail("output_dtype is not supported; give a zero point");
  }
  if (int_attribute(node, "block_size", 0) != 0) fail("blocked quantisation is not supported");
  const IntegerType type =
      integer_type(zero_point == nullptr ? onnx::TensorProto::UINT8 : zero_point->element_type);
  return {type.bits, type.is_signed, std::move(scales), WeightCode::kTwosComplement};
}

void OnnxImporter::put_on_grid(const Proto& node, const Quantization& grid, bool as_integers) {
  View x = view(node, 0);
  check_quantization(grid, 1, "its grid");
  if (x.as_integers) fail("quantises the integers of a QuantizeLinear");
  const auto [known, is_new] = graph_.quantizations.emplace(x.tensor, grid);
  if (!is_new && !(known->second == grid)) {
    fail("tensor '", x.tensor, "' is put on two different grids; use one for all its readers");
  }
  x.quantized = true;
  x.as_integers = as_integers;
  alias(node, std::move(x));
}

void OnnxImporter::import_quantize_linear(const Proto& node) {
  const Quantization grid = grid_of_zero_point(node, constant(node, 1, "scale").values());
  if (is_view(node, 0)) return put_on_grid(node, grid, true);
  Constant c = constant(node, 0, "input");
  if (!c.is_float() || c.grid) fail("quantises weights that are no plain floats");
  const int64_t axis = axis_of(node, c, grid.scales);
  set_grid(c, grid, axis);
  constants_[node.output(0)] = std::move(c);
}

void OnnxImporter::import_dequantize_linear(const Proto& node) {
  const std::vector<float> scales = constant(node, 1, "scale").values();
  check_zero_point(optional_constant(node, 2));
  if (is_view(node, 0)) {
    View x = view(node, 0);
    if (!x.as_integers || graph_.quantizations.at(x.tensor).scales != scales) {
      fail("it does not match the QuantizeLinear before it");
    }
    x.as_integers = false;
    return alias(node, std::move(x));
  }
  Constant c = constant(node, 0, "input");
  if (c.is_float()) {
    if (!c.grid || c.grid->scales != scales) fail("it does not match the QuantizeLinear before it");
  } else {
    const IntegerType type = integer_type(c.element_type);
    const int64_t axis = axis_of(node, c, scales);
    if (scales.size() != 1 &&
        static_cast<int64_t>(scales.size()) != c.shape[static_cast<size_t>(axis)]) {
      fail("it has ", scales.size(), " scales along axis ", axis, " of ", to_string(c.shape));
    }
    const std::vector<int64_t> integers = std::move(c.integers);
    c.integers.clear();
    c.element_type = onnx::TensorProto::FLOAT;
    c.grid = Quantization{type.bits, type.is_signed, scales, WeightCode::kTwosComplement};
    c.grid_axis = axis;
    c.floats.reserve(integers.size());
    for (size_t i = 0; i < integers.size(); ++i) {
      c.floats.push_back(scales.at(c.scale_index(i)) * static_cast<float>(integers[i]));
    }
    if (type.bits > 16) {
      c.grid.reset();
    } else {
      set_grid(c, Quantization(*c.grid), axis);
    }
    if (read_once(node.input(0))) constants_.erase(node.input(0));
  }
  constants_[node.output(0)] = std::move(c);
}

void OnnxImporter::import_quant(const Proto& node) {
  const Constant& scale = constant(node, 1, "scale");
  check_zero_point(&constant(node, 2, "zero point"));
  const std::vector<float> widths = constant(node, 3, "bit width").values();
  const std::string mode = string_attribute(node, "rounding_mode", "ROUND");
  const std::string encoding = string_attribute(node, "encoding", "");
  const bool narrow = int_attribute(node, "narrow", 0) != 0;
  if (widths.size() != 1 || widths[0] != std::trunc(widths[0]) ||
      !(widths[0] >= 2 && widths[0] <= 32)) {
    fail("its bit width must be one integer in 2..16 (32 for biases)");
  }
  if (mode != "ROUND") fail("rounding mode ", mode, " is not supported; use ROUND");
  if (!encoding.empty() && encoding != "p4") fail("encoding '", encoding, "' is not known");
  Quantization grid{static_cast<int>(widths[0]), int_attribute(node, "signed", 1) != 0,
                    scale.values(),
                    encoding.empty() ? WeightCode::kTwosComplement : WeightCode::kPowerOfTwo};
  if (is_view(node, 0)) {
    if (narrow) fail("narrow ranges are supported for weights only");
    if (!encoding.empty()) fail("power-of-two grids are for weights only");
    return put_on_grid(node, grid, false);
  }
  Constant c = constant(node, 0, "input");
  if (!c.is_float() || c.grid) fail("quantises weights that are no plain floats");
  const int64_t axis = scale_axis(scale.shape, c.shape);
  if (grid.bits > 16) {
    round_to_wide_grid(c, grid.scales, axis);
  } else {
    set_grid(c, grid, axis);
    if (narrow && !grid.is_signed) fail("narrow unsigned ranges are not supported");
    for (size_t i = 0; narrow && i < c.floats.size(); ++i) {
      const float limit = grid.scales[c.scale_index(i)] * static_cast<float>(grid.max());
      c.floats[i] = std::clamp(c.floats[i], -limit, limit);
    }
  }
  constants_[node.output(0)] = std::move(c);
}

}  // namespace tessera::graph
