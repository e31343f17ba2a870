#pragma once

/// Training of float networks and fine-tuning of quantised ones. Built only with TESSERA_TORCH, as
/// the target tessera_training; no libtorch type shows here.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "compress/fine_tune.hpp"
#include "compress/precision.hpp"
#include "data/dataset.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

enum class Optimizer : uint8_t {
  kSgd,  ///< Nesterov momentum, weight decay added to the gradient
  kAdam  ///< betas .9 and .999, decoupled weight decay (AdamW)
};

enum class Schedule : uint8_t {
  kCosine,     ///< linear warm-up over the first twentieth, then half a cosine to zero
  kTriangular  ///< linear up over the first quarter, then linear down to zero
};

struct EpochReport {
  int epoch = 0;  ///< 1..epochs
  int epochs = 0;
  double train_loss = 0;                ///< mean over the epoch
  double train_top1_percent = 0;        ///< on the augmented images, while weights move
  double validation_top1_percent = -1;  ///< below 0: no validation split
};

struct TrainOptions {
  int epochs = 24;
  int batch_size = 128;
  Optimizer optimizer = Optimizer::kAdam;
  Schedule schedule = Schedule::kCosine;
  double learning_rate = 3e-3;  ///< peak
  double momentum = 0.9;        ///< of SGD
  double weight_decay = 0.01;   ///< of weights, not of biases, norms or scales
  double label_smoothing = 0;
  int shift_pixels = 1;           ///< random shifts by up to this many pixels each way, the border
                                  ///< continued by its mirror image; 0: none
  bool flip = true;               ///< left-right, each image in every second epoch
  bool zero_mean_input = false;   ///< normalisation: false keeps black at 0, so that the input is
                                  ///< unsigned and 8 bits hold it exactly; true subtracts the mean
  int64_t validation_images = 0;  ///< held out of the training split, only reported
  uint64_t seed = 1;
  double average = 0;  ///< the result is the moving average of the weights that keeps this share a
                       ///< step, 0..1; 0: the last weights
  Precision precision = Precision::kFloat32;
  int threads = 2;
  std::string checkpoint;  ///< file written after every epoch; empty: none
  bool restart = false;    ///< ignore an existing checkpoint
  std::function<void(const EpochReport&)> on_epoch;
  std::function<void(double fraction)> on_progress;  ///< of the whole run, 0..1, each batch
};

struct TrainResult {
  graph::Graph graph;  ///< batch norms with their running statistics
  EpochReport last;
  int resumed_after_epochs = 0;  ///< 0: started from the beginning
};

/// Trains `net` on `train`, and returns the weights after the last epoch (nothing is selected on
/// any accuracy). Batch norms of a trained file, which hold a scale and a shift, first take
/// statistics from training images and go on as batch norms. Sets the input normalisation from the
/// training split if the network has none. Same network, data, options and threads give the same
/// bits, interrupted or not: order and augmentation of an epoch depend on seed and epoch alone.
/// Throws std::runtime_error for options out of range, images or labels that do not fit the
/// network, operators that cannot be trained, and a checkpoint of a different run.
TrainResult train(const graph::Graph& net, const data::Dataset& train, const TrainOptions& options);

/// What the `train` command does.
struct TrainJob {
  std::string net;   ///< a name that build_net knows, or an ONNX file to go on from
  std::string data;  ///< as open_dataset takes it
  std::string output;
  TrainOptions options;
};

struct TrainReport {
  TrainResult result;
  double test_top1_percent = 0;  ///< of the written file, on the whole test split, float engine
  int64_t test_images = 0;
};

/// Reads data and network, trains, writes the ONNX file, removes the checkpoint (which, unless
/// named, is OUTPUT.checkpoint).
TrainReport run_train(TrainJob job);

/// Fine-tunes quantised and pruned networks with libtorch.
class TorchFineTuner : public FineTuner {
 public:
  explicit TorchFineTuner(int threads = 2, Precision precision = Precision::kFloat32)
      : threads_(threads), precision_(precision) {}
  void fine_tune(graph::Graph& quantized, const graph::Graph& original, const data::Dataset& train,
                 const FineTuneOptions& options,
                 const std::function<void(double fraction)>& on_progress) override;
  void retrain(graph::Graph& pruned, const graph::Graph& original, const data::Dataset& train,
               const FineTuneOptions& options,
               const std::function<void(double fraction)>& on_progress) override;
  JointResult learn_gates(graph::Graph& net, const graph::Graph& original,
                          const std::map<std::string, int>& activation_bits,
                          const data::Dataset& train, const JointOptions& options,
                          const std::function<void(double fraction)>& on_progress) override;
  std::map<std::string, std::vector<double>> sensitivities(const graph::Graph& net,
                                                           const std::vector<std::string>& tensors,
                                                           const data::Dataset& train,
                                                           int64_t images) override;
  std::map<std::string, double> hessian_traces(const graph::Graph& net, const data::Dataset& train,
                                               int64_t images, int probes, uint64_t seed) override;

 private:
  int threads_;
  Precision precision_;
};

}  // namespace tessera::compress
