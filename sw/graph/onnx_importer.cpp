#include "graph/onnx_importer.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <new>
#include <queue>

#include "graph/text.hpp"

namespace tessera::graph {
namespace {

constexpr int64_t kOldestOpset = 7;
constexpr int64_t kNewestOpset = 23;

/// Of all constants that folding makes; larger networks than VGG16 stay below.
constexpr int64_t kMaxFoldedElements = int64_t{1} << 27;

std::vector<float> parse_floats(const std::string& text, const std::string& key) {
  std::vector<float> values;
  std::istringstream stream(text);
  for (std::string field; std::getline(stream, field, ',');) {
    char* end = nullptr;
    values.push_back(std::strtof(field.c_str(), &end));
    if (field.empty() || *end != '\0' || !std::isfinite(values.back())) {
      fail("metadata '", key, "' is not a list of numbers: '", text, "'");
    }
  }
  return values;
}

/// The standard operators, and the quantisers of other tools.
bool is_known_domain(const onnx::NodeProto& node) {
  const std::string& domain = node.domain();
  const std::string& op = node.op_type();
  if (op == "Quant" || op == "IntQuant") return true;
  if (op == "QuantizeLinear" || op == "DequantizeLinear") {
    if (domain == "com.microsoft") return true;
  }
  return domain.empty() || domain == "ai.onnx";
}

std::string label(const onnx::NodeProto& node) {
  const std::string& name =
      node.name().empty() && node.output_size() > 0 ? node.output(0) : node.name();
  return concat("node '", name, "' (", node.op_type(), ")");
}

}  // namespace

OnnxImporter::OnnxImporter(const onnx::ModelProto& model, std::string folder)
    : model_(model), proto_(model.graph()), folder_(std::move(folder)) {}

Graph OnnxImporter::run() {
  check_model();
  index_tensors();
  import_input();
  for (const Proto* node : sorted_nodes()) import_node(*node);
  finish();
  return std::move(graph_);
}

void OnnxImporter::check_model() {
  if (!model_.has_graph() || proto_.node_size() == 0) {
    fail("this is no ONNX model, or one without nodes; export the network again");
  }
  for (const auto& entry : model_.opset_import()) {
    if (entry.domain().empty() || entry.domain() == "ai.onnx") opset_ = entry.version();
  }
  if (opset_ < kOldestOpset || opset_ > kNewestOpset) {
    fail("opset ", opset_, " is not supported; export with opset ", kOldestOpset, "..",
         kNewestOpset);
  }
  if (proto_.output_size() != 1) {
    fail("the network has ", proto_.output_size(), " outputs; exactly one is supported");
  }
  graph_.name = proto_.name();
}

void OnnxImporter::index_tensors() {
  for (const auto& tensor : proto_.initializer()) {
    if (!initializers_.emplace(tensor.name(), &tensor).second) {
      fail("initializer '", tensor.name(), "' is given twice");
    }
  }
  std::set<std::string> given;
  for (const auto& input : proto_.input()) given.insert(input.name());
  for (int i = 0; i < proto_.node_size(); ++i) {
    for (const std::string& output : proto_.node(i).output()) {
      if (output.empty()) continue;
      if (initializers_.count(output) + given.count(output) != 0 ||
          !producers_.emplace(output, i).second) {
        fail(label(proto_.node(i)), ": tensor '", output, "' is produced twice");
      }
    }
  }
}

void OnnxImporter::import_input() {
  const onnx::ValueInfoProto* input = nullptr;
  for (const auto& candidate : proto_.input()) {
    if (initializers_.count(candidate.name()) != 0) continue;
    if (input != nullptr) {
      fail("the network has several inputs ('", input->name(), "', '", candidate.name(),
           "'); exactly one is supported");
    }
    input = &candidate;
  }
  if (input == nullptr) fail("the network has no input");
  const auto& type = input->type().tensor_type();
  if (type.elem_type() != onnx::TensorProto::FLOAT) {
    fail("input '", input->name(), "' must be a float tensor");
  }
  const int rank = type.shape().dim_size();
  if (rank != 4 && rank != 2) {
    fail("input '", input->name(), "' has ", rank, " dimensions; expected {N, C, H, W} or {N, C}");
  }
  Shape shape;
  for (int i = 0; i < rank; ++i) {
    const auto& dim = type.shape().dim(i);
    if (i == 0) {
      if (dim.has_dim_value() && dim.dim_value() > 0) batch_ = dim.dim_value();
    } else if (!dim.has_dim_value()) {
      fail("dimension ", i, " of input '", input->name(),
           "' is open; export with a fixed image size");
    } else {
      shape.push_back(dim.dim_value());
    }
  }
  check_shape(shape, concat("input '", input->name(), "'"));
  check_shape(shape, concat("input '", input->name(), "'"));
  graph_.input = input->name();
  View& view = views_[graph_.input] = View{graph_.input};
  if (rank == 4 && is_transposed_at_once(graph_.input)) {
    view.channels_last = true;
    std::rotate(shape.begin(), shape.begin() + 2, shape.end());
  }
  graph_.shapes[graph_.input] = shape;
}

/// Whether all that a network with an input {N, H, W, C} does with it is to put the channels first.
bool OnnxImporter::is_transposed_at_once(const std::string& input) const {
  static const std::set<std::string> kKeepLayout{
      "Cast", "DequantizeLinear", "Identity", "IntQuant", "Quant", "QuantizeLinear"};
  std::set<std::string> tensors{input};
  size_t transpositions = 0;
  size_t before = 0;
  for (int pass = 0; pass < 8 && before != tensors.size(); ++pass) {
    before = tensors.size();
    transpositions = 0;
    for (const Proto& node : proto_.node()) {
      if (node.input_size() == 0 || tensors.count(node.input(0)) == 0) continue;
      if (node.op_type() == "Shape") continue;
      if (kKeepLayout.count(node.op_type()) != 0 && node.output_size() > 0) {
        tensors.insert(node.output(0));
      } else if (node.op_type() != "Transpose" ||
                 ints_attribute(node, "perm") != std::vector<int64_t>{0, 3, 1, 2}) {
        return false;
      } else {
        ++transpositions;
      }
    }
  }
  return transpositions > 0;
}

std::vector<const onnx::NodeProto*> OnnxImporter::live_nodes() const {
  std::vector<bool> live(static_cast<size_t>(proto_.node_size()), false);
  std::vector<std::string> wanted{proto_.output(0).name()};
  while (!wanted.empty()) {
    const auto producer = producers_.find(wanted.back());
    wanted.pop_back();
    if (producer == producers_.end() || live[static_cast<size_t>(producer->second)]) continue;
    live[static_cast<size_t>(producer->second)] = true;
    for (const std::string& input : proto_.node(producer->second).input()) wanted.push_back(input);
  }
  std::vector<const Proto*> nodes;
  for (int i = 0; i < proto_.node_size(); ++i) {
    if (live[static_cast<size_t>(i)]) nodes.push_back(&proto_.node(i));
  }
  return nodes;
}

/// The nodes that the output needs, in topological order; in file order where that is one.
std::vector<const onnx::NodeProto*> OnnxImporter::sorted_nodes() const {
  const std::vector<const Proto*> nodes = live_nodes();
  std::map<std::string, std::vector<size_t>> waiting;
  std::vector<int> missing(nodes.size(), 0);
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (const std::string& input : nodes[i]->input()) {
      if (producers_.count(input) == 0) continue;
      waiting[input].push_back(i);
      ++missing[i];
    }
    if (missing[i] == 0) ready.push(i);
  }
  std::vector<const Proto*> sorted;
  while (!ready.empty()) {
    const size_t next = ready.top();
    ready.pop();
    sorted.push_back(nodes[next]);
    for (const std::string& output : nodes[next]->output()) {
      for (const size_t reader : waiting[output]) {
        if (--missing[reader] == 0) ready.push(reader);
      }
    }
  }
  for (size_t i = 0; i < nodes.size(); ++i) {
    if (missing[i] > 0) fail(label(*nodes[i]), ": the graph has a cycle through or before it");
  }
  return sorted;
}

void OnnxImporter::import_node(const Proto& node) {
  try {
    if (node.output_size() == 0) fail("it has no output");
    if (!is_known_domain(node)) {
      fail("operators of domain '", node.domain(), "' are not supported; ",
           advice_for(node.op_type()));
    }
    for (const std::string& input : node.input()) {
      if (!input.empty() && views_.count(input) == 0 && find_constant(input) == nullptr) {
        fail("its input '", input, "' is produced by no node and no initializer holds it");
      }
    }
    if (!fold(node)) dispatch(node);
  } catch (const std::bad_alloc&) {
    fail(label(node), ": it needs more memory than there is");
  } catch (const std::exception& error) {
    const std::string message = error.what();
    if (message.rfind("node '", 0) == 0) throw;
    fail(label(node), ": ", message);
  }
}

bool OnnxImporter::fold(const Proto& node) {
  const std::string& op = node.op_type();
  if (op == "Constant") {
    const onnx::AttributeProto* value = find_attribute(node, "value");
    Constant c;
    if (value != nullptr) {
      c = read_constant(value->t(), folder_);
    } else if ((value = find_attribute(node, "value_float")) != nullptr) {
      c.floats = {value->f()};
    } else if ((value = find_attribute(node, "value_int")) != nullptr) {
      c = integer_constant({value->i()});
      c.shape = {};
    } else if ((value = find_attribute(node, "value_ints")) != nullptr) {
      c = integer_constant({value->ints().begin(), value->ints().end()});
    } else if ((value = find_attribute(node, "value_floats")) != nullptr) {
      c.floats = {value->floats().begin(), value->floats().end()};
      c.shape = {value->floats_size()};
    } else {
      fail("its value is of an unsupported kind");
    }
    c.name = node.output(0);
    constants_[node.output(0)] = std::move(c);
    return true;
  }
  if (op == "Shape") {
    const Shape shape =
        is_view(node, 0) ? onnx_shape(view(node, 0)) : constant(node, 0, "data").shape;
    const auto rank = static_cast<int64_t>(shape.size());
    const auto position = [&](const char* name, int64_t otherwise) {
      const int64_t index = int_attribute(node, name, otherwise);
      return std::clamp<int64_t>(index < -rank ? 0 : index < 0 ? index + rank : index, 0, rank);
    };
    const int64_t start = position("start", 0);
    const int64_t end = std::max(start, position("end", rank));
    constants_[node.output(0)] = integer_constant({shape.begin() + start, shape.begin() + end});
    return true;
  }
  std::vector<const Constant*> inputs;
  for (const std::string& input : node.input()) {
    if (views_.count(input) != 0) return false;
    inputs.push_back(input.empty() ? nullptr : find_constant(input));
  }
  static const std::set<std::string> kMoveOnly{"Reshape", "Squeeze", "Transpose", "Unsqueeze"};
  const bool reads_integers = std::any_of(inputs.begin(), inputs.end(), [](const Constant* c) {
    return c != nullptr && c->is_float() && c->integer_form;
  });
  if (reads_integers && kMoveOnly.count(op) == 0) return false;
  std::optional<Constant> result = evaluate(node, inputs);
  if (!result) return false;
  folded_elements_ += element_count(result->shape);
  if (folded_elements_ > kMaxFoldedElements) fail("the folded constants are too large");
  if (result->name.empty()) result->name = node.output(0);
  constants_[node.output(0)] = std::move(*result);
  return true;
}

void OnnxImporter::dispatch(const Proto& node) {
  using Import = std::function<void(OnnxImporter&, const Proto&)>;
  const auto simple = [](Op op) {
    return Import([op](OnnxImporter& i, const Proto& n) { i.import_simple(n, op); });
  };
  const auto pool = [](Op op) {
    return Import([op](OnnxImporter& i, const Proto& n) { i.import_pool(n, op); });
  };
  static const std::map<std::string, Import> imports{
      {"Add", &OnnxImporter::import_arithmetic},
      {"AveragePool", pool(Op::kAveragePool)},
      {"BatchNormalization", &OnnxImporter::import_batch_norm},
      {"Cast", &OnnxImporter::import_cast},
      {"Clip", &OnnxImporter::import_clip},
      {"Concat", &OnnxImporter::import_concat},
      {"Conv", &OnnxImporter::import_conv},
      {"DequantizeLinear", &OnnxImporter::import_dequantize_linear},
      {"Div", &OnnxImporter::import_arithmetic},
      {"Dropout", &OnnxImporter::import_identity},
      {"Flatten", &OnnxImporter::import_flatten},
      {"Gemm", &OnnxImporter::import_gemm},
      {"GlobalAveragePool", simple(Op::kGlobalAveragePool)},
      {"GlobalMaxPool", &OnnxImporter::import_global_max_pool},
      {"Identity", &OnnxImporter::import_identity},
      {"IntQuant", &OnnxImporter::import_quant},
      {"LRN", &OnnxImporter::import_lrn},
      {"MatMul", &OnnxImporter::import_matmul},
      {"Max", &OnnxImporter::import_extremum},
      {"MaxPool", pool(Op::kMaxPool)},
      {"Min", &OnnxImporter::import_extremum},
      {"Mul", &OnnxImporter::import_arithmetic},
      {"Pad", &OnnxImporter::import_pad},
      {"Quant", &OnnxImporter::import_quant},
      {"QuantizeLinear", &OnnxImporter::import_quantize_linear},
      {"ReduceMean", &OnnxImporter::import_reduce_mean},
      {"Relu", &OnnxImporter::import_relu},
      {"Reshape", &OnnxImporter::import_reshape},
      {"Slice", &OnnxImporter::import_slice},
      {"Softmax", &OnnxImporter::import_softmax},
      {"Squeeze", &OnnxImporter::import_squeeze},
      {"Sub", &OnnxImporter::import_arithmetic},
      {"Sum", &OnnxImporter::import_sum},
      {"Transpose", &OnnxImporter::import_transpose},
      {"Unsqueeze", &OnnxImporter::import_unsqueeze}};
  const auto found = imports.find(node.op_type());
  if (found == imports.end()) {
    fail("this operator is not supported; ", advice_for(node.op_type()));
  }
  found->second(*this, node);
}

void OnnxImporter::finish() {
  const std::string& name = proto_.output(0).name();
  const auto output = views_.find(name);
  if (output == views_.end()) {
    fail("the output '", name, "' ",
         constants_.count(name) != 0 || initializers_.count(name) != 0
             ? "does not depend on the input"
             : "is produced by no node");
  }
  const View& view = output->second;
  if (view.padding || view.integers)
    fail("the output '", name, "' is a bare Pad or QuantizeLinear");
  if (view.interleaved || (view.channels_last && shape_of(view) != Shape{shape_of(view)[0], 1, 1}))
    fail("the output '", name, "' is {N, H, W, C}; export with channels first");
  if (!view.quantized) read_unquantized_.insert(view.tensor);
  graph_.output = view.tensor;
  if (graph_.output == graph_.input) fail("the output '", name, "' is the input itself");
  for (const auto& [tensor, grid] : graph_.quantizations) {
    if (graph_.shapes.count(tensor) != 0 && read_unquantized_.count(tensor) != 0) {
      fail("tensor '", tensor,
           "' is read both before and after its quantisation; quantise it for all its readers");
    }
  }
  drop_unread_nodes();
  rename_output();
  import_metadata();
  infer_shapes(graph_);
}

/// Flattenings that a later Reshape has undone.
void OnnxImporter::drop_unread_nodes() {
  std::set<std::string> read{graph_.output};
  for (size_t i = graph_.nodes.size(); i-- > 0;) {
    const Node& node = graph_.nodes[i];
    if (read.count(node.output) != 0) {
      read.insert(node.inputs.begin(), node.inputs.end());
      continue;
    }
    graph_.quantizations.erase(node.output);
    graph_.shapes.erase(node.output);
    graph_.nodes.erase(graph_.nodes.begin() + static_cast<long>(i));
  }
}

/// The output keeps the file's name for it, whatever tensor it turned out to be.
void OnnxImporter::rename_output() {
  const std::string& name = proto_.output(0).name();
  if (graph_.output == name || graph_.shapes.count(name) != 0 || graph_.weights.count(name) != 0) {
    return;
  }
  const std::string before = graph_.output;
  for (Node& node : graph_.nodes) {
    if (node.output == before) rename_tensor(node, name);
    std::replace(node.inputs.begin(), node.inputs.end(), before, name);
  }
  graph_.output = name;
}

void OnnxImporter::import_metadata() {
  for (const auto& entry : model_.metadata_props()) {
    if (entry.key() == "tessera.input_mean") {
      graph_.normalization.mean = parse_floats(entry.value(), entry.key());
    } else if (entry.key() == "tessera.input_std") {
      graph_.normalization.std = parse_floats(entry.value(), entry.key());
    } else if (entry.key() == "tessera.stochastic_rounding") {
      std::set<std::string> names;
      std::istringstream stream(entry.value());
      for (std::string name; std::getline(stream, name);) names.insert(name);
      for (Node& node : graph_.nodes) {
        if (names.count(node.name) != 0) node.rounding = Rounding::kStochastic;
      }
    }
  }
  const int64_t channels = graph_.shapes.at(graph_.input)[0];
  for (const auto* values : {&graph_.normalization.mean, &graph_.normalization.std}) {
    const auto count = static_cast<int64_t>(values->size());
    if (count > 1 && count != channels) {
      fail("metadata: the input has ", channels, " channels, its normalisation ", count);
    }
  }
  for (const float std : graph_.normalization.std) {
    if (!(std > 0)) fail("metadata 'tessera.input_std' must be positive");
  }
}

}  // namespace tessera::graph
