#pragma once

/// Fine-tuning as compression asks for it; libtorch implements it in compress/train.hpp.

#include <cstdint>
#include <functional>

#include "data/dataset.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

struct FineTuneOptions {
  int epochs = 0;
  int batch_size = 128;
  double learning_rate = 1e-3;        ///< peak of a cosine, Adam
  double scale_learning_rate = 1e-3;  ///< of the logarithms of the grids' scales; 0: frozen
  double distillation = 0.5;  ///< weight of the original network's outputs in the loss, 0..1
  int shift_pixels = 1;
  bool flip = true;
  uint64_t seed = 1;
};

class FineTuner {
 public:
  virtual ~FineTuner() = default;

  /// Moves the weights of `quantized`, and the scales of its grids, to lower the loss on `train`
  /// of the network that computes on the grids: rounding is passed straight through by the
  /// gradient, scales are learned as in LSQ (Esser et al., Learned step size quantization, 2020).
  /// `original` is the float network, the teacher of distillation.
  virtual void fine_tune(graph::Graph& quantized, const graph::Graph& original,
                         const data::Dataset& train, const FineTuneOptions& options,
                         const std::function<void(double fraction)>& on_progress) = 0;
};

}  // namespace tessera::compress
