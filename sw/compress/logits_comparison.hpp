#pragma once

/// How far a changed network's logits are from the original's.

#include <cstdint>
#include <vector>

#include "data/dataset.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

enum class LogitsLoss : uint8_t {
  kDivergence,   ///< Kullback-Leibler, of the class probabilities, in nats
  kSquaredError  ///< mean over the logits
};

class LogitsComparison {
 public:
  /// On the first `images` images. The results do not depend on `threads`.
  LogitsComparison(const graph::Graph& net, LogitsLoss kind, int64_t images,
                   const data::Dataset& dataset, int threads);

  /// Mean over the images.
  double loss(const graph::Graph& changed) const;

 private:
  using Logits = std::vector<std::vector<float>>;
  Logits logits_of(graph::Graph net) const;

  LogitsLoss kind_;
  int threads_;
  std::vector<std::vector<float>> inputs_;
  Logits logits_;
};

}  // namespace tessera::compress
