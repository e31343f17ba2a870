#pragma once

/// Runs a sweep: every point deployed and estimated, results kept as they come.

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "chip/chip.hpp"
#include "explore/result.hpp"
#include "explore/sweep.hpp"
#include "graph/graph.hpp"

namespace tessera::explore {

/// What a quantised network costs on a chip. Throws std::runtime_error if it does not fit. Called
/// from many threads.
using Evaluate = std::function<Costs(const graph::Graph& graph, const chip::Chip& chip)>;

struct ExploreOptions {
  std::string results;  ///< file, JSON lines; points that it holds are not evaluated again
  int jobs = 0;         ///< threads; 0: one a core
  std::function<void(size_t done, size_t total)>
      on_progress;  ///< points; from one thread at a time
  std::function<void(const std::string& message)> on_message;  ///< a line for people
};

/// Every point of the sweep, in the order of the points, whatever the order in which they were
/// evaluated. Throws std::runtime_error for a sweep, network, chip or results file that cannot be
/// used; a point that no chip can be or that does not fit is a result with an error.
std::vector<Result> explore(const Sweep& sweep, const Evaluate& evaluate,
                            const ExploreOptions& options);

/// The results without errors that no other dominates in the sweep's objectives, by point: those
/// of each network and widths apart, or all together (Sweep::one_front).
std::vector<Result> front_of(const Sweep& sweep, const std::vector<Result>& results);

}  // namespace tessera::explore
