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

}  // namespace tessera::compress
