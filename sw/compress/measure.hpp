#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "data/dataset.hpp"
#include "graph/graph.hpp"
#include "graph/integer_network.hpp"

namespace tessera::compress {

/// Called with the fraction done, 0..1.
using Progress = std::function<void(double)>;

/// Of all images one after the other, in real units.
using LogitList = std::vector<float>;

/// The largest logit is right, in percent of the first `images` images (0: of all), on the float
/// engine (grids, where the graph has any, are rounded to). All logits go to `logits`, if given.
double measure_float(const graph::Graph& graph, const data::Dataset& test, int64_t images,
                     int threads, const Progress& on_progress = {}, LogitList* logits = nullptr);

/// The same on the integer engine.
double measure_integer(const graph::IntegerNetwork& network, const data::Dataset& test,
                       int64_t images, int threads, const Progress& on_progress = {},
                       LogitList* logits = nullptr);

/// |actual - expected| / |expected|, both as one vector with the 2-norm.
double relative_error(const LogitList& actual, const LogitList& expected);

}  // namespace tessera::compress
