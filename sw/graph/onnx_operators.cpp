#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/onnx_importer.hpp"
#include "graph/text.hpp"

namespace tessera::graph {
namespace {

void set_pair(const onnx::NodeProto& node, const char* name, int64_t& first, int64_t& second) {
  const std::vector<int64_t> values = ints_attribute(node, name);
  if (values.empty()) return;
  if (values.size() != 2) fail("attribute ", name, " must have 2 values (2-D only)");
  first = values[0];
  second = values[1];
}

/// Padding of one dimension that makes the output ceil(size / stride) wide; `odd_first` puts the
/// odd element in front.
void pad_same(int64_t size, int64_t kernel, int64_t stride, int64_t dilation, bool odd_first,
              int64_t& before, int64_t& after) {
  if (stride < 1 || kernel < 1) fail("kernel and strides must be positive");
  const int64_t positions = (size + stride - 1) / stride;
  const int64_t extent = (kernel - 1) * dilation + 1;
  const int64_t total = std::max<int64_t>((positions - 1) * stride + extent - size, 0);
  before = odd_first ? total - total / 2 : total / 2;
  after = total - before;
}

/// Reorders the columns of a {K, H*W*C} matrix, which are those of a flattened {H, W, C}, to those
/// of a flattened {C, H, W}.
void put_channels_first(Constant& weight, const Shape& map) {
  const auto channels = static_cast<size_t>(map[0]);
  const size_t columns = static_cast<size_t>(element_count(map));
  const size_t plane = columns / channels;
  if (weight.floats.size() % columns != 0 || weight.shape.at(1) != element_count(map)) return;
  const std::vector<float> from = weight.floats;
  for (size_t i = 0; i < from.size(); ++i) {
    const size_t column = i % columns;
    weight.floats[i - column + column % channels * plane + column / channels] = from[i];
  }
}

}  // namespace

void OnnxImporter::set_window(const Proto& node, const Shape& x, Window& w) const {
  set_pair(node, "kernel_shape", w.kernel_h, w.kernel_w);
  set_pair(node, "strides", w.stride_h, w.stride_w);
  set_pair(node, "dilations", w.dilation_h, w.dilation_w);
  const std::vector<int64_t> pads = ints_attribute(node, "pads");
  if (!pads.empty() && pads.size() != 4) fail("attribute pads must have 4 values (2-D only)");
  if (!pads.empty()) {
    w.pad_top = pads[0];
    w.pad_left = pads[1];
    w.pad_bottom = pads[2];
    w.pad_right = pads[3];
  }
  const std::string automatic = string_attribute(node, "auto_pad", "NOTSET");
  if (automatic == "NOTSET") return;
  if (automatic == "VALID") {
    w.pad_top = w.pad_left = w.pad_bottom = w.pad_right = 0;
    return;
  }
  if (automatic != "SAME_UPPER" && automatic != "SAME_LOWER") fail("auto_pad ", automatic, "?");
  if (x.size() != 3) fail("needs a feature map {C, H, W}, its input is ", to_string(x));
  const bool odd_first = automatic == "SAME_LOWER";
  pad_same(x[1], w.kernel_h, w.stride_h, w.dilation_h, odd_first, w.pad_top, w.pad_bottom);
  pad_same(x[2], w.kernel_w, w.stride_w, w.dilation_w, odd_first, w.pad_left, w.pad_right);
}

void OnnxImporter::import_conv(const Proto& proto) {
  Node node = new_node(proto, Op::kConv);
  Pads extra{};
  node.inputs.push_back(read_padded(proto, 0, extra));
  Shape x = graph_.shapes.at(node.inputs[0]);
  const Constant& weight = constant(proto, 1, "weights");
  if (weight.shape.size() != 4 || x.size() != 3) {
    fail("only 2-D convolutions are supported; input ", to_string(x), ", weights ",
         to_string(weight.shape));
  }
  x[1] += extra[0] + extra[2];
  x[2] += extra[1] + extra[3];
  node.groups = int_attribute(proto, "group", 1);
  node.window.kernel_h = weight.shape[2];
  node.window.kernel_w = weight.shape[3];
  set_window(proto, x, node.window);
  node.window.pad_top += extra[0];
  node.window.pad_left += extra[1];
  node.window.pad_bottom += extra[2];
  node.window.pad_right += extra[3];
  node.inputs.push_back(add_weight(weight, true));
  if (has_input(proto, 2)) node.inputs.push_back(add_weight(constant(proto, 2, "bias"), false));
  add(proto, std::move(node));
}

void OnnxImporter::add_gemm(const Proto& proto, Constant weight, const Constant* bias, float beta) {
  Node node = new_node(proto, Op::kGemm);
  if (const std::optional<Shape>& map = view(proto, 0).interleaved)
    put_channels_first(weight, *map);
  node.inputs = {read_in_any_layout(proto, 0), add_weight(weight, true)};
  if (bias != nullptr && beta != 0) {
    const auto channels = static_cast<size_t>(weight.shape.at(0));
    std::vector<float> values = bias->values();
    if (values.size() == 1) values.assign(channels, values[0]);
    if (values.size() != channels) {
      fail("its bias has shape ", to_string(bias->shape), ", expected {", channels, "}");
    }
    for (float& value : values) value *= beta;
    const Shape shape{weight.shape[0]};
    node.inputs.push_back(add_plain_weight(bias->name, {shape, std::move(values)}));
  }
  add(proto, std::move(node));
}

void OnnxImporter::import_gemm(const Proto& proto) {
  if (int_attribute(proto, "transA", 0) != 0) fail("transA is not supported");
  Constant weight = constant(proto, 1, "weights");
  if (weight.shape.size() != 2) fail("weights must be a matrix, not ", to_string(weight.shape));
  if (int_attribute(proto, "transB", 0) == 0) {
    Proto transpose;
    transpose.set_op_type("Transpose");
    weight = *evaluate(transpose, {&weight});
  }
  const float alpha = float_attribute(proto, "alpha", 1);
  if (alpha != 1) {
    if (weight.grid && !(alpha > 0)) fail("alpha must be positive for quantised weights");
    for (float& value : weight.floats) value *= alpha;
    if (weight.grid) {
      for (float& scale : weight.grid->scales) scale *= alpha;
    }
  }
  add_gemm(proto, std::move(weight), optional_constant(proto, 2),
           float_attribute(proto, "beta", 1));
}

void OnnxImporter::import_matmul(const Proto& proto) {
  const Constant& weight = constant(proto, 1, "right operand");
  if (weight.shape.size() != 2) fail("weights must be a matrix, not ", to_string(weight.shape));
  Proto transpose;
  transpose.set_op_type("Transpose");
  add_gemm(proto, *evaluate(transpose, {&weight}), nullptr, 0);
}

/// The node works on each element alone, so that the layout of its input is that of its output.
void OnnxImporter::add_elementwise(const Proto& proto, Node node) {
  const View x = view(proto, 0);
  node.inputs = {read_in_any_layout(proto, 0)};
  add(proto, std::move(node));
  View& y = views_.at(proto.output(0));
  y.channels_last = x.channels_last;
  y.interleaved = x.interleaved;
}

void OnnxImporter::import_relu(const Proto& proto) {
  add_elementwise(proto, new_node(proto, Op::kRelu));
}

void OnnxImporter::import_clip(const Proto& proto) {
  if (is_view(proto, 0) ? view(proto, 0).integers.has_value() : has_input(proto, 0)) {
    return clip_integers(proto);
  }
  Node node = new_node(proto, Op::kClip);
  const auto bound = [&](int index, const char* name, float otherwise) {
    if (opset_ < 11) return float_attribute(proto, name, otherwise);
    const Constant* value = optional_constant(proto, index);
    if (value == nullptr) return otherwise;
    if (value->floats.size() != 1) fail("its ", name, " must be one float");
    return value->floats[0];
  };
  node.clip_low = bound(1, "min", std::numeric_limits<float>::lowest());
  node.clip_high = bound(2, "max", std::numeric_limits<float>::max());
  if (!(node.clip_low <= node.clip_high)) fail("its minimum exceeds its maximum");
  add_elementwise(proto, std::move(node));
}

/// Max(x, 0) is a Relu; Max and Min of another number are Clips.
void OnnxImporter::import_extremum(const Proto& proto) {
  const bool is_max = proto.op_type() == "Max";
  if (proto.input_size() != 2 || is_view(proto, 0) == is_view(proto, 1)) {
    fail("only the ", is_max ? "maximum" : "minimum", " of a tensor and one constant is supported");
  }
  const int x = is_view(proto, 0) ? 0 : 1;
  const std::vector<float> bound = constant(proto, 1 - x, "bound").values();
  if (bound.size() != 1 || !std::isfinite(bound[0])) fail("its bound must be one finite float");
  Proto one = proto;
  one.set_input(0, proto.input(x));
  Node node = new_node(proto, is_max && bound[0] == 0 ? Op::kRelu : Op::kClip);
  if (node.op == Op::kClip) {
    node.clip_low = is_max ? bound[0] : std::numeric_limits<float>::lowest();
    node.clip_high = is_max ? std::numeric_limits<float>::max() : bound[0];
  }
  add_elementwise(one, std::move(node));
}

void OnnxImporter::import_lrn(const Proto& proto) {
  Node node = new_node(proto, Op::kLrn);
  node.inputs.push_back(read(proto, 0));
  node.lrn_alpha = float_attribute(proto, "alpha", 1e-4F);
  node.lrn_beta = float_attribute(proto, "beta", 0.75F);
  node.lrn_bias = float_attribute(proto, "bias", 1);
  node.lrn_size = int_attribute(proto, "size", 0);
  if (node.lrn_size < 1 || node.lrn_size > 4096) fail("its size must be 1..4096");
  add(proto, std::move(node));
}

void OnnxImporter::import_softmax(const Proto& proto) {
  Node node = new_node(proto, Op::kSoftmax);
  node.inputs.push_back(read(proto, 0));
  const Shape& x = graph_.shapes.at(node.inputs[0]);
  const int64_t axis = int_attribute(proto, "axis", opset_ >= 13 ? -1 : 1);
  const bool one_pixel = element_count(x) == x[0];
  if (from_end(axis, static_cast<int64_t>(x.size()) + 1) != 1 || (opset_ < 13 && !one_pixel)) {
    fail("only a softmax over channels is supported");
  }
  add(proto, std::move(node));
}

void OnnxImporter::import_simple(const Proto& proto, Op op) {
  Node node = new_node(proto, op);
  node.inputs.push_back(read(proto, 0));
  add(proto, std::move(node));
}

void OnnxImporter::import_concat(const Proto& proto) {
  Node node = new_node(proto, Op::kConcat);
  for (int i = 0; i < proto.input_size(); ++i) node.inputs.push_back(read(proto, i));
  const auto rank = static_cast<int64_t>(graph_.shapes.at(node.inputs.at(0)).size()) + 1;
  if (from_end(int_attribute(proto, "axis", 1), rank) != 1)
    fail("joins along another axis than channels");
  add(proto, std::move(node));
}

}  // namespace tessera::graph
