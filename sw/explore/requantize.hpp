#pragma once

#include "explore/sweep.hpp"
#include "graph/graph.hpp"

namespace tessera::explore {

/// A quantised network at other widths, without data or training. Weights get new grids that clip
/// none of them, one scale an output channel; activations keep the range that they were calibrated
/// to; the logits keep their grid. What the network costs is that of any network of
/// these shapes and widths; how accurate it is takes `tessera compress` to say.
/// `graph` must be one that graph::lower accepts. "file" returns it as it is.
graph::Graph requantize(graph::Graph graph, const Widths& widths);

}  // namespace tessera::explore
