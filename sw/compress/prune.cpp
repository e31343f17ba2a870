#include "compress/prune.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "compress/prune_target.hpp"
#include "compress/removal.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;

/// The scales of a batch norm that alone reads `tensor`; null if there is none.
const std::vector<float>* norm_scales(const Graph& graph, const std::string& tensor) {
  const std::vector<const Node*> readers = graph.consumers(tensor);
  if (readers.size() != 1 || readers[0]->op != Op::kBatchNorm) return nullptr;
  return &graph.weights.at(readers[0]->inputs[1]).data;
}

}  // namespace

std::vector<std::vector<size_t>> channel_families(const Graph& graph, const ChannelMap& map) {
  std::map<FamilyKey, std::vector<size_t>> by_layers;
  for (size_t i = 0; i < map.groups.size(); ++i) {
    if (!map.groups[i].fixed) by_layers[map.groups[i].layers].push_back(i);
  }
  std::vector<std::vector<size_t>> families;
  for (const Node& node : graph.nodes) {
    for (auto& [layers, family] : by_layers) {
      if (layers.front() == node.name) families.push_back(family);
    }
  }
  return families;
}

std::vector<double> channel_magnitudes(const Graph& graph, const ChannelMap& map,
                                       Criterion criterion) {
  std::vector<double> sums(map.groups.size());
  for (const Node& node : graph.nodes) {
    if ((node.op != Op::kConv && node.op != Op::kGemm) || is_depthwise(graph, node)) continue;
    const std::vector<size_t>& groups = map.group_of.at(node.output);
    const std::vector<float>& weights = graph.weights.at(node.inputs[1]).data;
    const std::vector<float>* scales = norm_scales(graph, node.output);
    const size_t row_size = weights.size() / groups.size();
    for (size_t i = 0; i < weights.size(); ++i) {
      const size_t row = i / row_size;
      const double value = std::fabs(weights[i] * (scales != nullptr ? (*scales)[row] : 1.0));
      sums[groups[row]] += criterion == Criterion::kL1 ? value : value * value;
    }
  }
  return sums;
}

void sparsify_fully_connected(Graph& graph, double share) {
  std::vector<const Node*> layers;
  for (const Node& node : graph.nodes) {
    if (node.op == Op::kGemm) layers.push_back(&node);
  }
  for (size_t n = 0; n + 1 < layers.size(); ++n) {
    std::vector<float>& weights = graph.weights.at(layers[n]->inputs[1]).data;
    std::vector<size_t> order(weights.size());
    std::iota(order.begin(), order.end(), size_t{0});
    const auto count = static_cast<size_t>(share * static_cast<double>(weights.size()));
    std::nth_element(order.begin(), order.begin() + static_cast<long>(count), order.end(),
                     [&](size_t a, size_t b) {
                       const float x = std::fabs(weights[a]), y = std::fabs(weights[b]);
                       return x != y ? x < y : a < b;
                     });
    for (size_t i = 0; i < count; ++i) weights[order[i]] = 0;
  }
}

Graph prune(const Graph& net, const PruneOptions& options, const std::string& file,
            const data::Dataset& train, FineTuner* tuner, int threads,
            const std::function<void(double fraction)>& on_progress, Stages* stages,
            const GraphCost& latency_cycles) {
  Stages none;
  Stages& kept = stages == nullptr ? none : *stages;
  const Remover remover(options, train, tuner, threads);
  const RemovalPlan plan = options.target
                               ? parse_removals(kept.text("ratios",
                                                          [&] {
                                                            return to_text(plan_by_target(
                                                                net, remover, options, file, train,
                                                                threads, latency_cycles));
                                                          }))
                               : plan_by_ratios(net, options, file);
  Graph graph = net;
  for (int step = 1; step <= options.steps; ++step) {
    const double share = static_cast<double>(step) / options.steps;
    const auto progress = [&](double fraction) {
      if (on_progress) on_progress((step - 1 + fraction) / options.steps);
    };
    graph = kept.graph("prune", step, [&] {
      Graph smaller = remover.remove(graph, remover.look_at(graph), plan, share);
      if (options.fc_sparsity > 0) sparsify_fully_connected(smaller, share * options.fc_sparsity);
      if (options.retrain.epochs > 0) {
        tuner->retrain(smaller, net, train, kept.with_epochs(options.retrain, "prune", step),
                       progress);
      }
      return smaller;
    });
    progress(1);
  }
  return graph;
}

}  // namespace tessera::compress
