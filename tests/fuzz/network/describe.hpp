#pragma once

#include <map>
#include <string>

#include "graph/graph.hpp"

namespace tessera::fuzz {

/// The graph node by node: operator, window, groups, grids and shapes, a line each.
std::string describe(const graph::Graph& graph);

/// What a network exercises, each feature with how often: "op Conv", "depthwise", "activations 5
/// bit signed", "weights p4", "stochastic", "read twice", ..
std::map<std::string, int> features_of(const graph::Graph& graph);

}  // namespace tessera::fuzz
