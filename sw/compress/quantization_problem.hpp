#pragma once

#include <vector>

#include "compress/quantize.hpp"
#include "compress/recipe.hpp"
#include "compress/widths.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

/// A float network ready for its grids, and what is known of it.
struct QuantizationProblem {
  const graph::Graph& net;  ///< batch norms folded, layers merged
  const Recipe& recipe;
  std::vector<LayerFormat> formats;
  std::vector<ActivationGroup> groups;
  const Observations& observations;  ///< of `groups`
};

/// With the widths that the recipe's keys and rules say.
QuantizationProblem make_problem(const graph::Graph& net, const Recipe& recipe,
                                 const Observations& observations);

/// The network on the problem's grids.
graph::Graph quantized(const QuantizationProblem& problem);

/// The network on grids of the problem's widths whose scales take no time to choose: it costs what
/// the one with better scales does.
graph::Graph quickly_quantized(const QuantizationProblem& problem);

/// The same with `bits` for all weights and activations but the logits, whatever the recipe says.
graph::Graph quickly_quantized(const QuantizationProblem& problem, int bits);

}  // namespace tessera::compress
