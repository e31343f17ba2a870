#pragma once

/// Which tensors get grids, of what width and sign. No values are looked at.

#include <map>
#include <string>
#include <vector>

#include "compress/recipe.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

/// Formats of a convolution or fully connected layer.
struct LayerFormat {
  std::string node;
  int weight_bits = 8;
  int activation_bits = 8;  ///< wanted for its input
  graph::WeightCode code = graph::WeightCode::kTwosComplement;
  bool weight_ruled = false, activation_ruled = false;  ///< a rule of the recipe says so
};

/// The formats of all layers, in graph order. Throws std::runtime_error, with the recipe's line,
/// for a rule that names no layer of the network or makes power-of-two weights other than 4 bit.
std::vector<LayerFormat> layer_formats(const graph::Graph& graph, const Recipe& recipe);

/// Activations that share a grid, because only operators that move or select values (pooling by
/// maximum, flattening, concatenation ..) lie between them.
struct ActivationGroup {
  std::vector<std::string> placed;    ///< tensors that carry the grid; it reaches the others
  std::vector<std::string> observed;  ///< tensors whose values it has to hold well
  int bits = 8;
  bool is_signed = true;
};

/// All activations that cross layers, the input and the logits (signed, recipe.logits_bits)
/// included. The output of a layer that a lone ReLU or clip follows is not one. A group read by
/// several layers has the largest of the widths that they want, one read by none the recipe's
/// general width. Unsigned where no value can be negative: after ReLU, and the input if its
/// normalisation subtracts nothing.
std::vector<ActivationGroup> activation_groups(const graph::Graph& graph, const Recipe& recipe,
                                               const std::vector<LayerFormat>& formats);

}  // namespace tessera::compress
