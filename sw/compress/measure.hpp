#pragma once

#include <cstdint>
#include <functional>

#include "data/dataset.hpp"
#include "graph/graph.hpp"
#include "graph/integer_network.hpp"

namespace tessera::compress {

/// Called with the fraction done, 0..1.
using Progress = std::function<void(double)>;

/// The largest logit is right, in percent of the first `images` images (0: of all), on the float
/// engine (grids, where the graph has any, are rounded to).
double measure_float(const graph::Graph& graph, const data::Dataset& test, int64_t images,
                     int threads, const Progress& on_progress = {});

/// The same on the integer engine.
double measure_integer(const graph::IntegerNetwork& network, const data::Dataset& test,
                       int64_t images, int threads, const Progress& on_progress = {});

}  // namespace tessera::compress
