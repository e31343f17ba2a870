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

/// Extra padding after one dimension with which rounding down gives what ceil_mode asks for: a
/// last, partial window, unless it starts in the padding.
int64_t ceil_padding(int64_t size, int64_t before, int64_t after, int64_t kernel, int64_t stride,
                     int64_t dilation) {
  const int64_t extent = (kernel - 1) * dilation + 1;
  const int64_t room = size + before + after - extent;
  if (stride < 1 || room < 0) return 0;  // refused by shape inference
  const int64_t positions = (room + stride - 1) / stride + 1;
  const bool starts_inside = (positions - 1) * stride < size + before;
  return starts_inside ? (positions - 1) * stride - room > 0 ? (positions - 1) * stride - room : 0
                       : 0;
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
  node.inputs.push_back(read(proto, 0));
  node.inputs.push_back(add_weight(weight, true));
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

void OnnxImporter::import_batch_norm(const Proto& proto) {
  if (int_attribute(proto, "training_mode", 0) != 0)
    fail("it is in training mode; export for inference");
  Node node = new_node(proto, Op::kBatchNorm);
  node.inputs.push_back(read(proto, 0));
  Constant scale = constant(proto, 1, "scale");
  Constant shift = constant(proto, 2, "bias");
  const std::vector<float> mean = constant(proto, 3, "mean").values();
  const std::vector<float> variance = constant(proto, 4, "variance").values();
  const double epsilon = float_attribute(proto, "epsilon", 1e-5F);
  scale.floats = scale.values();
  shift.floats = shift.values();
  scale.grid.reset();
  shift.grid.reset();
  if (shift.floats.size() != scale.floats.size() || mean.size() != scale.floats.size() ||
      variance.size() != scale.floats.size()) {
    fail("scale, bias, mean and variance differ in length");
  }
  for (size_t c = 0; c < mean.size(); ++c) {
    if (!(variance[c] + epsilon > 0)) fail("the variance of channel ", c, " is not positive");
    const double factor = scale.floats[c] / std::sqrt(variance[c] + epsilon);
    scale.floats[c] = static_cast<float>(factor);
    shift.floats[c] = static_cast<float>(shift.floats[c] - mean[c] * factor);
  }
  node.inputs.push_back(add_weight(scale, false));
  node.inputs.push_back(add_weight(shift, false));
  add(proto, std::move(node));
}

/// The constant as one value a channel of x.
Tensor OnnxImporter::channel_values(const Proto& node, const Constant& values,
                                    const View& x) const {
  const Shape& shape = shape_of(x);
  std::vector<float> data = values.values();
  const bool is_channel = [&] {
    if (values.shape.size() > shape.size() + 1) return false;
    const size_t skipped = shape.size() + 1 - values.shape.size();  // leading dimensions left out
    for (size_t d = 0; d < values.shape.size(); ++d) {
      if (values.shape[d] != 1 && (d + skipped != 1 || values.shape[d] != shape[0])) return false;
    }
    return true;
  }();
  if (data.empty() || !values.is_float() || !is_channel) {
    fail("its constant of shape ", to_string(values.shape),
         " is no scalar or one value a channel of ", to_string(shape), " (", node.op_type(), ")");
  }
  if (data.size() == 1) data.assign(static_cast<size_t>(shape[0]), data[0]);
  return {{shape[0]}, std::move(data)};
}

/// A convolution or Gemm without a bias takes an Add behind it over.
bool OnnxImporter::merge_bias(const Proto& proto, const View& x, const Tensor& bias) {
  Node* producer = producer_of(x.tensor);
  const bool mergeable = producer != nullptr && !x.quantized && producer->inputs.size() == 2 &&
                         (producer->op == Op::kConv || producer->op == Op::kGemm) &&
                         graph_.quantizations.count(x.tensor) == 0;
  const std::string& name = proto.input(is_view(proto, 0) ? 0 : 1);
  if (!mergeable || name != x.tensor || !read_once(name)) return false;
  const std::string& constant_name = proto.input(is_view(proto, 0) ? 1 : 0);
  producer->inputs.push_back(add_plain_weight(constant_name, bias));
  alias(proto, x);
  return true;
}

void OnnxImporter::import_arithmetic(const Proto& proto) {
  const std::string& op = proto.op_type();
  if (is_view(proto, 0) && is_view(proto, 1)) {
    if (op != "Add") fail("combines two computed tensors; only Add does that here");
    Node node = new_node(proto, Op::kAdd);
    node.inputs = {read(proto, 0), read(proto, 1)};
    return add(proto, std::move(node));
  }
  const int x_index = is_view(proto, 0) ? 0 : 1;
  const View x = view(proto, x_index);
  Tensor shift = channel_values(proto, constant(proto, 1 - x_index, "operand"), x);
  if (op == "Add" && merge_bias(proto, x, shift)) return;
  if (op == "Div" && x_index == 1) fail("divides a constant by a computed tensor");
  Tensor scale = shift;
  for (size_t c = 0; c < shift.data.size(); ++c) {
    const float value = shift.data[c];
    const bool additive = op == "Add" || op == "Sub";
    scale.data[c] = op == "Mul"                   ? value
                    : op == "Div"                 ? 1 / value
                    : op == "Sub" && x_index == 1 ? -1.F
                                                  : 1.F;
    shift.data[c] = !additive ? 0 : op == "Sub" && x_index == 0 ? -value : value;
  }
  Node node = new_node(proto, Op::kBatchNorm);
  node.inputs.push_back(read(proto, x_index));
  node.inputs.push_back(add_plain_weight(proto.output(0) + "/scale", std::move(scale)));
  node.inputs.push_back(add_plain_weight(proto.output(0) + "/shift", std::move(shift)));
  add(proto, std::move(node));
}

void OnnxImporter::import_clip(const Proto& proto) {
  Node node = new_node(proto, Op::kClip);
  node.inputs.push_back(read(proto, 0));
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
  add(proto, std::move(node));
}

void OnnxImporter::apply_ceil_mode(const Proto& proto, const Shape& x, Node& node) const {
  if (int_attribute(proto, "ceil_mode", 0) == 0) return;
  Window& w = node.window;
  const int64_t bottom =
      ceil_padding(x[1], w.pad_top, w.pad_bottom, w.kernel_h, w.stride_h, w.dilation_h);
  const int64_t right =
      ceil_padding(x[2], w.pad_left, w.pad_right, w.kernel_w, w.stride_w, w.dilation_w);
  if (node.op == Op::kAveragePool && bottom + right > 0) {
    fail("averages over partial windows (ceil_mode=1) are not supported; use ceil_mode=0");
  }
  w.pad_bottom += bottom;
  w.pad_right += right;
}

void OnnxImporter::import_pool(const Proto& proto, Op op) {
  Node node = new_node(proto, op);
  Pads extra{};
  node.inputs.push_back(op == Op::kAveragePool ? read_padded(proto, 0, extra) : read(proto, 0));
  const Shape& x = graph_.shapes.at(node.inputs[0]);
  if (x.size() != 3) fail("needs a feature map {C, H, W}, its input is ", to_string(x));
  if (find_attribute(proto, "kernel_shape") == nullptr) fail("it has no kernel_shape");
  node.count_include_pad = int_attribute(proto, "count_include_pad", 0) != 0;
  set_window(proto, x, node.window);
  Window& w = node.window;
  if (extra != Pads{}) {
    const bool own = w.pad_top + w.pad_left + w.pad_bottom + w.pad_right != 0;
    if (own || string_attribute(proto, "auto_pad", "NOTSET") == "SAME_UPPER") {
      fail("it pads a tensor that a Pad has padded already");
    }
    node.count_include_pad = true;
    w.pad_top = extra[0];
    w.pad_left = extra[1];
    w.pad_bottom = extra[2];
    w.pad_right = extra[3];
  }
  if (op == Op::kAveragePool && (w.dilation_h != 1 || w.dilation_w != 1)) {
    fail("dilated averages are not supported");
  }
  apply_ceil_mode(proto, x, node);
  add(proto, std::move(node));
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
