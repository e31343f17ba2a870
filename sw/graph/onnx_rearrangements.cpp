#include <algorithm>
#include <cmath>

#include "graph/onnx_importer.hpp"
#include "graph/text.hpp"

namespace tessera::graph {
namespace {

bool all_zero(const Constant& c) {
  const auto is_zero = [](auto value) { return value == 0; };
  return std::all_of(c.integers.begin(), c.integers.end(), is_zero) &&
         std::all_of(c.floats.begin(), c.floats.end(), is_zero);
}

/// The axes of a map's rows and columns.
std::vector<int64_t> rows_and_columns(bool channels_last) {
  return channels_last ? std::vector<int64_t>{1, 2} : std::vector<int64_t>{2, 3};
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
  const Shape shape = shape_of(x);
  if (shape.size() == 1) return alias(node, View(x));
  const bool reorders = x.channels_last && shape[0] != 1 && shape[1] * shape[2] != 1;
  Node flat = new_node(node, Op::kFlatten);
  flat.inputs.push_back(read_in_any_layout(node, 0));
  add(node, std::move(flat));
  if (reorders) views_.at(node.output(0)).interleaved = shape;
}

void OnnxImporter::import_cast(const Proto& node) {
  const View& x = view(node, 0);
  const int64_t to = int_attribute(node, "to", onnx::TensorProto::FLOAT);
  if (x.integers || to != onnx::TensorProto::FLOAT) {
    fail("casts a computed tensor to element type ", to, "; only float networks are supported");
  }
  alias(node, View(x));
}

/// Between {N, C, H, W} and {N, H, W, C}; the graph's own maps stay {C, H, W}.
void OnnxImporter::import_transpose(const Proto& node) {
  View x = view(node, 0);
  std::vector<int64_t> order = ints_attribute(node, "perm");
  const Shape shape = onnx_shape(x);
  if (order.empty()) {
    for (size_t i = shape.size(); i > 0; --i) order.push_back(static_cast<int64_t>(i) - 1);
  }
  const std::vector<int64_t> to_last{0, 2, 3, 1}, to_first{0, 3, 1, 2};
  const bool is_none =
      order == std::vector<int64_t>{0, 1} || order == std::vector<int64_t>{0, 1, 2, 3};
  const bool is_swap = order == (x.channels_last ? to_first : to_last);
  if (order.size() != shape.size() || x.padding || (!is_none && !is_swap)) {
    fail("only transpositions between {N, C, H, W} and {N, H, W, C} are supported; its input is ",
         to_string(shape));
  }
  if (is_swap) x.channels_last = !x.channels_last;
  alias(node, std::move(x));
}

void OnnxImporter::import_unsqueeze(const Proto& node) {
  const Constant* input = optional_constant(node, 1);
  std::vector<int64_t> axes = input != nullptr ? input->integers : ints_attribute(node, "axes");
  const Shape shape = onnx_shape(view(node, 0));
  for (int64_t& axis : axes) axis = from_end(axis, 4);
  std::sort(axes.begin(), axes.end());
  if (shape.size() != 2 || axes != std::vector<int64_t>{2, 3} ||
      !restore_pixel(node, {shape[0], shape[1], 1, 1})) {
    fail("only a map of one pixel that has been flattened can be made a map again");
  }
}

/// A Reshape to {N, C, 1, 1} or {N, 1, 1, C} that undoes the flattening of a map of one pixel.
bool OnnxImporter::restore_pixel(const Proto& node, const Shape& target) {
  const View& x = view(node, 0);
  const Node* flat = producer_of(x.tensor);
  if (flat == nullptr || flat->op != Op::kFlatten || x.interleaved || x.integers) return false;
  const std::string map = flat->inputs[0];
  const int64_t channels = graph_.shapes.at(map)[0];
  const bool is_first = target == Shape{batch_, channels, 1, 1};
  if (graph_.shapes.at(map) != Shape{channels, 1, 1} ||
      (!is_first && target != Shape{batch_, 1, 1, channels})) {
    return false;
  }
  const auto grid = graph_.quantizations.find(x.tensor);
  if (x.quantized && graph_.quantizations.count(map) == 0) {
    if (graph_.consumers(map).size() != 1) return false;
    graph_.quantizations[map] = Quantization(grid->second);
    read_unquantized_.erase(map);
  } else if (x.quantized && !(graph_.quantizations.at(map) == grid->second)) {
    return false;
  }
  View restored{map, graph_.quantizations.count(map) != 0};
  restored.channels_last = !is_first;
  alias(node, std::move(restored));
  return true;
}

void OnnxImporter::import_flatten(const Proto& node) {
  const auto rank = static_cast<int64_t>(shape_of(view(node, 0)).size()) + 1;
  if (from_end(int_attribute(node, "axis", 1), rank) != 1) fail("only axis 1 is supported");
  flatten(node);
}

void OnnxImporter::import_reshape(const Proto& node) {
  const Shape from = onnx_shape(view(node, 0));
  const std::vector<int64_t>& target = constant(node, 1, "target shape").integers;
  const bool has_zero = std::find(target.begin(), target.end(), 0) != target.end();
  if (has_zero && int_attribute(node, "allowzero", 0) != 0) fail("makes a tensor without elements");
  const Shape to = reshaped(from, target);
  if (to == from) return alias(node, View(view(node, 0)));
  if (to.size() == 2 && to[0] == batch_) return flatten(node);
  if (to.size() == 4 && restore_pixel(node, to)) return;
  fail("reshapes ", to_string(from), " to ", to_string(to), "; only flattening is supported");
}

void OnnxImporter::import_squeeze(const Proto& node) {
  const Shape& x = shape_of(view(node, 0));
  const Constant* input = optional_constant(node, 1);
  std::vector<int64_t> axes = input != nullptr ? input->integers : ints_attribute(node, "axes");
  for (int64_t& axis : axes) axis = from_end(axis, static_cast<int64_t>(x.size()) + 1);
  std::sort(axes.begin(), axes.end());
  if (x.size() != 3 || axes != rows_and_columns(view(node, 0).channels_last) || x[1] != 1 ||
      x[2] != 1) {
    fail("only rows and columns of {C, 1, 1} can be squeezed, its input is ", to_string(x));
  }
  flatten(node);
}

void OnnxImporter::import_reduce_mean(const Proto& proto) {
  const Shape& x = shape_of(view(proto, 0));
  const Constant* input = optional_constant(proto, 1);
  std::vector<int64_t> axes = input != nullptr ? input->integers : ints_attribute(proto, "axes");
  for (int64_t& axis : axes) axis = from_end(axis, static_cast<int64_t>(x.size()) + 1);
  std::sort(axes.begin(), axes.end());
  const bool is_last = view(proto, 0).channels_last;
  if (x.size() != 3 || axes != rows_and_columns(is_last)) {
    fail("only means over all rows and columns of a feature map are supported");
  }
  const bool flattens = int_attribute(proto, "keepdims", 1) == 0;
  Proto pooled = proto;
  if (flattens) pooled.set_output(0, proto.output(0) + "/pooled");
  Node node = new_node(proto, Op::kGlobalAveragePool);
  node.inputs.push_back(read_in_any_layout(proto, 0));
  add(pooled, std::move(node));
  views_.at(pooled.output(0)).channels_last = is_last;
  if (!flattens) return;
  Node flat = new_node(proto, Op::kFlatten);
  flat.inputs.push_back(take(views_.at(pooled.output(0))));
  add(proto, std::move(flat));
}

/// Of all dimensions: those before them first, then those behind them.
std::vector<int64_t> OnnxImporter::pads_of(const Proto& proto) {
  const std::vector<int64_t> given =
      opset_ < 11 ? ints_attribute(proto, "pads") : constant(proto, 1, "pads").integers;
  const size_t rank = shape_of(view(proto, 0)).size() + 1;
  std::vector<int64_t> axes;
  if (const Constant* some = opset_ < 18 ? nullptr : optional_constant(proto, 3)) {
    axes = some->integers;
  } else {
    for (size_t axis = 0; axis < rank; ++axis) axes.push_back(static_cast<int64_t>(axis));
  }
  if (given.size() != 2 * axes.size()) {
    fail("it has ", given.size(), " pads for ", axes.size(), " dimensions");
  }
  std::vector<int64_t> pads(2 * rank, 0);
  for (size_t i = 0; i < given.size(); ++i) {
    if (given[i] < 0 || given[i] > kMaxActivationElements)
      fail("pad ", given[i], " is out of range");
    const auto axis =
        static_cast<size_t>(from_end(axes[i % axes.size()], static_cast<int64_t>(rank)));
    pads[axis + (i < axes.size() ? 0 : rank)] = given[i];
  }
  if (pads[0] + pads[rank] != 0) fail("pads the batch");
  return pads;
}

void OnnxImporter::import_pad(const Proto& proto) {
  if (string_attribute(proto, "mode", "constant") != "constant")
    fail("only constant padding is supported");
  const Constant* value = opset_ < 11 ? nullptr : optional_constant(proto, 2);
  if ((value != nullptr && !all_zero(*value)) || float_attribute(proto, "value", 0) != 0) {
    fail("only padding with zeros is supported");
  }
  const std::vector<int64_t> pads = pads_of(proto);
  const size_t rank = pads.size() / 2;
  if (std::all_of(pads.begin(), pads.end(), [](int64_t pad) { return pad == 0; })) {
    return alias(proto, View(view(proto, 0)));
  }
  if (view(proto, 0).channels_last) read(proto, 0);
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
  alias(proto, View{producer->output});
}

}  // namespace tessera::graph
