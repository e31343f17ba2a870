#pragma once

#include <vector>

#include "graph/graph.hpp"

namespace tessera::compress {

/// Multiplies the output channels of a convolution or Gemm by `scale` and adds `shift` to them, one
/// value a channel, by changing its weights and bias; weights that other nodes read are copied.
void scale_layer(graph::Graph& graph, graph::Node& layer, const std::vector<float>& scale,
                 const std::vector<float>& shift);

/// Removes batch norms, y = x * scale + shift, without changing the function: into the convolution
/// or Gemm before it where that one's output has no other reader, as a depthwise 1x1 convolution
/// otherwise. Batch norms of vectors must follow a Gemm (std::runtime_error naming the node).
void fold_batch_norm(graph::Graph& graph);

}  // namespace tessera::compress
