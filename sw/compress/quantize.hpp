#pragma once

/// From a float graph and the values seen in calibration to a graph on integer grids.

#include <map>
#include <string>
#include <vector>

#include "compress/recipe.hpp"
#include "compress/thresholds.hpp"
#include "compress/widths.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

/// What calibration saw of each activation group, by index. Exact zeros are left out: every grid
/// holds them.
using Observations = std::vector<Histogram>;

/// Gives every activation group its grid.
void quantize_activations(graph::Graph& graph, const std::vector<ActivationGroup>& groups,
                          const Observations& observations, const Recipe& recipe);

/// Gives every layer's weights their grid: one scale an output channel, or one in all if the
/// recipe says so.
void quantize_weights(graph::Graph& graph, const std::vector<LayerFormat>& formats,
                      const Recipe& recipe);

/// Makes the graph one that the chip computes exactly: enlarges scales of weights where the bias
/// would not fit its 32 bits or the rescaling its shift, and moves every weight to its nearest grid
/// point. Activations must have their grids. With `radix_point`, scales stay powers of two.
void settle_weights(graph::Graph& graph, bool radix_point);

/// Rounding of the layers that can round stochastically, convolutions and fully connected ones.
void set_rounding(graph::Graph& graph, graph::Rounding rounding);

}  // namespace tessera::compress
