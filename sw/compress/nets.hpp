#pragma once

/// Networks that the flow can build itself, each defined once. models/nets/README.md lists them
/// with their sizes.

#include <cstdint>
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace tessera::compress {

/// LeNet-5 (LeCun et al., Gradient-based learning applied to document recognition, 1998) for
/// 1x28x28 images and ten classes, in the form in use today: ReLU and max pooling, every feature
/// map of the first pooling feeds every filter of the second convolution. 61,706 parameters,
/// 416,520 multiply-accumulates an image.
graph::Graph lenet5(uint64_t seed);

/// Names that build_net accepts. Those that end in -cifar10 take 3x32x32 images and have ten
/// classes, those that end in -224 take 3x224x224 and have 1000.
std::vector<std::string> net_names();

/// A network with freshly initialised weights (He et al., Delving deep into rectifiers, 2015:
/// normal, variance 2 / fan-in; biases zero), the same for the same seed. Batch norms are nodes of
/// their own, of scale 1 and shift 0, and stand behind convolutions without a bias. Throws
/// std::runtime_error for an unknown name.
graph::Graph build_net(const std::string& name, uint64_t seed);

}  // namespace tessera::compress
