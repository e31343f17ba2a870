#pragma once

/// Widths chosen for every layer, as `allocate` of a recipe asks.

#include <cstdint>
#include <string>
#include <vector>

#include "compress/budget.hpp"
#include "compress/width_losses.hpp"

namespace tessera::compress {

struct PlannedLayer {
  std::string name;
  WidthChoice weight;
  int activation_bits = 8;  ///< of its input
  int64_t cost = 0;         ///< where all layers have these widths
  double weight_loss = 0;
  double activation_loss = 0;  ///< at the first of the layers that read the same activations
  double sensitivity = 0;      ///< mean eigenvalue of the weights' Hessian; kMse: 0
};

struct WidthPlan {
  BudgetKind kind = BudgetKind::kSize;
  Sensitivity sensitivity = Sensitivity::kHessian;
  int64_t budget = 0;  ///< in the kind's unit
  int64_t cost = 0;    ///< of the network with these widths
  double loss = 0;     ///< sum over the layers
  std::vector<PlannedLayer> layers;
};

/// Of the network as given, in float.
struct OriginalCosts {
  int64_t size_bytes = 0;
  int64_t bit_operations = 0;
};

/// The widths of least loss within the budget of problem.recipe.allocate. A layer's cost with a
/// choice is that in a network where all layers make the choice; layers that read the same
/// activations choose them together. The network with the widths found is costed as a whole, and
/// the choice made again with what the sum was wrong by, until that network is within the budget;
/// where that fails, a network with the same widths everywhere is taken.
/// What a rule of the recipe says stays. Throws std::runtime_error, with the budget's line, if no
/// widths are within the budget.
WidthPlan plan_widths(const QuantizationProblem& problem, const WidthLosses& losses,
                      const OriginalCosts& original, const LatencyModel* latency);

/// The formats as planned.
void apply_plan(const WidthPlan& plan, std::vector<LayerFormat>& formats);

/// A line a value, exact, for checkpoints. parse_plan throws std::runtime_error for other text.
std::string to_text(const WidthPlan& plan);
WidthPlan parse_plan(const std::string& text);

}  // namespace tessera::compress
