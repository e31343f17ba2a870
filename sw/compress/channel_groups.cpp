#include "compress/channel_groups.hpp"

#include <algorithm>
#include <functional>
#include <numeric>

#include "graph/text.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::Shape;
using graph::Tensor;

using Channels = std::vector<size_t>;  ///< of a tensor: an element of the union-find forest each

/// Union-find over channels of all tensors, built in graph order.
class Coupling {
 public:
  explicit Coupling(const Graph& graph) : graph_(graph) {
    channels_[graph.input] = fresh(graph.shapes.at(graph.input)[0]);
    fix(channels_[graph.input]);
    for (const Node& node : graph.nodes) channels_[node.output] = pass(node);
    fix(channels_.at(graph.output));
  }

  ChannelMap map() {
    ChannelMap result;
    std::map<size_t, size_t> group_of_root;
    for (const auto& [tensor, channels] : channels_) {
      for (const size_t channel : channels) {
        const size_t root = find(channel);
        const auto [found, is_new] = group_of_root.emplace(root, result.groups.size());
        if (is_new) result.groups.emplace_back();
        result.group_of[tensor].push_back(found->second);
      }
    }
    for (size_t i = 0; i < parent_.size(); ++i) {
      const auto found = group_of_root.find(find(i));
      if (found != group_of_root.end() && fixed_[i]) result.groups[found->second].fixed = true;
    }
    name_layers(result);
    return result;
  }

 private:
  size_t find(size_t i) {
    while (parent_[i] != i) i = parent_[i] = parent_[parent_[i]];
    return i;
  }
  void couple(size_t a, size_t b) { parent_[find(a)] = find(b); }
  Channels fresh(int64_t count) {
    Channels channels(static_cast<size_t>(count));
    std::iota(channels.begin(), channels.end(), parent_.size());
    parent_.insert(parent_.end(), channels.begin(), channels.end());
    fixed_.resize(parent_.size(), false);
    return channels;
  }
  void fix(const Channels& channels) {
    for (const size_t channel : channels) fixed_[channel] = true;
  }

  Channels pass(const Node& node) {
    const Channels& x = channels_.at(node.inputs[0]);
    switch (node.op) {
      case Op::kConv:
        return convolution(node, x);
      case Op::kGemm:
        return fresh(graph_.shapes.at(node.output)[0]);
      case Op::kAdd: {
        const Channels& other = channels_.at(node.inputs[1]);
        for (size_t i = 0; i < x.size(); ++i) couple(x[i], other[i]);
        return x;
      }
      case Op::kConcat:
        return concatenated(node);
      case Op::kPadChannels: {
        Channels y = fresh(node.pad_before);
        const Channels after = fresh(node.pad_after);
        y.insert(y.end(), x.begin(), x.end());
        y.insert(y.end(), after.begin(), after.end());
        return y;
      }
      case Op::kFlatten:
        return repeated(x, static_cast<size_t>(graph_.shapes.at(node.output)[0]) / x.size());
      case Op::kClip:
        if (node.clip_low > 0 || node.clip_high < 0) fix(x);  // zero would not stay zero
        return x;
      case Op::kLrn:      // neighbouring channels are normalised together
      case Op::kSoftmax:  // all are
        fix(x);
        return x;
      default:
        return x;
    }
  }

  Channels convolution(const Node& node, const Channels& x) {
    const auto outputs = graph_.shapes.at(node.output)[0];
    const auto groups = static_cast<size_t>(node.groups);
    const size_t inputs_each = x.size() / groups,
                 outputs_each = static_cast<size_t>(outputs) / groups;
    if (is_depthwise(graph_, node)) return repeated(x, outputs_each);
    for (size_t i = inputs_each; i < x.size(); ++i) couple(x[i], x[i % inputs_each]);
    const Channels y = fresh(outputs);
    for (size_t k = outputs_each; k < y.size(); ++k) couple(y[k], y[k % outputs_each]);
    return y;
  }

  Channels concatenated(const Node& node) {
    Channels y;
    for (const std::string& input : node.inputs) {
      const Channels& part = channels_.at(input);
      y.insert(y.end(), part.begin(), part.end());
    }
    return y;
  }

  static Channels repeated(const Channels& x, size_t times) {
    Channels y;
    for (const size_t channel : x) y.insert(y.end(), times, channel);
    return y;
  }

  /// Groups that no layer computes (zeros that only fill up) are fixed.
  void name_layers(ChannelMap& map) const {
    for (const Node& node : graph_.nodes) {
      if (node.op != Op::kGemm && (node.op != Op::kConv || is_depthwise(graph_, node))) continue;
      for (const size_t group : map.group_of.at(node.output)) {
        std::vector<std::string>& layers = map.groups[group].layers;
        if (layers.empty() || layers.back() != node.name) layers.push_back(node.name);
      }
    }
    for (ChannelGroup& group : map.groups) group.fixed = group.fixed || group.layers.empty();
  }

  const Graph& graph_;
  std::map<std::string, Channels> channels_;
  std::vector<size_t> parent_;
  std::vector<bool> fixed_;
};

using Indices = std::vector<size_t>;

/// The parts of a weight whose indices in dimensions 0 and 1 are kept; an empty `columns` keeps
/// all.
Tensor sliced(const Tensor& weight, const Indices& rows, const Indices& columns) {
  Tensor result;
  result.shape = weight.shape;
  result.shape[0] = static_cast<int64_t>(rows.size());
  if (!columns.empty()) result.shape[1] = static_cast<int64_t>(columns.size());
  const auto old_columns = weight.shape.size() > 1 ? static_cast<size_t>(weight.shape[1]) : 1;
  const size_t block = weight.data.size() / static_cast<size_t>(weight.shape[0]) / old_columns;
  for (const size_t row : rows) {
    const auto copy = [&](size_t column, size_t count) {
      const auto first =
          weight.data.begin() + static_cast<long>((row * old_columns + column) * block);
      result.data.insert(result.data.end(), first, first + static_cast<long>(count * block));
    };
    if (columns.empty()) copy(0, old_columns);
    for (const size_t column : columns) copy(column, 1);
  }
  return result;
}

/// Copies a graph without some channels.
class Surgery {
 public:
  Surgery(const Graph& graph, const ChannelMap& map, const std::vector<bool>& removed)
      : graph_(graph), map_(map), removed_(removed), result_(graph) {}

  Graph run() {
    result_.weights.clear();
    for (Node& node : result_.nodes) shrink(node);
    graph::infer_shapes(result_);
    return std::move(result_);
  }

 private:
  /// Indices of the channels of `tensor` in [first, last) that stay.
  Indices kept(const std::string& tensor, size_t first = 0, size_t last = SIZE_MAX) const {
    const std::vector<size_t>& groups = map_.group_of.at(tensor);
    Indices indices;
    for (size_t i = first; i < std::min(last, groups.size()); ++i) {
      if (!removed_[groups[i]]) indices.push_back(i);
    }
    return indices;
  }

  void shrink(Node& node) {
    const Indices rows = kept(node.output);
    if (rows.empty()) {
      graph::fail("pruning would leave no channel of '", node.output, "', the output of node '",
                  node.name, "'");
    }
    if (node.op == Op::kConv || node.op == Op::kGemm) {
      Indices columns = kept(node.inputs[0]);
      if (node.op == Op::kConv && is_depthwise(graph_, node)) {
        node.groups = static_cast<int64_t>(columns.size());
        columns.clear();
      } else if (node.groups > 1) {
        const auto inputs = static_cast<size_t>(graph_.shapes.at(node.inputs[0])[0]);
        columns = kept(node.inputs[0], 0, inputs / static_cast<size_t>(node.groups));
      }
      replace(node, 1, rows, columns);
      if (node.inputs.size() > 2) replace(node, 2, rows, {});
    } else if (node.op == Op::kBatchNorm) {
      replace(node, 1, rows, {});
      replace(node, 2, rows, {});
    } else if (node.op == Op::kPadChannels) {
      const size_t channels = map_.group_of.at(node.output).size();
      const auto before = static_cast<size_t>(node.pad_before);
      const auto after = static_cast<size_t>(node.pad_after);
      node.pad_before = static_cast<int64_t>(kept(node.output, 0, before).size());
      node.pad_after = static_cast<int64_t>(kept(node.output, channels - after).size());
    }
  }

  /// A weight that several nodes read becomes one of each.
  void replace(Node& node, size_t input, const Indices& rows, const Indices& columns) {
    const std::string name = node.inputs[input];
    if (result_.weights.count(name) != 0) node.inputs[input] = node.name + "/" + name;
    result_.weights[node.inputs[input]] = sliced(graph_.weights.at(name), rows, columns);
  }

  const Graph& graph_;
  const ChannelMap& map_;
  const std::vector<bool>& removed_;
  Graph result_;
};

}  // namespace

bool is_depthwise(const Graph& graph, const Node& node) {
  return node.op == Op::kConv && node.groups > 1 &&
         node.groups == graph.shapes.at(node.inputs[0])[0];
}

ChannelMap find_channel_groups(const Graph& graph) { return Coupling(graph).map(); }

Graph remove_channels(const Graph& graph, const ChannelMap& map, const std::vector<bool>& removed) {
  if (!graph.quantizations.empty()) {
    graph::fail("network ", graph.name, " is quantised already; prune the float network");
  }
  for (size_t i = 0; i < map.groups.size(); ++i) {
    if (removed[i] && map.groups[i].fixed) graph::fail("channel group ", i, " cannot be removed");
  }
  return Surgery(graph, map, removed).run();
}

}  // namespace tessera::compress
