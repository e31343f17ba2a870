#pragma once

#include "compress/quantize.hpp"
#include "compress/widths.hpp"
#include "data/dataset.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

/// Runs the float network on the first `images` images of the training split and collects what the
/// tensors of each group hold.
Observations observe(const graph::Graph& graph, const std::vector<ActivationGroup>& groups,
                     const data::Dataset& train, int64_t images);

}  // namespace tessera::compress
