#pragma once

/// How much the loss depends on channels. Includes libtorch: for the .cpp files of
/// tessera_training only.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "compress/torch_net.hpp"
#include "data/dataset.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

/// By tensor, for every channel: the mean over the first `images` images of the square of the sum
/// over pixels of activation times gradient of the image's loss. That sum is what the loss loses,
/// to first order, if the channel becomes zero.
std::map<std::string, std::vector<double>> measure_sensitivities(
    TorchNet& net, const std::vector<std::string>& tensors, const data::Dataset& dataset,
    const graph::InputNormalization& normalization, int64_t images, int threads);

/// By weight (biases, norms and scales left out): an estimate of the trace of the Hessian of the
/// mean loss over the first `images` images, in float32 with batch norms as the graph holds them.
/// Hutchinson's estimator (A stochastic estimator of the trace of the influence matrix, 1989): the
/// mean of v * (H v) over `probes` random vectors v of +-1; H v is exact, by differentiating twice.
std::map<std::string, double> measure_hessian_traces(TorchNet& net, const data::Dataset& dataset,
                                                     const graph::InputNormalization& normalization,
                                                     int64_t images, int probes, uint64_t seed,
                                                     int threads);

}  // namespace tessera::compress
