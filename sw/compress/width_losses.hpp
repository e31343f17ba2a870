#pragma once

/// What the network loses by a width.

#include <vector>

#include "compress/budget.hpp"
#include "compress/fine_tune.hpp"
#include "compress/measure.hpp"
#include "compress/quantization_problem.hpp"
#include "data/dataset.hpp"

namespace tessera::compress {

/// Of one layer's weights, or one group of activations, on a grid, all else in float.
struct WidthLosses {
  std::vector<std::vector<double>> weights;      ///< by format and choice of weights
  std::vector<std::vector<double>> activations;  ///< by group and choice of activation bits
  std::vector<double> sensitivities;  ///< by format: kHessian: mean eigenvalue; kMse: empty
};

/// Activations are always measured, on options.images images of the training split.
/// kHessian, in nats: of weights W, tr(H) / n * ||W - Q(W)||^2 / 2 with the trace of the n weights'
/// Hessian, negative estimates being 0 (Dong et al., HAWQ-V2, 2020, whose Omega is twice that); of
/// activations, the mean divergence of the class probabilities, which the same expansion gives.
/// kMse: the mean squared error of the logits. `tuner` is for kHessian.
WidthLosses measure_width_losses(const QuantizationProblem& problem, const AllocateOptions& options,
                                 const data::Dataset& train, FineTuner* tuner, int threads,
                                 const Progress& on_progress);

}  // namespace tessera::compress
