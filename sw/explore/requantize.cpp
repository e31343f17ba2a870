#include "explore/requantize.hpp"

#include <cmath>
#include <set>

#include "compress/quantize.hpp"
#include "compress/recipe.hpp"
#include "compress/widths.hpp"

namespace tessera::explore {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;

/// Steps between zero and the end of a grid.
double steps(const graph::Quantization& grid) {
  return std::exp2(grid.bits - (grid.is_signed ? 1 : 0)) - 1;
}

/// The output and the tensors that become it without arithmetic.
std::set<std::string> logits_of(const Graph& graph) {
  std::set<std::string> tensors = {graph.output};
  for (const Node* node = graph.producer(graph.output); node != nullptr;
       node = graph.producer(node->inputs[0])) {
    if (node->op != Op::kSoftmax && node->op != Op::kFlatten) break;
    tensors.insert(node->inputs[0]);
  }
  return tensors;
}

}  // namespace

Graph requantize(Graph graph, const Widths& widths) {
  if (widths.activation_bits == 0) return graph;
  compress::Recipe recipe;
  recipe.name = widths.text;
  recipe.weight_bits = widths.weight_bits;
  recipe.activation_bits = widths.activation_bits;
  recipe.weight_threshold = compress::Threshold::kMax;
  if (widths.power_of_two) recipe.weight_code = graph::WeightCode::kPowerOfTwo;

  const std::set<std::string> logits = logits_of(graph);
  for (auto& [tensor, grid] : graph.quantizations) {
    if (graph.weights.count(tensor) != 0 || logits.count(tensor) != 0) continue;
    const double range = steps(grid);
    grid.bits = widths.activation_bits;
    for (float& scale : grid.scales) scale = static_cast<float>(scale * range / steps(grid));
  }
  compress::quantize_weights(graph, compress::layer_formats(graph, recipe), recipe);
  compress::settle_weights(graph, recipe.radix_point);
  return graph;
}

}  // namespace tessera::explore
