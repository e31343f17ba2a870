#pragma once

/// The training loop. Includes libtorch: for the .cpp files of tessera_training only.

#include <map>
#include <string>
#include <vector>

#include "compress/batches.hpp"
#include "compress/checkpoint.hpp"
#include "compress/torch_net.hpp"
#include "compress/train.hpp"

namespace tessera::compress {

class GatedNet;

struct LoopOptions {
  TrainOptions train;
  double scale_learning_rate = 0;  ///< of grid scales
  bool relative_rates = false;  ///< the rate of other parameters is a share of their size: of the
                                ///< root mean square of those that are not 0 at the start
  double distillation = 0;      ///< weight of the teacher in the loss
  bool estimate_norms = false;  ///< batch norms first take their statistics from the images
  bool keep_zeros = false;      ///< weights that are 0 stay 0
  FreezeOptions freeze;
  GatedNet* gates = nullptr;      ///< the network, if it has gates to be learned
  double gate_learning_rate = 0;  ///< constant
  std::string fingerprint;        ///< written to checkpoints and compared with theirs
};

class Trainer {
 public:
  /// `teacher` may be null if distillation is 0. All references outlive the trainer.
  Trainer(TorchNet& net, TorchNet* teacher, const data::Dataset& dataset,
          const graph::InputNormalization& normalization, LoopOptions options);

  /// Resumes from the checkpoint if there is one. Returns the last epoch's report.
  EpochReport run();
  int resumed_after_epochs() const { return resumed_after_; }

 private:
  void resume();
  void estimate_norms();
  void save(int epochs_done) const;
  EpochReport train_epoch(int epoch);
  double validate();
  at::Tensor batch_images(const std::vector<int64_t>& indices, int epoch, bool augmented) const;
  at::Tensor batch_labels(const std::vector<int64_t>& indices) const;
  at::Tensor loss_of(const at::Tensor& logits, const at::Tensor& images, const at::Tensor& labels);
  /// Factor of the learning rate at a step of the whole run, 0..1.
  double schedule(int64_t step) const;
  void update(int64_t step);
  void freeze(int64_t steps_done);
  double rate_of(const std::string& parameter, double factor) const;
  void update_average(int64_t steps_done);
  /// Swaps the network's weights with their moving average, if there is one.
  void exchange_with_average();
  void update_sgd(const std::string& name, at::Tensor& parameter, double rate, double decay);
  void update_adam(const std::string& name, at::Tensor& parameter, double rate, double decay,
                   int64_t step);

  TorchNet& net_;
  TorchNet* teacher_;
  const data::Dataset& dataset_;
  const graph::InputNormalization& normalization_;
  LoopOptions options_;
  std::vector<int64_t> training_indices_, validation_indices_;
  int64_t steps_an_epoch_ = 0;
  int first_epoch_ = 1;
  int resumed_after_ = 0;
  EpochReport last_;
  std::map<std::string, at::Tensor> state_;  ///< of the optimiser, by parameter
  std::map<std::string, at::Tensor> kept_;   ///< 0 or 1 by weight, of parameters with zeros to keep
  std::map<std::string, double> sizes_;  ///< by parameter, what its rate is a share of; 1 if absent
  std::map<std::string, at::Tensor> average_;  ///< of parameters and buffers; empty: none
};

}  // namespace tessera::compress
