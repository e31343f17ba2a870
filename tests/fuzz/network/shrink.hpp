#pragma once

#include <functional>

#include "graph/graph.hpp"

namespace tessera::fuzz {

/// Whether a network still shows what is looked for. It must return false, not throw, for one that
/// is not valid.
using Predicate = std::function<bool(const graph::Graph&)>;

/// A small network that still shows it: nodes behind, in front of and beside the cause are taken
/// away as long as `shows` says so. `graph` itself must show it.
graph::Graph shrink(const graph::Graph& graph, const Predicate& shows);

}  // namespace tessera::fuzz
