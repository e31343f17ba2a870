#pragma once

/// Pruning ratios found under a target.

#include <string>

#include "compress/prune.hpp"
#include "compress/removal.hpp"

namespace tessera::compress {

/// Every family but those that a rule is about may lose i eighths of its channels, i = 0..7. The
/// loss of a choice is measured: the squared error of the logits on options.images training images
/// when that family alone is pruned, by the criterion, with compensation if the options say so. Of
/// the sums of losses under a limit of the summed costs of single families, the least is found
/// exactly (allocate); the limit is the largest, by bisection, whose network, costed as a whole,
/// meets the target. Throws std::runtime_error, with the target's line, if none does.
RemovalPlan plan_by_target(const graph::Graph& net, const Remover& remover,
                           const PruneOptions& options, const std::string& file,
                           const data::Dataset& train, int threads,
                           const GraphCost& latency_cycles);

/// Lines, for checkpoints.
std::string to_text(const RemovalPlan& plan);
RemovalPlan parse_removals(const std::string& text);

}  // namespace tessera::compress
