#pragma once

#include "compress/quantize.hpp"
#include "compress/widths.hpp"
#include "data/dataset.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

/// Runs the float network on the first recipe.calibration_images images of the training split and
/// collects what the tensors of each group hold; only the largest magnitudes, and no counts, if the
/// recipe clips no activation.
Observations observe(const graph::Graph& graph, const std::vector<ActivationGroup>& groups,
                     const data::Dataset& train, const Recipe& recipe);

}  // namespace tessera::compress
