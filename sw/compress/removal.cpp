#include "compress/removal.hpp"

#include <algorithm>
#include <cmath>
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

bool matches(const Graph& graph, const PruneRule& rule, const FamilyKey& layers) {
  return std::any_of(layers.begin(), layers.end(), [&](const std::string& name) {
    const Op op = node_named(graph, name).op;
    return rule.match == name || (rule.match == "conv" && op == Op::kConv) ||
           (rule.match == "fc" && op == Op::kGemm);
  });
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

}  // namespace

const FamilyKey& key_of(const ChannelMap& map, const std::vector<size_t>& family) {
  return map.groups[family.front()].layers;
}

size_t kept_groups(size_t size, double ratio, const PruneOptions& options) {
  const auto all = static_cast<int64_t>(size);
  const int64_t left =
      all - static_cast<int64_t>(std::floor(ratio * static_cast<double>(all) + 1e-9));
  const int64_t kept = (std::max({left, options.min_channels, int64_t{1}}) + options.multiple - 1) /
                       options.multiple * options.multiple;
  return static_cast<size_t>(std::min(kept, all));
}

std::map<FamilyKey, const PruneRule*> rules_of_families(const Graph& graph, const ChannelMap& map,
                                                        const PruneOptions& options,
                                                        const std::string& file) {
  std::map<FamilyKey, const PruneRule*> result;
  std::set<const PruneRule*> used;
  std::string names;
  for (const std::vector<size_t>& family : channel_families(graph, map)) {
    const FamilyKey& layers = key_of(map, family);
    for (const std::string& name : layers) names += (names.empty() ? "" : ", ") + name;
    for (const PruneRule& rule : options.layers) {
      if (!matches(graph, rule, layers)) continue;
      result[layers] = &rule;
      used.insert(&rule);
    }
  }
  for (const PruneRule& rule : options.layers) {
    if (used.count(&rule) != 0) continue;
    graph::fail(file, ":", rule.line, ": match ", rule.match,
                " names no layer whose channels can be pruned; there are ", names);
  }
  return result;
}

RemovalPlan plan_by_ratios(const Graph& graph, const PruneOptions& options,
                           const std::string& file) {
  const ChannelMap map = find_channel_groups(graph);
  const auto rules = rules_of_families(graph, map, options, file);
  RemovalPlan plan;
  for (const std::vector<size_t>& family : channel_families(graph, map)) {
    const FamilyKey& key = key_of(map, family);
    const auto rule = rules.find(key);
    const double ratio = rule == rules.end() ? options.ratio : rule->second->ratio;
    plan[key] = {family.size(), kept_groups(family.size(), ratio, options)};
  }
  return plan;
}

Evidence Remover::look_at(const Graph& graph) const {
  Evidence evidence;
  evidence.map = find_channel_groups(graph);
  if (options_.compensate || options_.criterion >= Criterion::kTaylor) {
    evidence.features = observe_features(graph, train_, options_.images, threads_);
  }
  if (options_.criterion == Criterion::kTaylor) {
    evidence.scores =
        taylor_scores(graph, evidence.map, evidence.features, options_, train_, *tuner_);
  } else if (options_.criterion < Criterion::kTaylor) {
    evidence.scores = channel_magnitudes(graph, evidence.map, options_.criterion);
  }
  return evidence;
}

Graph Remover::remove(Graph graph, const Evidence& evidence, const RemovalPlan& plan,
                      double share) const {
  std::vector<bool> removed(evidence.map.groups.size(), false);
  for (const std::vector<size_t>& family : channel_families(graph, evidence.map)) {
    const FamilySize size = plan.at(key_of(evidence.map, family));
    const auto wanted =
        static_cast<size_t>(std::lround(share * static_cast<double>(size.before - size.kept)));
    const size_t kept = size.before - wanted;
    if (kept >= family.size()) continue;
    for (const size_t group : order(evidence, family, family.size() - kept)) removed[group] = true;
  }
  if (options_.compensate) compensate(graph, evidence.map, removed, evidence.features);
  return remove_channels(graph, evidence.map, removed);
}

std::vector<size_t> Remover::order(const Evidence& evidence, const std::vector<size_t>& family,
                                   size_t count) const {
  if (options_.criterion == Criterion::kSimilarity) {
    return similar_channels(evidence.map, evidence.features, family, count);
  }
  if (options_.criterion == Criterion::kReconstruction) {
    return reconstructible_channels(evidence.map, evidence.features, family, count);
  }
  return lowest(evidence.scores, family, count);
}

}  // namespace tessera::compress
