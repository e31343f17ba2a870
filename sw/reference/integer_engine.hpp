#pragma once

#include <cstdint>
#include <vector>

#include "graph/integer_network.hpp"

namespace tessera::reference {

/// Every tensor of one inference, for finding where another execution first differs.
struct IntegerTrace {
  std::vector<std::vector<int32_t>> tensors;  ///< as IntegerNetwork::tensors; {C, H, W} row-major
  std::vector<int64_t> layer_saturations;     ///< as IntegerNetwork::layers
  int64_t saturations = 0;                    ///< sum of layer_saturations
};

/// Executes an integer network exactly as graph/integer_network.hpp defines it: the golden result
/// that the chip's model and RTL are held against. Convolutions are matrix products in float or
/// double where a bound on the largest possible sum (largest |x| times the largest 1-norm of a
/// filter) proves every partial sum exact, below 2^24 or 2^53, and int64 loops elsewhere.
///
/// A result counts as a saturation if clamping lowered it, or raised it to a negative bound; what
/// a ReLU sets to zero does not count.
class IntegerEngine {
 public:
  /// Throws std::runtime_error naming the layer if the network is inconsistent (sizes, indices,
  /// ranges).
  explicit IntegerEngine(const graph::IntegerNetwork& network);

  /// The logits. `input` is {C, H, W} row-major. Throws std::runtime_error if it has the wrong
  /// size or leaves the input's range, or if an accumulator exceeds 48 bits (naming layer, channel
  /// and pixel). Safe to call from several threads.
  std::vector<int32_t> run(const std::vector<int32_t>& input) const;
  IntegerTrace trace(const std::vector<int32_t>& input) const;

  /// run() of each input, on `threads` threads (0: one a core).
  std::vector<std::vector<int32_t>> run_batch(const std::vector<std::vector<int32_t>>& inputs,
                                              int threads = 0) const;

  const graph::IntegerNetwork& network() const { return network_; }

 private:
  enum class Arithmetic : uint8_t { kFloat, kDouble, kInteger };
  struct ConvolutionPlan {
    Arithmetic arithmetic = Arithmetic::kInteger;
    bool may_overflow = false;  ///< the bound on sums exceeds 48 bits
    std::vector<float> float_weights;
    std::vector<double> double_weights;
  };
  using Tensors = std::vector<std::vector<int32_t>>;

  void check_layer(const graph::IntegerLayer& layer) const;
  void check_convolution(const graph::IntegerLayer& layer) const;
  ConvolutionPlan plan_convolution(const graph::IntegerLayer& layer) const;
  int64_t execute(size_t layer_index, Tensors& tensors) const;
  int64_t convolution(size_t layer_index, Tensors& tensors) const;
  int64_t addition(const graph::IntegerLayer& layer, Tensors& tensors) const;
  int64_t pooling(const graph::IntegerLayer& layer, Tensors& tensors) const;
  int64_t concatenation(const graph::IntegerLayer& layer, Tensors& tensors) const;

  graph::IntegerNetwork network_;
  std::vector<ConvolutionPlan> plans_;  // as layers
  std::vector<int64_t> magnitudes_;     // largest |q| of each tensor
};

}  // namespace tessera::reference
