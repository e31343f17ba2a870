#include "fuzz/network/describe.hpp"

#include <sstream>

namespace tessera::fuzz {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::Quantization;

std::string format_of(const Quantization& grid) {
  if (grid.code == graph::WeightCode::kPowerOfTwo) return "p4";
  return std::to_string(grid.bits) + " bit " + (grid.is_signed ? "signed" : "unsigned");
}

std::string tensor_text(const Graph& graph, const std::string& tensor) {
  std::ostringstream text;
  text << tensor;
  const auto shape = graph.shapes.find(tensor);
  if (shape != graph.shapes.end()) text << " " << graph::to_string(shape->second);
  const auto weight = graph.weights.find(tensor);
  if (weight != graph.weights.end()) text << " " << graph::to_string(weight->second.shape);
  const auto grid = graph.quantizations.find(tensor);
  if (grid != graph.quantizations.end()) {
    text << " (" << format_of(grid->second) << ", "
         << (grid->second.scales.size() == 1 ? "scale " : "first scale ") << std::hexfloat
         << grid->second.scales[0] << ")";
  }
  return text.str();
}

std::string window_text(const graph::Window& w) {
  std::ostringstream text;
  text << " kernel " << w.kernel_h << "x" << w.kernel_w << " stride " << w.stride_h << "x"
       << w.stride_w << " dilation " << w.dilation_h << "x" << w.dilation_w << " pads " << w.pad_top
       << "," << w.pad_left << "," << w.pad_bottom << "," << w.pad_right;
  return text.str();
}

bool has_window(Op op) {
  return op == Op::kConv || op == Op::kMaxPool || op == Op::kAveragePool || op == Op::kSubsample;
}

void add_window_features(const Node& node, std::map<std::string, int>& features) {
  const graph::Window& w = node.window;
  const std::string op = name_of(node.op);
  if (node.op != Op::kSubsample) {
    ++features["kernel " + std::to_string(w.kernel_h) + " high"];
    ++features["kernel " + std::to_string(w.kernel_w) + " wide"];
  }
  if (w.stride_h != w.stride_w) ++features["uneven strides"];
  if (w.pad_top != w.pad_bottom || w.pad_left != w.pad_right) ++features[op + " padded unevenly"];
  if (w.dilation_h > 1 || w.dilation_w > 1) ++features["dilated"];
}

void add_convolution_features(const Graph& graph, const Node& node,
                              std::map<std::string, int>& features) {
  ++features["weights " + format_of(graph.quantizations.at(node.inputs[1]))];
  const int64_t inputs = graph.shapes.at(node.inputs[0])[0];
  if (node.groups > 1) ++features[node.groups == inputs ? "depthwise" : "grouped"];
  if (node.rounding == graph::Rounding::kStochastic) ++features["stochastic"];
  if (node.inputs.size() < 3) ++features["without bias"];
}

}  // namespace

std::string describe(const Graph& graph) {
  std::ostringstream text;
  text << graph.name << ": input " << tensor_text(graph, graph.input) << ", output " << graph.output
       << "\n";
  for (const Node& node : graph.nodes) {
    text << "  " << node.name << ":";
    if (has_window(node.op)) text << window_text(node.window);
    if (node.groups != 1) text << " groups " << node.groups;
    if (node.op == Op::kClip) text << " " << node.clip_low << ".." << node.clip_high;
    if (node.op == Op::kPadChannels) text << " " << node.pad_before << "+" << node.pad_after;
    if (node.rounding == graph::Rounding::kStochastic) text << " stochastic";
    for (const std::string& input : node.inputs) text << " " << tensor_text(graph, input);
    text << " -> " << tensor_text(graph, node.output) << "\n";
  }
  return text.str();
}

std::map<std::string, int> features_of(const Graph& graph) {
  std::map<std::string, int> features;
  for (const Node& node : graph.nodes) {
    ++features[std::string("op ") + name_of(node.op)];
    if (has_window(node.op)) add_window_features(node, features);
    if (node.op == Op::kConv || node.op == Op::kGemm) {
      add_convolution_features(graph, node, features);
    }
  }
  for (const auto& [tensor, shape] : graph.shapes) {
    const auto grid = graph.quantizations.find(tensor);
    if (grid != graph.quantizations.end()) ++features["activations " + format_of(grid->second)];
    if (graph.consumers(tensor).size() > 1) ++features["read twice"];
    if (shape.size() == 3 && shape[1] != shape[2]) ++features["not square"];
  }
  ++features[graph.shapes.at(graph.output).size() == 3 ? "ends in a map" : "ends in a vector"];
  return features;
}

}  // namespace tessera::fuzz
