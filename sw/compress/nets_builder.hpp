#pragma once

/// Builds a network layer by layer, with freshly initialised weights.

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace tessera::compress {

/// A square window; pad is on all four sides.
struct Square {
  int64_t kernel = 1;
  int64_t stride = 1;
  int64_t pad = 0;
};

/// Appends layers to a graph. Each reads the output of the one before it, unless `from` or an
/// argument says otherwise; the number of input channels is that of what it reads. Nodes carry the
/// names given here; their weights add ".weight", ".bias", ".scale", ".shift".
class NetBuilder {
 public:
  /// `input` is {C, H, W}.
  NetBuilder(std::string name, graph::Shape input, uint64_t seed);

  /// The tensor that the next layer reads.
  const std::string& last() const { return last_; }
  const graph::Shape& last_shape() const { return graph_.shapes.at(last_); }
  /// Makes the next layer read `tensor`.
  void from(const std::string& tensor) { last_ = tensor; }

  /// Convolution with a bias.
  void conv(const std::string& name, int64_t out, const Square& window);
  /// Convolution without a bias, and a batch norm, `name`.bn, that changes nothing until trained.
  void conv_bn(const std::string& name, int64_t out, const Square& window, int64_t groups = 1);
  /// Fully connected, with a bias.
  void gemm(const std::string& name, int64_t out);
  void max_pool(const std::string& name, const Square& window);
  /// Max pooling whose last windows may hang over the lower and right edge by `overhang` pixels.
  void max_pool_overhanging(const std::string& name, const Square& window, int64_t overhang);
  void relu(const std::string& name) { simple(graph::Op::kRelu, name); }
  void relu6(const std::string& name);
  void global_average_pool(const std::string& name) { simple(graph::Op::kGlobalAveragePool, name); }
  void flatten(const std::string& name) { simple(graph::Op::kFlatten, name); }
  /// Adds `other` to the last tensor.
  void add(const std::string& name, const std::string& other);
  void concat(const std::string& name, const std::vector<std::string>& tensors);
  /// Every stride-th row and column, and zero channels, half of them before and half behind, up to
  /// `channels` (option A of He et al., Deep residual learning for image recognition, 2015).
  void padded_shortcut(const std::string& name, int64_t channels, int64_t stride);

  /// The graph; the last tensor is its output, "logits".
  graph::Graph finish(graph::InputNormalization normalization);

 private:
  graph::Node make(graph::Op op, const std::string& name) const;
  void simple(graph::Op op, const std::string& name) { append(make(op, name)); }
  void append(graph::Node node);
  void append_conv(const std::string& name, int64_t out, const Square& window, int64_t groups,
                   bool bias);
  void add_weights(graph::Node& node, const graph::Shape& shape, bool bias);

  graph::Graph graph_;
  std::string last_;
  std::mt19937_64 random_;
};

}  // namespace tessera::compress
