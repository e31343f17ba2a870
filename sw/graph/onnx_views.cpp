#include <algorithm>
#include <cmath>

#include "graph/onnx_importer.hpp"
#include "graph/text.hpp"

namespace tessera::graph {

bool OnnxImporter::has_input(const Proto& node, int index) const {
  return index < node.input_size() && !node.input(index).empty();
}

const Constant* OnnxImporter::find_constant(const std::string& name) {
  const auto known = constants_.find(name);
  if (known != constants_.end()) return &known->second;
  const auto initializer = initializers_.find(name);
  if (initializer == initializers_.end()) return nullptr;
  return &constants_.emplace(name, read_constant(*initializer->second, folder_)).first->second;
}

const Constant& OnnxImporter::constant(const Proto& node, int index, const char* what) {
  static const std::set<std::string> kReadIntegers{
      "Clip", "DequantizeLinear", "Identity", "IntQuant", "Quant", "QuantizeLinear"};
  if (!has_input(node, index)) fail("its ", what, " (input ", index, ") is missing");
  const Constant* found = find_constant(node.input(index));
  if (found == nullptr) {
    fail("its ", what, " ('", node.input(index), "') must be a constant, here it is computed");
  }
  if (found->is_float() && found->integer_form && kReadIntegers.count(node.op_type()) == 0) {
    fail("its ", what, " are the integers of a QuantizeLinear; add a DequantizeLinear");
  }
  return *found;
}

const Constant* OnnxImporter::optional_constant(const Proto& node, int index) {
  return has_input(node, index) ? &constant(node, index, "optional input") : nullptr;
}

bool OnnxImporter::is_view(const Proto& node, int index) const {
  return has_input(node, index) && views_.count(node.input(index)) != 0;
}

const OnnxImporter::View& OnnxImporter::view(const Proto& node, int index) const {
  if (!has_input(node, index)) fail("input ", index, " is missing");
  const auto found = views_.find(node.input(index));
  if (found == views_.end()) {
    fail("input '", node.input(index), "' is a constant, expected a computed tensor");
  }
  return found->second;
}

/// The tensor behind a view, now read by a node.
std::string OnnxImporter::take(const View& x) {
  if (x.integers) fail("it reads the integers of a QuantizeLinear; add a DequantizeLinear");
  if (!x.quantized) read_unquantized_.insert(x.tensor);
  return x.tensor;
}

std::string OnnxImporter::read_in_any_layout(const Proto& node, int index) {
  const View& x = view(node, index);
  if (x.padding) fail("it reads a spatially padded tensor; Pad is supported only before Conv");
  return take(x);
}

std::string OnnxImporter::read(const Proto& node, int index) {
  if (view(node, index).padding) return read_in_any_layout(node, index);
  Pads unused{};
  return read_padded(node, index, unused);
}

std::string OnnxImporter::read_padded(const Proto& node, int index, Pads& padding) {
  const View& x = view(node, index);
  if (x.channels_last || x.interleaved) {
    fail("it works on {N, H, W, C}; export with channels first (tf2onnx: --inputs-as-nchw)");
  }
  if (x.padding) padding = *x.padding;
  return take(x);
}

std::string OnnxImporter::unused_name(const std::string& wish) const {
  std::string name = wish;
  for (int i = 1; graph_.shapes.count(name) + graph_.weights.count(name) != 0; ++i) {
    name = concat(wish, "_", i);
  }
  return name;
}

std::string OnnxImporter::add_plain_weight(const std::string& wish, Tensor tensor) {
  for (const float value : tensor.data) {
    if (!std::isfinite(value)) fail("weights '", wish, "' contain a value that is not finite");
  }
  const auto same = graph_.weights.find(wish);
  if (same != graph_.weights.end() && same->second.shape == tensor.shape &&
      same->second.data == tensor.data && graph_.quantizations.count(wish) == 0) {
    return wish;
  }
  const std::string name = unused_name(wish);
  graph_.weights.emplace(name, std::move(tensor));
  return name;
}

/// Without its grid, a constant is stored as rounded to it.
std::string OnnxImporter::add_weight(const Constant& values, bool keep_grid) {
  if (!values.is_float()) fail("weights '", values.name, "' must be floats");
  if (values.floats.empty()) fail("weights '", values.name, "' are empty");
  if (!keep_grid || !values.grid) {
    return add_plain_weight(values.name, {values.shape, values.values()});
  }
  if (values.grid->scales.size() > 1 && values.grid_axis != 0) {
    fail("weights '", values.name, "' must have their scales along output channels");
  }
  check_quantization(*values.grid, values.shape.at(0), concat("weights '", values.name, "'"));
  const auto same = graph_.weights.find(values.name);
  if (same != graph_.weights.end() && same->second.shape == values.shape &&
      same->second.data == values.floats && graph_.quantizations.count(values.name) != 0 &&
      graph_.quantizations.at(values.name) == *values.grid) {
    return values.name;
  }
  const std::string name = unused_name(values.name);
  for (const float value : values.floats) {
    if (!std::isfinite(value)) fail("weights '", name, "' contain a value that is not finite");
  }
  graph_.weights[name] = {values.shape, values.floats};
  graph_.quantizations[name] = *values.grid;
  return name;
}

Node OnnxImporter::new_node(const Proto& proto, Op op) {
  Node node;
  node.op = op;
  const std::string wish =
      proto.name().empty() ? concat(proto.op_type(), "_", graph_.nodes.size()) : proto.name();
  node.name = wish;
  for (int i = 1; node_names_.count(node.name) != 0; ++i) node.name = concat(wish, "_", i);
  return node;
}

void OnnxImporter::add(const Proto& proto, Node node) {
  node.output = unused_name(proto.output(0));
  graph_.shapes[node.output] = infer_output_shape(graph_, node);
  node_names_.insert(node.name);
  views_[proto.output(0)] = View{node.output};
  graph_.nodes.push_back(std::move(node));
}

void OnnxImporter::alias(const Proto& proto, View view) {
  views_[proto.output(0)] = std::move(view);
}

bool OnnxImporter::read_once(const std::string& onnx_name) const {
  int count = onnx_name == proto_.output(0).name() ? 1 : 0;
  for (const auto& node : proto_.node()) {
    count += static_cast<int>(std::count(node.input().begin(), node.input().end(), onnx_name));
  }
  return count == 1;
}

Node* OnnxImporter::producer_of(const std::string& tensor) {
  for (Node& node : graph_.nodes) {
    if (node.output == tensor) return &node;
  }
  return nullptr;
}

/// Renames the node's output; its readers, if any, are the caller's.
void OnnxImporter::rename_tensor(Node& node, const std::string& name) {
  auto shape = graph_.shapes.extract(node.output);
  shape.key() = name;
  graph_.shapes.insert(std::move(shape));
  auto grid = graph_.quantizations.extract(node.output);
  if (!grid.empty()) {
    grid.key() = name;
    graph_.quantizations.insert(std::move(grid));
  }
  node.output = name;
}

Shape OnnxImporter::onnx_shape(const View& view) const {
  Shape shape = shape_of(view);
  if (view.padding) {
    shape[1] += (*view.padding)[0] + (*view.padding)[2];
    shape[2] += (*view.padding)[1] + (*view.padding)[3];
  }
  if (view.channels_last) std::rotate(shape.begin(), shape.begin() + 1, shape.end());
  shape.insert(shape.begin(), batch_);
  return shape;
}

}  // namespace tessera::graph
