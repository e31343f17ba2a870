#include "compress/quantize.hpp"

#include <algorithm>
#include <cmath>

#include "graph/grids.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::Quantization;
using graph::Tensor;

// A bias has 32 bits, and a rescaling shifts by 47 at most with a multiplier of 16 bits; both with
// a margin for rounding.
constexpr double kLargestBias = 2147480000.0;
constexpr double kSmallestRescale = 0x1p-46;

bool is_layer(const Node& node) { return node.op == Op::kConv || node.op == Op::kGemm; }

const Node& node_named(const Graph& graph, const std::string& name) {
  return *std::find_if(graph.nodes.begin(), graph.nodes.end(),
                       [&](const Node& node) { return node.name == name; });
}

/// The tensor on whose grid a layer's result is rounded: that of the activation that joins it.
std::string result_of(const Graph& graph, const Node& layer,
                      const std::map<std::string, Quantization>& grids) {
  std::string tensor = layer.output;
  while (grids.count(tensor) == 0) {
    const auto readers = graph.consumers(tensor);
    if (readers.empty()) break;
    tensor = readers.front()->output;
  }
  return tensor;
}

float at_least(float scale, double low, bool radix_point) {
  if (scale >= low) return scale;
  if (radix_point) return static_cast<float>(std::exp2(std::ceil(std::log2(low))));
  return std::nextafter(static_cast<float>(low), INFINITY);
}

void enlarge_scales(const Graph& graph, const Node& layer, double scale_in, double scale_out,
                    bool radix_point, Quantization& grid) {
  const Tensor* bias = layer.inputs.size() > 2 ? &graph.weights.at(layer.inputs[2]) : nullptr;
  for (size_t k = 0; k < grid.scales.size(); ++k) {
    double largest_bias = 0;
    for (size_t i = 0; bias != nullptr && i < bias->data.size(); ++i) {
      if (grid.scales.size() == 1 || i == k) {
        largest_bias = std::max<double>(largest_bias, std::fabs(bias->data[i]));
      }
    }
    const double low =
        std::max(largest_bias / kLargestBias, kSmallestRescale * scale_out) / scale_in;
    grid.scales[k] = at_least(grid.scales[k], low, radix_point);
  }
}

void move_to_grid(Tensor& weight, const Quantization& grid) {
  const size_t per_scale = weight.data.size() / grid.scales.size();
  for (size_t i = 0; i < weight.data.size(); ++i) {
    const float scale = grid.scales[i / per_scale];
    weight.data[i] = scale * static_cast<float>(graph::quantize(weight.data[i], scale, grid));
  }
}

}  // namespace

void quantize_activations(Graph& graph, const std::vector<ActivationGroup>& groups,
                          const Observations& observations, const Recipe& recipe) {
  for (size_t i = 0; i < groups.size(); ++i) {
    Quantization grid;
    grid.bits = groups[i].bits;
    grid.is_signed = groups[i].is_signed;
    grid.scales = {
        choose_scale(observations[i], grid, recipe.activation_threshold, recipe.radix_point)};
    for (const std::string& tensor : groups[i].placed) graph.quantizations[tensor] = grid;
  }
}

void quantize_weights(Graph& graph, const std::vector<LayerFormat>& formats, const Recipe& recipe) {
  for (const LayerFormat& format : formats) {
    const std::string& name = node_named(graph, format.node).inputs[1];
    const Tensor& weight = graph.weights.at(name);
    Quantization grid;
    grid.bits = format.weight_bits;
    grid.code = format.code;
    const size_t channels = recipe.per_channel ? static_cast<size_t>(weight.shape[0]) : 1;
    const size_t count = weight.data.size() / channels;
    for (size_t k = 0; k < channels; ++k) {
      grid.scales.push_back(choose_scale(weight.data.data() + k * count, count, grid,
                                         recipe.weight_threshold, recipe.radix_point));
    }
    graph.quantizations[name] = grid;
  }
}

void settle_weights(Graph& graph, bool radix_point) {
  const auto grids = graph::complete_grids(graph);
  for (const Node& node : graph.nodes) {
    if (!is_layer(node)) continue;
    Quantization& grid = graph.quantizations.at(node.inputs[1]);
    const double scale_in = grids.at(node.inputs[0]).scales[0];
    const double scale_out = grids.at(result_of(graph, node, grids)).scales[0];
    enlarge_scales(graph, node, scale_in, scale_out, radix_point, grid);
    move_to_grid(graph.weights.at(node.inputs[1]), grid);
  }
}

void set_rounding(Graph& graph, graph::Rounding rounding) {
  for (Node& node : graph.nodes) {
    if (is_layer(node)) node.rounding = rounding;
  }
}

}  // namespace tessera::compress
