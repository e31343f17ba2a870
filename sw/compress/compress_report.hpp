#pragma once

/// What `compress` reports.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "compress/budget.hpp"
#include "compress/width_plan.hpp"
#include "graph/graph.hpp"
#include "graph/integer_network.hpp"

namespace tessera::compress {

struct LayerReport {
  std::string name, op;
  int weight_bits = 0, activation_bits = 0;  ///< of the weights and of the input, as stored
  bool activation_signed = false, power_of_two = false;
  int64_t weights = 0;  ///< biases not counted
  int64_t nonzero_weights = 0;
  int64_t macs = 0;            ///< an image
  int64_t size_bytes = 0;      ///< packed weights, biases and rescalings
  int64_t coded_bytes = 0;     ///< with the weights entropy coded, if that is smaller
  int64_t channels = 0;        ///< that it computes
  int64_t channels_given = 0;  ///< in the network as given; as many if it has no such layer
};

/// Estimated, of one inference.
struct InferenceReport {
  int64_t cycles = 0;
  int64_t dram_bytes = 0;  ///< read and written
};

/// Each network is estimated as a whole.
struct LatencyReport {
  std::string chip;
  InferenceReport given_16_bit;   ///< the network as given, all weights and activations 16 bit
  InferenceReport pruned_16_bit;  ///< pruned and merged, at 16 bit
  InferenceReport result;
};

struct CompressReport {
  std::string net, recipe;
  /// Of the float engine, and of the integer engine on the network as read back from its file;
  /// nothing if the images have no labels.
  std::optional<double> float_top1_percent, integer_top1_percent;
  /// Of all logits measured: the integer engine's against those of the network as given.
  std::optional<double> logits_relative_error;
  std::optional<double> pruned_top1_percent;  ///< float, behind pruning and retraining; if pruned
  int64_t test_images = 0;                    ///< measured
  std::vector<std::string> merged_layers;     ///< gone, by merge_layers
  std::optional<WidthPlan> plan;              ///< of a recipe that allocates
  std::optional<LatencyReport> latency;       ///< with a latency model
  std::string latency_error;                  ///< why there is none with a latency model
  std::vector<LayerReport> layers;
  int64_t parameters = 0;            ///< weights and biases of the network as given
  int64_t pruned_parameters = 0;     ///< and behind pruning; as many if nothing was pruned
  int64_t nonzero_parameters = 0;    ///< weights of the result that are not 0, and all biases
  int64_t weight_bits = 0;           ///< sum over weights of their width; biases not counted
  int64_t float_weight_bits = 0;     ///< 32 a weight of the layers of the network as given
  int64_t float_size_bytes = 0;      ///< 4 bytes a parameter
  int64_t integer_size_bytes = 0;    ///< packed weights, 4 bytes a bias, 3 a rescaling
  int64_t coded_size_bytes = 0;      ///< the same with entropy-coded weights, a byte more a layer
  int64_t bit_operations = 0;        ///< BOPs an image: MACs * weight bits * activation bits
  int64_t float_bit_operations = 0;  ///< MACs * 32 * 32, of the network as given
};

int64_t parameter_count(const graph::Graph& net);

/// Sizes and operations of the network as given.
void describe_original(const graph::Graph& net, CompressReport& report);

/// The layers of the result and their sums. `given` is the network as given.
void describe_result(const graph::IntegerNetwork& network, const graph::Graph& given,
                     CompressReport& report);

}  // namespace tessera::compress
