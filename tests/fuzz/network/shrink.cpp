#include "fuzz/network/shrink.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <stdexcept>

namespace tessera::fuzz {
namespace {

using graph::Graph;
using graph::Node;

/// Without the nodes, weights and grids that the output does not need; nothing if the result has
/// no node, does not read the input, or its shapes conflict.
std::optional<Graph> cleaned(Graph graph) {
  std::set<std::string> needed{graph.output};
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    if (needed.count(node->output) != 0) needed.insert(node->inputs.begin(), node->inputs.end());
  }
  const auto is_idle = [&](const Node& node) { return needed.count(node.output) == 0; };
  graph.nodes.erase(std::remove_if(graph.nodes.begin(), graph.nodes.end(), is_idle),
                    graph.nodes.end());
  const auto drop_idle = [&](auto& tensors) {
    for (auto it = tensors.begin(); it != tensors.end();) {
      it = needed.count(it->first) == 0 ? tensors.erase(it) : std::next(it);
    }
  };
  drop_idle(graph.weights);
  drop_idle(graph.quantizations);
  if (graph.nodes.empty() || needed.count(graph.input) == 0) return std::nullopt;
  try {
    infer_shapes(graph);
  } catch (const std::runtime_error&) {
    return std::nullopt;
  }
  return graph;
}

std::optional<Graph> ending_at(Graph graph, const std::string& tensor) {
  graph.output = tensor;
  return cleaned(std::move(graph));
}

std::optional<Graph> beginning_at(Graph graph, const std::string& tensor) {
  if (graph.shapes.at(tensor).size() != 3) return std::nullopt;
  const auto is_producer = [&](const Node& node) { return node.output == tensor; };
  graph.nodes.erase(std::find_if(graph.nodes.begin(), graph.nodes.end(), is_producer));
  graph.input = tensor;
  return cleaned(std::move(graph));
}

/// With the readers of a node reading its first input instead.
std::optional<Graph> without(Graph graph, size_t index) {
  const Node gone = graph.nodes[index];
  graph.nodes.erase(graph.nodes.begin() + static_cast<std::ptrdiff_t>(index));
  for (Node& node : graph.nodes) {
    std::replace(node.inputs.begin(), node.inputs.end(), gone.output, gone.inputs[0]);
  }
  if (graph.output == gone.output) graph.output = gone.inputs[0];
  return cleaned(std::move(graph));
}

/// The first smaller network that still shows it.
std::optional<Graph> smaller(const Graph& graph, const Predicate& shows) {
  std::vector<std::optional<Graph>> candidates;
  for (const Node& node : graph.nodes) {
    if (node.output != graph.output) candidates.push_back(ending_at(graph, node.output));
  }
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    if (graph.nodes[i].output != graph.output) {
      candidates.push_back(beginning_at(graph, graph.nodes[i].output));
    }
  }
  for (size_t i = 0; i < graph.nodes.size(); ++i) candidates.push_back(without(graph, i));
  for (const auto& candidate : candidates) {
    if (candidate && candidate->nodes.size() < graph.nodes.size() && shows(*candidate)) {
      return candidate;
    }
  }
  return std::nullopt;
}

}  // namespace

Graph shrink(const Graph& graph, const Predicate& shows) {
  Graph smallest = graph;
  while (auto next = smaller(smallest, shows)) smallest = *next;
  return smallest;
}

}  // namespace tessera::fuzz
