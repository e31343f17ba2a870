#include <algorithm>
#include <numeric>

#include "graph/graph.hpp"
#include "graph/text.hpp"

namespace tessera::graph {
namespace {

constexpr int64_t kMaxSize = int64_t{1} << 24;  // of any window attribute; keeps sums in range

[[noreturn]] void conflict(const Node& node, const std::string& what) {
  fail("node '", node.name, "' (", name_of(node.op), "): ", what);
}

size_t activation_inputs(const Node& node) {
  switch (node.op) {
    case Op::kAdd:
      return 2;
    case Op::kConcat:
      return node.inputs.size();
    default:
      return 1;
  }
}

const Shape& input_shape(const Graph& graph, const Node& node, size_t index) {
  if (index >= node.inputs.size()) conflict(node, concat("input ", index, " is missing"));
  const auto found = graph.shapes.find(node.inputs[index]);
  if (found == graph.shapes.end()) {
    conflict(node, concat("input '", node.inputs[index], "' is produced by no earlier node"));
  }
  return found->second;
}

const Tensor& weight(const Graph& graph, const Node& node, size_t index) {
  if (index >= node.inputs.size()) conflict(node, concat("weight ", index, " is missing"));
  const auto found = graph.weights.find(node.inputs[index]);
  if (found == graph.weights.end()) {
    conflict(node, concat("weights '", node.inputs[index], "' are missing"));
  }
  const Tensor& tensor = found->second;
  if (tensor.data.size() != static_cast<size_t>(element_count(tensor.shape))) {
    conflict(node, concat("weights '", node.inputs[index], "' hold ", tensor.data.size(),
                          " values, their shape is ", to_string(tensor.shape)));
  }
  return tensor;
}

void check_map(const Node& node, const Shape& shape) {
  if (shape.size() != 3) {
    conflict(node, concat("needs a feature map {C, H, W}, its input is ", to_string(shape)));
  }
}

void check_vector_weight(const Graph& graph, const Node& node, size_t index, int64_t channels) {
  const Tensor& tensor = weight(graph, node, index);
  if (tensor.shape != Shape{channels}) {
    conflict(node, concat("'", node.inputs[index], "' must have shape {", channels, "}, it has ",
                          to_string(tensor.shape)));
  }
}

int64_t window_positions(const Node& node, int64_t size, int64_t kernel, int64_t stride,
                         int64_t dilation, int64_t pads) {
  const int64_t extent = dilation * (kernel - 1) + 1;
  if (size + pads < extent) {
    conflict(node, concat("its window spans ", extent, ", the padded map only ", size + pads));
  }
  return (size + pads - extent) / stride + 1;
}

Shape windowed(const Node& node, const Shape& x, int64_t channels) {
  const Window& w = node.window;
  for (const int64_t value :
       {w.kernel_h, w.kernel_w, w.stride_h, w.stride_w, w.dilation_h, w.dilation_w}) {
    if (value < 1 || value > kMaxSize) {
      conflict(node,
               concat("kernel, stride and dilation must be 1..", kMaxSize, ", one is ", value));
    }
  }
  for (const int64_t value : {w.pad_top, w.pad_left, w.pad_bottom, w.pad_right}) {
    if (value < 0 || value > kMaxSize) {
      conflict(node, concat("padding must be 0..", kMaxSize, ", one is ", value));
    }
  }
  return {
      channels,
      window_positions(node, x[1], w.kernel_h, w.stride_h, w.dilation_h, w.pad_top + w.pad_bottom),
      window_positions(node, x[2], w.kernel_w, w.stride_w, w.dilation_w, w.pad_left + w.pad_right)};
}

Shape subsampled(const Node& node, const Shape& x) {
  check_map(node, x);
  const Window& w = node.window;
  if (w.kernel_h != 1 || w.kernel_w != 1 ||
      w.pad_top + w.pad_left + w.pad_bottom + w.pad_right != 0) {
    conflict(node, "a subsampling has a 1x1 kernel and no padding");
  }
  return windowed(node, x, x[0]);
}

Shape conv_shape(const Graph& graph, const Node& node, const Shape& x) {
  check_map(node, x);
  const Shape& w = weight(graph, node, 1).shape;
  if (w.size() != 4) conflict(node, concat("weights must be {K, C, KH, KW}, not ", to_string(w)));
  if (node.groups < 1 || x[0] % node.groups != 0 || w[0] % node.groups != 0 ||
      w[1] != x[0] / node.groups) {
    conflict(node, concat("weights ", to_string(w), " in ", node.groups,
                          " group(s) do not fit the input ", to_string(x)));
  }
  if (w[2] != node.window.kernel_h || w[3] != node.window.kernel_w) {
    conflict(node, concat("kernel ", node.window.kernel_h, "x", node.window.kernel_w,
                          " differs from its weights ", to_string(w)));
  }
  if (node.inputs.size() > 2) check_vector_weight(graph, node, 2, w[0]);
  return windowed(node, x, w[0]);
}

Shape gemm_shape(const Graph& graph, const Node& node, const Shape& x) {
  const Shape& w = weight(graph, node, 1).shape;
  if (x.size() != 1 || w.size() != 2 || w[1] != x[0]) {
    conflict(node, concat("weights ", to_string(w), " do not fit the input ", to_string(x)));
  }
  if (node.inputs.size() > 2) check_vector_weight(graph, node, 2, w[0]);
  return {w[0]};
}

Shape concat_shape(const Graph& graph, const Node& node, const Shape& first) {
  Shape shape = first;
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    const Shape& other = input_shape(graph, node, i);
    if (other.size() != shape.size() ||
        !std::equal(other.begin() + 1, other.end(), shape.begin() + 1)) {
      conflict(node, concat("cannot join ", to_string(first), " and ", to_string(other),
                            " along channels"));
    }
    shape[0] += other[0];
  }
  return shape;
}

Shape unchecked_output_shape(const Graph& graph, const Node& node) {
  const Shape& x = input_shape(graph, node, 0);
  switch (node.op) {
    case Op::kConv:
      return conv_shape(graph, node, x);
    case Op::kGemm:
      return gemm_shape(graph, node, x);
    case Op::kBatchNorm:
      check_vector_weight(graph, node, 1, x.at(0));
      check_vector_weight(graph, node, 2, x.at(0));
      return x;
    case Op::kRelu:
    case Op::kClip:
    case Op::kSoftmax:
      return x;
    case Op::kLrn:
      check_map(node, x);
      return x;
    case Op::kMaxPool:
    case Op::kAveragePool:
      check_map(node, x);
      return windowed(node, x, x[0]);
    case Op::kGlobalAveragePool:
      check_map(node, x);
      return {x[0], 1, 1};
    case Op::kAdd: {
      const Shape& other = input_shape(graph, node, 1);
      if (other != x)
        conflict(node, concat("cannot add ", to_string(x), " and ", to_string(other)));
      return x;
    }
    case Op::kConcat:
      return concat_shape(graph, node, x);
    case Op::kPadChannels:
      check_map(node, x);
      if (node.pad_before < 0 || node.pad_after < 0) conflict(node, "padding must not be negative");
      return {x[0] + node.pad_before + node.pad_after, x[1], x[2]};
    case Op::kSubsample:
      return subsampled(node, x);
    case Op::kFlatten:
      return {element_count(x)};
  }
  conflict(node, "unknown operator");
}

}  // namespace

void check_shape(const Shape& shape, const std::string& what) {
  if (shape.empty()) fail(what, " has no dimensions; expected {C, H, W} or {N}");
  int64_t count = 1;
  for (const int64_t dimension : shape) {
    if (dimension < 1) fail(what, " has a dimension below 1: ", to_string(shape));
    if (__builtin_mul_overflow(count, dimension, &count) || count > kMaxActivationElements) {
      fail(what, " of shape ", to_string(shape), " exceeds ", kMaxActivationElements, " elements");
    }
  }
}

Shape infer_output_shape(const Graph& graph, const Node& node) {
  for (size_t i = 0; i < activation_inputs(node); ++i) {
    check_shape(input_shape(graph, node, i), concat("tensor '", node.inputs[i], "'"));
  }
  Shape shape = unchecked_output_shape(graph, node);
  check_shape(shape, concat("node '", node.name, "' (", name_of(node.op), "): its output"));
  return shape;
}

void infer_shapes(Graph& graph) {
  const auto input = graph.shapes.find(graph.input);
  if (input == graph.shapes.end()) fail("the input '", graph.input, "' has no shape");
  const Shape shape = input->second;
  check_shape(shape, concat("the input '", graph.input, "'"));
  graph.shapes.clear();
  graph.shapes[graph.input] = shape;
  for (const Node& node : graph.nodes) {
    Shape inferred = infer_output_shape(graph, node);
    if (graph.weights.count(node.output) != 0 ||
        !graph.shapes.emplace(node.output, std::move(inferred)).second) {
      conflict(node, concat("tensor '", node.output, "' is produced twice"));
    }
  }
  if (graph.shapes.count(graph.output) == 0) {
    fail("the output '", graph.output, "' is produced by no node");
  }
}

int64_t mac_count(const Graph& graph) {
  int64_t macs = 0;
  for (const Node& node : graph.nodes) {
    if (node.op != Op::kConv && node.op != Op::kGemm) continue;
    const Shape& w = graph.weights.at(node.inputs.at(1)).shape;
    const Shape& y = graph.shapes.at(node.output);
    macs += element_count(y) * (element_count(w) / w[0]);
  }
  return macs;
}

}  // namespace tessera::graph
