#include "compress/widths.hpp"

#include <algorithm>
#include <stdexcept>

#include "graph/grids.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::WeightCode;

bool is_layer(const Node& node) { return node.op == Op::kConv || node.op == Op::kGemm; }
bool is_activation(const Node& node) { return node.op == Op::kRelu || node.op == Op::kClip; }

bool moves_values(const Node& node) {
  return node.op == Op::kMaxPool || node.op == Op::kFlatten || node.op == Op::kSubsample ||
         node.op == Op::kPadChannels || node.op == Op::kConcat;
}

bool matches(const LayerRule& rule, const Node& node, bool first, bool last) {
  if (rule.match == "first") return first;
  if (rule.match == "last") return last;
  if (rule.match == "conv") return node.op == Op::kConv;
  if (rule.match == "fc") return node.op == Op::kGemm;
  return rule.match == node.name;
}

bool is_selector(const std::string& match) {
  return match == "first" || match == "last" || match == "conv" || match == "fc";
}

void check_rule(const LayerRule& rule, const std::vector<const Node*>& layers,
                const Recipe& recipe) {
  if (is_selector(rule.match)) return;
  std::string names;
  for (const Node* node : layers) {
    if (node->name == rule.match) return;
    names += (names.empty() ? "" : ", ") + node->name;
  }
  throw std::runtime_error(recipe.file + ":" + std::to_string(rule.line) + ": match " + rule.match +
                           " names no layer of the network; it has " + names);
}

void apply_rule(const LayerRule& rule, const Recipe& recipe, LayerFormat& format) {
  format.weight_bits = rule.weight_bits.value_or(format.weight_bits);
  format.activation_bits = rule.activation_bits.value_or(format.activation_bits);
  format.code = rule.code.value_or(format.code);
  format.weight_ruled |= rule.weight_bits || rule.code;
  format.activation_ruled |= rule.activation_bits.has_value();
  if (format.code == WeightCode::kPowerOfTwo && format.weight_bits != 4) {
    throw std::runtime_error(recipe.file + ":" + std::to_string(rule.line) +
                             ": weight_bits must be 4 for power-of-two weights (" + format.node +
                             "); give code: twos-complement too");
  }
}

/// The logits: the output, before a final softmax.
std::string logits_of(const Graph& graph) {
  const Node* last = graph.producer(graph.output);
  return last != nullptr && last->op == Op::kSoftmax ? last->inputs[0] : graph.output;
}

class Grouping {
 public:
  Grouping(const Graph& graph, const Recipe& recipe, const std::vector<LayerFormat>& formats)
      : graph_(graph), recipe_(recipe), formats_(formats), logits_(logits_of(graph)) {}

  std::vector<ActivationGroup> run() {
    visit(graph_.input, input_is_non_negative());
    for (const Node& node : graph_.nodes) {
      if (node.op == Op::kSoftmax) continue;
      if (moves_values(node)) {
        visit_mover(node);
      } else {
        visit(node.output, result_is_non_negative(node));
      }
    }
    std::vector<ActivationGroup> groups;
    for (const std::string& root : order_) {
      if (root_of(root) == root && !joins_activation(root)) groups.push_back(describe(root));
    }
    return groups;
  }

 private:
  /// Whether a lone ReLU or clip follows the layer or addition that makes this tensor.
  bool joins_activation(const std::string& tensor) const {
    const Node* producer = graph_.producer(tensor);
    const auto readers = graph_.consumers(tensor);
    return producer != nullptr && (is_layer(*producer) || producer->op == Op::kAdd) &&
           readers.size() == 1 && is_activation(*readers[0]) && tensor != logits_;
  }

  std::string root_of(const std::string& tensor) const {
    std::string root = tensor;
    while (parents_.at(root) != root) root = parents_.at(root);
    return root;
  }

  void visit(const std::string& tensor, bool non_negative) {
    parents_[tensor] = tensor;
    non_negative_[tensor] = non_negative;
    order_.push_back(tensor);
  }

  void visit_mover(const Node& node) {
    bool non_negative = true;
    for (const std::string& input : node.inputs) non_negative &= non_negative_.at(input);
    visit(node.output, non_negative);
    for (const std::string& input : node.inputs) {
      if (node.op == Op::kConcat && graph_.consumers(input).size() != 1) continue;
      parents_[root_of(node.output)] = root_of(input);
    }
  }

  bool input_is_non_negative() const {
    const auto& mean = graph_.normalization.mean;
    return !mean.empty() && std::all_of(mean.begin(), mean.end(), [](float m) { return m <= 0; });
  }

  bool result_is_non_negative(const Node& node) const {
    switch (node.op) {
      case Op::kRelu:
        return true;
      case Op::kClip:
        return node.clip_low >= 0;
      case Op::kAveragePool:
      case Op::kGlobalAveragePool:
        return non_negative_.at(node.inputs[0]);
      case Op::kAdd:
        return non_negative_.at(node.inputs[0]) && non_negative_.at(node.inputs[1]);
      default:
        return false;
    }
  }

  ActivationGroup describe(const std::string& root) const {
    ActivationGroup group;
    group.bits = 0;
    group.is_signed = false;
    for (const std::string& tensor : order_) {
      if (root_of(tensor) == root) add(tensor, group);
    }
    if (group.bits == 0) group.bits = recipe_.activation_bits;
    if (root_of(logits_) == root) {
      group.bits = recipe_.logits_bits;
      group.is_signed = true;
    }
    place(root, group);
    return group;
  }

  void add(const std::string& tensor, ActivationGroup& group) const {
    group.is_signed |= !non_negative_.at(tensor);
    bool observed = tensor == logits_;
    for (const Node* reader : graph_.consumers(tensor)) {
      observed |= !moves_values(*reader);
      for (const LayerFormat& format : formats_) {
        if (format.node == reader->name) group.bits = std::max(group.bits, format.activation_bits);
      }
    }
    if (observed) group.observed.push_back(tensor);
  }

  /// Concatenations carry the grid, so that it is one even if it is learned later; other tensors
  /// only where it does not reach them.
  void place(const std::string& root, ActivationGroup& group) const {
    Graph probe = graph_;
    probe.quantizations.clear();
    const graph::Quantization grid{
        group.bits, group.is_signed, {1.0F}, WeightCode::kTwosComplement};
    const auto put = [&](const std::string& tensor) {
      group.placed.push_back(tensor);
      probe.quantizations[tensor] = grid;
    };
    for (const std::string& tensor : order_) {
      const Node* producer = graph_.producer(tensor);
      if (root_of(tensor) == root && producer != nullptr && producer->op == Op::kConcat)
        put(tensor);
    }
    for (const std::string& tensor : order_) {
      if (root_of(tensor) == root && graph::complete_grids(probe).count(tensor) == 0) put(tensor);
    }
  }

  const Graph& graph_;
  const Recipe& recipe_;
  const std::vector<LayerFormat>& formats_;
  std::string logits_;
  std::vector<std::string> order_;
  std::map<std::string, std::string> parents_;
  std::map<std::string, bool> non_negative_;
};

}  // namespace

std::vector<LayerFormat> layer_formats(const Graph& graph, const Recipe& recipe) {
  std::vector<const Node*> layers;
  for (const Node& node : graph.nodes) {
    if (is_layer(node)) layers.push_back(&node);
  }
  for (const LayerRule& rule : recipe.layers) check_rule(rule, layers, recipe);
  std::vector<LayerFormat> formats;
  for (const Node* node : layers) {
    LayerFormat format;
    format.node = node->name;
    format.weight_bits = recipe.weight_bits;
    format.activation_bits = recipe.activation_bits;
    format.code = recipe.weight_code;
    for (const LayerRule& rule : recipe.layers) {
      if (matches(rule, *node, node == layers.front(), node == layers.back())) {
        apply_rule(rule, recipe, format);
      }
    }
    formats.push_back(format);
  }
  return formats;
}

std::vector<ActivationGroup> activation_groups(const Graph& graph, const Recipe& recipe,
                                               const std::vector<LayerFormat>& formats) {
  return Grouping(graph, recipe, formats).run();
}

}  // namespace tessera::compress
