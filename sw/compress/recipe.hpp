#pragma once

/// A recipe: what `compress` does to a network, as YAML. Keys (docs/compress.md):
///
///   name:               text
///   weights:            {bits: 2..16, threshold: max | mse, code: twos-complement | power-of-two,
///                        per_channel: true | false}
///   activations:        {bits: 2..16, threshold: max | mse | kl}
///   logits_bits:        2..16, default 16
///   radix_point:        true: every scale is a power of two
///   rounding:           half-up | stochastic
///   calibration_images: 1..1000000, default 512
///   merge:              {lrn: true | false, average_pool: none | exact | approximate,
///                        max_pool: none | approximate, identity_threshold: 0..1}
///   layers:             list of {match: first | last | conv | fc | NODE, weight_bits,
///                       activation_bits, code}; later rules win
///   allocate:           {weight_bits: list of 2..16 and p4, activation_bits: list of 2..16,
///                        budget: {size | bytes | bops | latency: NUMBER, against: 2..16},
///                        sensitivity: hessian | mse, images, probes, seed}; layers' rules win
///   prune:              {criterion: l1 | l2 | taylor | similarity | reconstruction, ratio,
///                        target: {size | macs | latency: NUMBER}, layers: list of {match: conv |
///                        fc | NODE, ratio}, min_channels, multiple, compensate, fc_sparsity,
///                        steps, images, retrain: {epochs, batch_size, learning_rate,
///                        distillation, average, shift_pixels, flip, seed}}, before everything else
///   joint:              {epochs, batch_size, learning_rate, scale_learning_rate, distillation,
///                        average, shift_pixels, flip, seed, gate_learning_rate,
///                        dual_learning_rate, budget: {weight_bits: RATIO} or {bops: RATIO}, bits:
///                        list of 2 | 4 | 8 | 16, channels: true | false}, behind pruning and
///                        merging
///   finetune:           {epochs, batch_size, learning_rate, scale_learning_rate, distillation,
///                        average, shift_pixels, flip, seed,
///                        freeze: {steps: [..], rest: float | rounded}}

#include <optional>
#include <string>
#include <vector>

#include "compress/budget.hpp"
#include "compress/fine_tune.hpp"
#include "compress/joint.hpp"
#include "compress/merge.hpp"
#include "compress/prune.hpp"
#include "compress/thresholds.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

/// Changes the formats of the layers (convolutions and fully connected) that it matches.
struct LayerRule {
  std::string match;  ///< "first", "last", "conv", "fc", or a node's name
  std::optional<int> weight_bits;
  std::optional<int> activation_bits;  ///< of the layer's input
  std::optional<graph::WeightCode> code;
  int line = 0;  ///< in the recipe's file, for messages
};

struct Recipe {
  std::string name;
  std::string file;  ///< for messages
  std::string text;  ///< the YAML
  int weight_bits = 8;
  graph::WeightCode weight_code = graph::WeightCode::kTwosComplement;
  Threshold weight_threshold = Threshold::kMse;
  bool per_channel = true;
  int activation_bits = 8;
  Threshold activation_threshold = Threshold::kMse;
  int logits_bits = 16;
  bool radix_point = false;
  graph::Rounding rounding = graph::Rounding::kHalfUp;
  int64_t calibration_images = 512;
  MergeOptions merge;
  std::vector<LayerRule> layers;
  std::optional<AllocateOptions> allocate;
  std::optional<PruneOptions> prune;
  std::optional<JointOptions> joint;
  FineTuneOptions finetune;  ///< epochs 0: none
};

/// Names of the recipes that come with the program.
std::vector<std::string> recipe_names();

/// A recipe by name, or from a YAML file if `name_or_path` names one. Throws std::runtime_error:
/// neither exists, or what parse_recipe throws.
Recipe load_recipe(const std::string& name_or_path, const std::vector<std::string>& settings = {});

/// `settings` are "KEY.KEY=VALUE", the value YAML: keys that have other values than `yaml` says.
/// Throws std::runtime_error: "FILE:LINE: KEY ..." for a key that is unknown, missing or
/// impossible, "--set SETTINGS: KEY ..." where it is so because of them.
Recipe parse_recipe(const std::string& yaml, const std::string& file,
                    const std::vector<std::string>& settings = {});

/// Gives everything random in the recipe this seed, whatever the recipe says.
void set_seed(Recipe& recipe, uint64_t seed);

/// Multiplies the epochs of everything that trains, to no fewer than 1. `factor` is positive.
void scale_epochs(Recipe& recipe, double factor);

/// Passes over the training split: retraining behind every step of pruning, learning of gates,
/// fine-tuning.
int training_epochs(const Recipe& recipe);

}  // namespace tessera::compress
