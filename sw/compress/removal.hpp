#pragma once

/// Removing some of each family's channels, at once or by and by.

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "compress/channel_features.hpp"
#include "compress/channel_groups.hpp"
#include "compress/prune.hpp"

namespace tessera::compress {

/// The layers that compute a family of groups: what identifies it from step to step.
using FamilyKey = std::vector<std::string>;
const FamilyKey& key_of(const ChannelMap& map, const std::vector<size_t>& family);

struct FamilySize {
  size_t before = 0;  ///< groups of the network as given
  size_t kept = 0;    ///< groups in the end
};
using RemovalPlan = std::map<FamilyKey, FamilySize>;

/// How many of `size` groups a ratio leaves.
size_t kept_groups(size_t size, double ratio, const PruneOptions& options);

/// The last rule that matches a family, by its layers; families without one are not in the map.
/// Throws std::runtime_error for a rule that matches none; `file` is the recipe's.
std::map<FamilyKey, const PruneRule*> rules_of_families(const graph::Graph& graph,
                                                        const ChannelMap& map,
                                                        const PruneOptions& options,
                                                        const std::string& file);

/// What options.ratio and the rules say.
RemovalPlan plan_by_ratios(const graph::Graph& graph, const PruneOptions& options,
                           const std::string& file);

/// What is known of a network's channels.
struct Evidence {
  ChannelMap map;
  FeatureMap features;
  std::vector<double> scores;  ///< by group; empty where features decide
};

class Remover {
 public:
  Remover(const PruneOptions& options, const data::Dataset& train, FineTuner* tuner, int threads)
      : options_(options), train_(train), tuner_(tuner), threads_(threads) {}

  Evidence look_at(const graph::Graph& graph) const;
  /// `graph` with `share` of the plan done, of which it may hold a part already.
  graph::Graph remove(graph::Graph graph, const Evidence& evidence, const RemovalPlan& plan,
                      double share) const;

 private:
  std::vector<size_t> order(const Evidence& evidence, const std::vector<size_t>& family,
                            size_t count) const;

  const PruneOptions& options_;
  const data::Dataset& train_;
  FineTuner* tuner_;
  int threads_;
};

}  // namespace tessera::compress
