#pragma once

/// Structured pruning: channels go, and the network gets smaller.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "compress/channel_groups.hpp"
#include "compress/fine_tune.hpp"
#include "compress/stages.hpp"
#include "data/dataset.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

/// Which channels of a layer go first.
enum class Criterion : uint8_t {
  kL1,             ///< the smallest sum of magnitudes of the weights that compute them
  kL2,             ///< the smallest sum of squares
  kTaylor,         ///< the smallest change of the loss, to first order (Molchanov et al., Pruning
                   ///< convolutional neural networks for resource efficient inference, 2017)
  kSimilarity,     ///< similar_channels
  kReconstruction  ///< reconstructible_channels
};

/// Changes the ratio of the layers that it matches, as LayerRule does.
struct PruneRule {
  std::string match;
  double ratio = 0;
  int line = 0;  ///< in the recipe's file
};

enum class PruneGoal : uint8_t {
  kSize,    ///< parameters
  kMacs,    ///< of an image
  kLatency  ///< cycles of an image on the chip, all weights and activations 16 bit
};

/// Ratios are found that divide what the network costs by `ratio`, or a little more.
struct PruneTarget {
  PruneGoal goal = PruneGoal::kMacs;
  double ratio = 1;
  int line = 0;  ///< in the recipe's file
};

/// What a float network costs.
using GraphCost = std::function<int64_t(const graph::Graph&)>;

struct PruneOptions {
  Criterion criterion = Criterion::kReconstruction;
  double ratio = 0;                   ///< share of a layer's channels that go, 0..1 without 1
  std::optional<PruneTarget> target;  ///< instead of `ratio`
  std::vector<PruneRule> layers;
  int64_t min_channels = 1;  ///< that a layer keeps at least
  int64_t multiple = 1;      ///< kept channels are rounded up to a multiple of this
  bool compensate = true;    ///< readers make up for what goes (channel_features.hpp)
  double fc_sparsity = 0;    ///< share of the weights of fully connected layers, but the last,
                             ///< that becomes zero, the smallest first
  int steps = 1;             ///< in which the ratios and fc_sparsity are reached
  int64_t images = 256;      ///< of the training split, for features and Taylor
  FineTuneOptions retrain;   ///< after every step; epochs 0: none
};

/// Groups that the same layers compute, whose channels compete with each other. Fixed ones are in
/// none. In the order of their first layers.
std::vector<std::vector<size_t>> channel_families(const graph::Graph& graph, const ChannelMap& map);

/// By group: sum of magnitudes (kL1) or squares (kL2) of the weights in the rows that compute it,
/// times the scale of a batch norm right behind.
std::vector<double> channel_magnitudes(const graph::Graph& graph, const ChannelMap& map,
                                       Criterion criterion);

/// Sets the smallest `share` of the weights of every Gemm but the last to zero. Zeros that are
/// there already count.
void sparsify_fully_connected(graph::Graph& graph, double share);

/// Prunes and retrains in options.steps steps; `file` is the recipe's, for messages. `tuner` may be
/// null if neither the criterion nor retraining needs it; `latency_cycles` is for a target of
/// latency. The result does not depend on `threads`
/// unless it retrains. Steps that `stages` has kept are not computed again. Throws
/// std::runtime_error for a rule that names no layer that can be pruned, and for a target that is
/// out of reach.
graph::Graph prune(const graph::Graph& net, const PruneOptions& options, const std::string& file,
                   const data::Dataset& train, FineTuner* tuner, int threads,
                   const std::function<void(double fraction)>& on_progress,
                   Stages* stages = nullptr, const GraphCost& latency_cycles = {});

}  // namespace tessera::compress
