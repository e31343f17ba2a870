#pragma once

/// Compression: a float network, a recipe and data in; a network on integer grids out, with its
/// accuracy measured on the integer engine.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "compress/fine_tune.hpp"
#include "compress/recipe.hpp"
#include "data/dataset.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

struct CompressOptions {
  int64_t test_images = 0;          ///< measured on the first so many; 0: all
  FineTuner* fine_tuner = nullptr;  ///< null: recipes that fine-tune are refused
  int threads = 2;                  ///< of the measurements; results do not depend on it
  /// Stage ("calibrate", "fine-tune", ..) and how far it is, 0..1.
  std::function<void(const std::string& stage, double fraction)> on_progress;
};

struct LayerReport {
  std::string name, op;
  int weight_bits = 0, activation_bits = 0;  ///< of the weights and of the input, as stored
  bool activation_signed = false, power_of_two = false;
  int64_t weights = 0;  ///< biases not counted
  int64_t macs = 0;     ///< an image
};

struct CompressReport {
  std::string net, recipe;
  /// Of the float engine, and of the integer engine on the network as read back from its file;
  /// nothing if the images have no labels.
  std::optional<double> float_top1_percent, integer_top1_percent;
  std::optional<double> pruned_top1_percent;  ///< float, behind pruning and retraining; if pruned
  int64_t test_images = 0;                    ///< measured
  std::vector<std::string> merged_layers;     ///< gone, by merge_layers
  std::vector<LayerReport> layers;
  int64_t parameters = 0;            ///< weights and biases of the network as given
  int64_t pruned_parameters = 0;     ///< and behind pruning; as many if nothing was pruned
  int64_t weight_bits = 0;           ///< sum over weights of their width; biases not counted
  int64_t float_size_bytes = 0;      ///< 4 bytes a parameter
  int64_t integer_size_bytes = 0;    ///< packed weights, 4 bytes a bias, 3 a rescaling
  int64_t bit_operations = 0;        ///< BOPs an image: MACs * weight bits * activation bits
  int64_t float_bit_operations = 0;  ///< MACs * 32 * 32, of the network as given
};

struct CompressResult {
  graph::Graph graph;  ///< weights lie on their grids
  CompressReport report;
};

/// Prunes and retrains if the recipe says so, folds batch norms, merges layers, calibrates on the
/// training split, quantises, fine-tunes if the recipe says so, and measures on the test split, if
/// it is labelled. The float accuracy is that of `net` as given. Throws std::runtime_error: the
/// network is quantised already, images that do not fit it, a recipe that does not fit it, or
/// fine-tuning without a tuner or labels.
CompressResult compress(const graph::Graph& net, const Recipe& recipe, const data::Dataset& train,
                        const data::Dataset& test, const CompressOptions& options);

/// What the `compress` command does.
struct CompressJob {
  std::string net;     ///< ONNX file
  std::string data;    ///< as open_dataset takes it
  std::string recipe;  ///< as load_recipe takes it
  std::string output;  ///< ONNX file
  /// Of a network whose file does not state it; empty: the file's. One value, or one a channel.
  graph::InputNormalization normalization;
  CompressOptions options;
};

/// Reads everything before computing anything; writes the file last, complete or not at all.
CompressReport run_compress(const CompressJob& job);

}  // namespace tessera::compress
