#pragma once

/// Fine-tuning as compression asks for it; libtorch implements it in compress/train.hpp.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "data/dataset.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

/// What weights that are not frozen yet compute with.
enum class Unfrozen : uint8_t {
  kFloat,   ///< their values (Zhou et al., Incremental network quantization, 2017)
  kRounded  ///< their grid points, as without freezing
};

/// Weights move to their grid points for good while the others learn to make up for it.
struct FreezeOptions {
  /// The epochs are cut into as many equal parts. Behind each, so large a share of every layer's
  /// weights, the largest magnitudes first, is frozen: 0..1, none below the one before it.
  /// Empty: nothing is frozen.
  std::vector<double> steps;
  Unfrozen rest = Unfrozen::kFloat;
};

struct FineTuneOptions {
  int epochs = 0;
  int batch_size = 128;
  /// Peak of a cosine. Of Adam a share of each tensor's root mean square (Shazeer and Stern,
  /// Adafactor, 2018: relative step sizes), so that a rate suits layers of any width.
  double learning_rate = 0.01;
  double scale_learning_rate = 1e-3;  ///< of the logarithms of the grids' scales; 0: frozen
  double distillation = 0.5;  ///< weight of the original network's outputs in the loss, 0..1
  double average = 0;  ///< the result is the moving average of the weights that keeps this share a
                       ///< step, in [0, 1); 0: the last weights
  int shift_pixels = 1;
  bool flip = true;
  uint64_t seed = 1;
  bool keep_zeros = false;  ///< weights that are 0 stay 0
  std::string checkpoint;   ///< file written after every epoch, behind which to go on; empty: none
  std::string fingerprint;  ///< of the run that the checkpoint is of
  FreezeOptions freeze;     ///< of fine_tune()
};

struct JointOptions;
struct JointResult;

class FineTuner {
 public:
  virtual ~FineTuner() = default;

  /// Moves the weights of `quantized`, and the scales of its grids, to lower the loss on `train`
  /// of the network that computes on the grids: rounding is passed straight through by the
  /// gradient, scales are learned as in LSQ (Esser et al., Learned step size quantization, 2020).
  /// Frozen weights keep their integers; their scales go on.
  /// `original` is the float network, the teacher of distillation.
  virtual void fine_tune(graph::Graph& quantized, const graph::Graph& original,
                         const data::Dataset& train, const FineTuneOptions& options,
                         const std::function<void(double fraction)>& on_progress) = 0;

  /// Trains the float network `pruned` on (SGD with Nesterov momentum, learning_rate its peak;
  /// batch norms as train() treats them), `original` being the teacher.
  virtual void retrain(graph::Graph& pruned, const graph::Graph& original,
                       const data::Dataset& train, const FineTuneOptions& options,
                       const std::function<void(double fraction)>& on_progress) = 0;

  /// Trains the float network `net`, which has no batch norms, together with gates of its channels
  /// and widths, and decides these (compress/joint.hpp). Channels are not removed yet.
  /// `activation_bits`: of the inputs of the layers that have weights, by name. Throws
  /// std::runtime_error for a budget that cannot be met.
  virtual JointResult learn_gates(graph::Graph& net, const graph::Graph& original,
                                  const std::map<std::string, int>& activation_bits,
                                  const data::Dataset& train, const JointOptions& options,
                                  const std::function<void(double fraction)>& on_progress) = 0;

  /// By tensor, for every channel: the mean over the first `images` images of the square of the sum
  /// over pixels of activation times gradient of the loss.
  virtual std::map<std::string, std::vector<double>> sensitivities(
      const graph::Graph& net, const std::vector<std::string>& tensors, const data::Dataset& train,
      int64_t images) = 0;

  /// By weight tensor: the trace of the Hessian of the mean cross entropy over the first `images`
  /// images, estimated from `probes` random vectors.
  virtual std::map<std::string, double> hessian_traces(const graph::Graph& net,
                                                       const data::Dataset& train, int64_t images,
                                                       int probes, uint64_t seed) = 0;
};

}  // namespace tessera::compress
