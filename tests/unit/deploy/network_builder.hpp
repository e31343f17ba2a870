#pragma once

/// Integer networks put together by hand, with arbitrary but fixed weights.

#include <string>
#include <vector>

#include "graph/integer_network.hpp"

namespace tessera::test {

/// Height, width, bits and sign stay those of the input where a function does not say otherwise.
class NetworkBuilder {
 public:
  /// Tensor 0 is the input.
  NetworkBuilder(int64_t channels, int64_t height, int64_t width, int bits = 8,
                 bool is_signed = false);

  /// Each adds a layer and returns its output tensor, which becomes the network's.
  int conv(int input, int64_t channels, int64_t kernel = 1, int64_t stride = 1);
  int add(int a, int b);
  int pool(int input, graph::IntegerOp op, int64_t kernel, int64_t stride, int64_t pad = 0);
  int concat(const std::vector<int>& inputs);

  graph::IntegerLayer& last_layer() { return net.layers.back(); }

  graph::IntegerNetwork net;

 private:
  int push(graph::IntegerLayer layer, int64_t channels, int64_t height, int64_t width);
  const graph::IntegerTensor& tensor(int index) const {
    return net.tensors[static_cast<size_t>(index)];
  }
};

/// Values of the network's input range that differ from element to element.
std::vector<int32_t> some_input(const graph::IntegerNetwork& net, uint64_t seed = 1);

}  // namespace tessera::test
