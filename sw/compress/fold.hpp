#pragma once

#include "graph/graph.hpp"

namespace tessera::compress {

/// Removes batch norms, y = x * scale + shift, without changing the function: into the convolution
/// or Gemm before it where that one's output has no other reader, as a depthwise 1x1 convolution
/// otherwise. Batch norms of vectors must follow a Gemm (std::runtime_error naming the node).
void fold_batch_norm(graph::Graph& graph);

}  // namespace tessera::compress
