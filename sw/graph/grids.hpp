#pragma once

#include <map>
#include <string>

#include "graph/graph.hpp"

namespace tessera::graph {

/// The grids of all activations of the graph, completed: operators that only move or select values
/// (MaxPool, Flatten, Subsample, PadChannels, Relu of a gridded input, Concat of equal grids) pass
/// their input's grid on, and a tensor without one whose only reader is such an operator takes the
/// grid of that operator's output, because rounding is monotone and commutes with it.
std::map<std::string, Quantization> complete_grids(const Graph& graph);

/// The storage width that holds `bits`: 2, 4, 8 or 16.
int storage_bits(int bits);

}  // namespace tessera::graph
