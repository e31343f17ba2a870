#include "compress/prune.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "graph/text.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;

const Node& node_named(const Graph& graph, const std::string& name) {
  return *std::find_if(graph.nodes.begin(), graph.nodes.end(),
                       [&](const Node& node) { return node.name == name; });
}

/// The scales of a batch norm that alone reads `tensor`; null if there is none.
const std::vector<float>* norm_scales(const Graph& graph, const std::string& tensor) {
  const std::vector<const Node*> readers = graph.consumers(tensor);
  if (readers.size() != 1 || readers[0]->op != Op::kBatchNorm) return nullptr;
  return &graph.weights.at(readers[0]->inputs[1]).data;
}

/// A family's layers, whose names identify it from step to step.
using Key = std::vector<std::string>;

const Key& key_of(const ChannelMap& map, const std::vector<size_t>& family) {
  return map.groups[family.front()].layers;
}

bool matches(const Graph& graph, const PruneRule& rule, const Key& layers) {
  return std::any_of(layers.begin(), layers.end(), [&](const std::string& name) {
    const Op op = node_named(graph, name).op;
    return rule.match == name || (rule.match == "conv" && op == Op::kConv) ||
           (rule.match == "fc" && op == Op::kGemm);
  });
}

/// How many groups each family loses in the end, by its layers.
std::map<Key, std::pair<size_t, size_t>> plan_removals(const Graph& graph, const ChannelMap& map,
                                                       const PruneOptions& options,
                                                       const std::string& file) {
  std::map<Key, std::pair<size_t, size_t>> plan;  // groups at first, groups in the end
  std::set<const PruneRule*> used;
  std::string names;
  for (const std::vector<size_t>& family : channel_families(graph, map)) {
    const Key& layers = key_of(map, family);
    for (const std::string& name : layers) names += (names.empty() ? "" : ", ") + name;
    double ratio = options.ratio;
    for (const PruneRule& rule : options.layers) {
      if (!matches(graph, rule, layers)) continue;
      ratio = rule.ratio;
      used.insert(&rule);
    }
    const auto size = static_cast<int64_t>(family.size());
    int64_t kept =
        size - static_cast<int64_t>(std::floor(ratio * static_cast<double>(size) + 1e-9));
    kept = (std::max({kept, options.min_channels, int64_t{1}}) + options.multiple - 1) /
           options.multiple * options.multiple;
    plan[layers] = {family.size(), static_cast<size_t>(std::min(kept, size))};
  }
  for (const PruneRule& rule : options.layers) {
    if (used.count(&rule) != 0) continue;
    graph::fail(file, ":", rule.line, ": match ", rule.match,
                " names no layer whose channels can be pruned; there are ", names);
  }
  return plan;
}

std::vector<size_t> lowest(const std::vector<double>& scores, std::vector<size_t> family,
                           size_t count) {
  std::stable_sort(family.begin(), family.end(),
                   [&](size_t a, size_t b) { return scores[a] < scores[b]; });
  family.resize(count);
  return family;
}

std::vector<double> taylor_scores(const Graph& graph, const ChannelMap& map,
                                  const FeatureMap& features, const PruneOptions& options,
                                  const data::Dataset& train, FineTuner& tuner) {
  std::vector<std::string> tensors;
  for (const auto& [tensor, feature] : features) tensors.push_back(tensor);
  std::vector<double> scores(map.groups.size());
  for (const auto& [tensor, values] : tuner.sensitivities(graph, tensors, train, options.images)) {
    const std::vector<size_t>& groups = map.group_of.at(tensor);
    for (size_t i = 0; i < groups.size(); ++i) scores[groups[i]] += values[i];
  }
  return scores;
}

/// One step's worth of removed channels.
class Pruning {
 public:
  Pruning(const PruneOptions& options, const data::Dataset& train, FineTuner* tuner, int threads)
      : options_(options), train_(train), tuner_(tuner), threads_(threads) {}

  Graph remove(Graph graph, const std::map<Key, std::pair<size_t, size_t>>& plan, double share) {
    const ChannelMap map = find_channel_groups(graph);
    FeatureMap features;
    if (options_.compensate || options_.criterion >= Criterion::kTaylor) {
      features = observe_features(graph, train_, options_.images, threads_);
    }
    const std::vector<double> scores = score(graph, map, features);
    std::vector<bool> removed(map.groups.size(), false);
    for (const std::vector<size_t>& family : channel_families(graph, map)) {
      const auto [first, last] = plan.at(key_of(map, family));
      const auto wanted =
          static_cast<size_t>(std::lround(share * static_cast<double>(first - last)));
      const size_t kept = first - wanted;
      if (kept >= family.size()) continue;
      for (const size_t group : order(map, features, scores, family, family.size() - kept)) {
        removed[group] = true;
      }
    }
    if (options_.compensate) compensate(graph, map, removed, features);
    return remove_channels(graph, map, removed);
  }

 private:
  std::vector<double> score(const Graph& graph, const ChannelMap& map, const FeatureMap& features) {
    if (options_.criterion == Criterion::kTaylor) {
      return taylor_scores(graph, map, features, options_, train_, *tuner_);
    }
    if (options_.criterion > Criterion::kTaylor) return {};
    return channel_magnitudes(graph, map, options_.criterion);
  }
  std::vector<size_t> order(const ChannelMap& map, const FeatureMap& features,
                            const std::vector<double>& scores, const std::vector<size_t>& family,
                            size_t count) const {
    if (options_.criterion == Criterion::kSimilarity) {
      return similar_channels(map, features, family, count);
    }
    if (options_.criterion == Criterion::kReconstruction) {
      return reconstructible_channels(map, features, family, count);
    }
    return lowest(scores, family, count);
  }

  const PruneOptions& options_;
  const data::Dataset& train_;
  FineTuner* tuner_;
  int threads_;
};

}  // namespace

std::vector<std::vector<size_t>> channel_families(const Graph& graph, const ChannelMap& map) {
  std::map<Key, std::vector<size_t>> by_layers;
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
            const std::function<void(double fraction)>& on_progress) {
  Graph graph = net;
  const auto plan = plan_removals(graph, find_channel_groups(graph), options, file);
  Pruning pruning(options, train, tuner, threads);
  for (int step = 1; step <= options.steps; ++step) {
    const double share = static_cast<double>(step) / options.steps;
    graph = pruning.remove(std::move(graph), plan, share);
    if (options.fc_sparsity > 0) sparsify_fully_connected(graph, share * options.fc_sparsity);
    const auto progress = [&](double fraction) {
      if (on_progress) on_progress((step - 1 + fraction) / options.steps);
    };
    if (options.retrain.epochs > 0) tuner->retrain(graph, net, train, options.retrain, progress);
    progress(1);
  }
  return graph;
}

}  // namespace tessera::compress
