#include "compress/width_plan.hpp"

#include <algorithm>
#include <limits>
#include <map>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "compress/allocate.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;

constexpr int kRounds = 16;

/// Indices of the choices: of weights by format, of activations by group.
struct Chosen {
  std::vector<size_t> weights, activations;
  bool operator==(const Chosen& other) const {
    return weights == other.weights && activations == other.activations;
  }
};

/// What the layers that read one group may be together.
struct Combination {
  Choice total;
  size_t activation = 0;
  std::vector<size_t> weights;  ///< by reader
};

/// Leaves those that no other equals in loss at no more cost, by rising cost.
void remove_dominated(std::vector<Combination>& combinations) {
  std::stable_sort(combinations.begin(), combinations.end(),
                   [](const Combination& a, const Combination& b) {
                     return a.total.cost != b.total.cost ? a.total.cost < b.total.cost
                                                         : a.total.loss < b.total.loss;
                   });
  std::vector<Combination> kept;
  for (Combination& each : combinations) {
    if (kept.empty() || each.total.loss < kept.back().total.loss) kept.push_back(std::move(each));
  }
  combinations = std::move(kept);
}

class Planner {
 public:
  Planner(const QuantizationProblem& problem, const WidthLosses& losses,
          const OriginalCosts& original, const LatencyModel* latency)
      : problem_(problem), options_(*problem.recipe.allocate), losses_(losses), latency_(latency) {
    find_readers();
    budget_ = budget_of(original);
    measure_costs();
  }

  WidthPlan run() {
    std::vector<std::vector<Combination>> items;
    for (size_t g = 0; g < readers_.size(); ++g) {
      if (!readers_[g].empty()) items.push_back(combinations_of(g));
    }
    std::vector<std::vector<Choice>> choices;
    int64_t least = 0;
    for (const auto& item : items) {
      choices.emplace_back();
      for (const Combination& each : item) choices.back().push_back(each.total);
      least += item.front().total.cost;
    }
    return best_plan(items, choices, least);
  }

 private:
  /// Allocates again and again, with the budget corrected by what the sum of the layers' costs was
  /// wrong by for the whole network.
  WidthPlan best_plan(const std::vector<std::vector<Combination>>& items,
                      const std::vector<std::vector<Choice>>& choices, int64_t least) const {
    std::optional<WidthPlan> best = best_uniform_plan();
    int64_t last_cost = 0;
    std::vector<Chosen> seen;
    int64_t limit = budget_;
    for (int round = 1; round <= kRounds; ++round) {
      const bool lowest = limit <= least || round == kRounds;
      if (lowest && best) break;
      const Allocation allocation = allocate(choices, lowest ? least : limit);
      const Chosen chosen = chosen_of(items, allocation);
      if (std::find(seen.begin(), seen.end(), chosen) != seen.end()) break;
      seen.push_back(chosen);
      const WidthPlan plan = plan_of(chosen);
      last_cost = plan.cost;
      const bool fits = plan.cost <= budget_;
      if (fits && (!best || plan.loss < best->loss)) best = plan;
      if (lowest) break;
      limit = budget_ + allocation.cost - plan.cost;
      if (!fits) limit = std::min(limit, allocation.cost - 1);
    }
    if (!best) refuse(last_cost);
    return *best;
  }

  /// Of the networks with the same choices everywhere, which were costed as a whole.
  std::optional<WidthPlan> best_uniform_plan() const {
    std::optional<WidthPlan> best;
    for (const auto& [chosen, cost] : uniform_) {
      if (cost > budget_) continue;
      const WidthPlan plan = plan_of(chosen);
      if (!best || plan.loss < best->loss) best = plan;
    }
    return best;
  }

  [[noreturn]] void refuse(int64_t cost) const {
    static const char* const kKeys[] = {"size", "bytes", "bops", "latency"};
    throw std::runtime_error(
        problem_.recipe.file + ":" + std::to_string(options_.budget.line) + ": allocate.budget." +
        kKeys[static_cast<size_t>(options_.budget.kind)] + " allows " + std::to_string(budget_) +
        " " + unit_of(options_.budget.kind) + ", the network of the cheapest widths needs " +
        std::to_string(cost) + "; allow more, prune more, or add narrower widths");
  }

  void find_readers() {
    readers_.resize(problem_.groups.size());
    ruled_.resize(problem_.groups.size(), options_.activation_bits.empty());
    for (const graph::Node& node : problem_.net.nodes) {
      for (size_t i = 0; i < problem_.formats.size(); ++i) {
        if (problem_.formats[i].node != node.name) continue;
        const size_t group = group_of(node.inputs[0]);
        readers_[group].push_back(i);
        if (problem_.formats[i].activation_ruled) ruled_[group] = true;
      }
    }
  }
  size_t group_of(const std::string& tensor) const {
    for (size_t g = 0; g < problem_.groups.size(); ++g) {
      const auto& observed = problem_.groups[g].observed;
      if (std::count(observed.begin(), observed.end(), tensor) != 0) return g;
    }
    throw std::logic_error("activation " + tensor + " is in no group");
  }

  /// The width of a group that is not chosen: what rules say, or else the recipe.
  int ruled_bits(size_t group) const {
    int bits = 0;
    for (const size_t i : readers_[group]) {
      const LayerFormat& format = problem_.formats[i];
      if (format.activation_ruled || options_.activation_bits.empty()) {
        bits = std::max(bits, format.activation_bits);
      }
    }
    return bits;
  }
  int activation_bits(size_t group, size_t choice) const {
    return ruled_[group] ? ruled_bits(group) : options_.activation_bits[choice];
  }
  WidthChoice weight(size_t format, size_t choice) const {
    const LayerFormat& f = problem_.formats[format];
    return f.weight_ruled ? WidthChoice{f.weight_bits, f.code} : options_.weights[choice];
  }
  size_t activation_choices() const { return std::max<size_t>(options_.activation_bits.size(), 1); }

  Costs cost_with(const Chosen& chosen) const {
    QuantizationProblem problem = problem_;
    for (size_t g = 0; g < readers_.size(); ++g) {
      if (readers_[g].empty()) continue;
      problem.groups[g].bits = activation_bits(g, chosen.activations[g]);
      for (const size_t i : readers_[g])
        problem.formats[i].activation_bits = problem.groups[g].bits;
    }
    for (size_t i = 0; i < problem.formats.size(); ++i) {
      const WidthChoice choice = weight(i, chosen.weights[i]);
      problem.formats[i].weight_bits = choice.bits;
      problem.formats[i].code = choice.code;
    }
    return costs_of(quickly_quantized(problem), options_.budget.kind, latency_);
  }

  int64_t budget_of(const OriginalCosts& original) const {
    const Budget& budget = options_.budget;
    const auto share = [&](int64_t whole) {
      return static_cast<int64_t>(static_cast<double>(whole) / budget.amount);
    };
    if (budget.kind == BudgetKind::kBytes) return static_cast<int64_t>(budget.amount);
    if (budget.kind == BudgetKind::kSize) return share(original.size_bytes);
    if (budget.kind == BudgetKind::kBops) return share(original.bit_operations);
    return share(latency_->estimate(quickly_quantized(problem_, budget.against_bits)).total);
  }

  void measure_costs() {
    costs_.resize(problem_.formats.size());
    for (size_t w = 0; w < options_.weights.size(); ++w) {
      for (size_t a = 0; a < activation_choices(); ++a) {
        const Chosen uniform{std::vector<size_t>(problem_.formats.size(), w),
                             std::vector<size_t>(problem_.groups.size(), a)};
        const Costs whole = cost_with(uniform);
        uniform_.emplace_back(uniform, whole.total);
        const std::vector<int64_t> costs = by_format(whole);
        for (size_t i = 0; i < costs.size(); ++i) costs_[i].push_back(costs[i]);
      }
    }
  }
  /// What is no layer of the network (copies, poolings on their own) counts to that before it.
  std::vector<int64_t> by_format(const Costs& costs) const {
    std::vector<int64_t> result(problem_.formats.size());
    size_t at = 0;
    for (const auto& [name, value] : costs.layers) {
      for (size_t i = 0; i < problem_.formats.size(); ++i) {
        if (problem_.formats[i].node == name) at = i;
      }
      result[at] += value;
    }
    return result;
  }
  int64_t layer_cost(size_t format, size_t weight_choice, size_t activation_choice) const {
    return costs_[format][weight_choice * activation_choices() + activation_choice];
  }

  std::vector<Combination> combinations_of(size_t group) const {
    std::vector<Combination> all;
    for (size_t a = 0; a < (ruled_[group] ? 1 : activation_choices()); ++a) {
      std::vector<Combination> front = {{{0, activation_loss(group, a)}, a, {}}};
      for (const size_t i : readers_[group]) {
        std::vector<Combination> next;
        for (const Combination& each : front) {
          for (size_t w = 0; w < (problem_.formats[i].weight_ruled ? 1 : options_.weights.size());
               ++w) {
            next.push_back(each);
            next.back().total.cost += layer_cost(i, w, a);
            next.back().total.loss += weight_loss(i, w);
            next.back().weights.push_back(w);
          }
        }
        remove_dominated(next);
        front = std::move(next);
      }
      all.insert(all.end(), front.begin(), front.end());
    }
    remove_dominated(all);
    return all;
  }
  double weight_loss(size_t format, size_t choice) const {
    return problem_.formats[format].weight_ruled ? 0 : losses_.weights[format][choice];
  }
  double activation_loss(size_t group, size_t choice) const {
    return ruled_[group] ? 0 : losses_.activations[group][choice];
  }

  Chosen chosen_of(const std::vector<std::vector<Combination>>& items,
                   const Allocation& allocation) const {
    Chosen chosen{std::vector<size_t>(problem_.formats.size()),
                  std::vector<size_t>(problem_.groups.size())};
    size_t item = 0;
    for (size_t g = 0; g < readers_.size(); ++g) {
      if (readers_[g].empty()) continue;
      const Combination& each = items[item][allocation.chosen[item]];
      chosen.activations[g] = each.activation;
      for (size_t r = 0; r < readers_[g].size(); ++r) {
        chosen.weights[readers_[g][r]] = each.weights[r];
      }
      ++item;
    }
    return chosen;
  }

  WidthPlan plan_of(const Chosen& chosen) const {
    WidthPlan plan;
    plan.kind = options_.budget.kind;
    plan.sensitivity = options_.sensitivity;
    plan.budget = budget_;
    plan.cost = cost_with(chosen).total;
    plan.layers.resize(problem_.formats.size());
    for (size_t g = 0; g < readers_.size(); ++g) {
      const size_t a = chosen.activations[g];
      for (const size_t i : readers_[g]) {
        PlannedLayer& layer = plan.layers[i];
        const size_t w = chosen.weights[i];
        layer.name = problem_.formats[i].node;
        layer.weight = weight(i, w);
        layer.activation_bits = activation_bits(g, a);
        layer.cost = layer_cost(i, w, a);
        layer.weight_loss = weight_loss(i, w);
        layer.activation_loss = i == readers_[g].front() ? activation_loss(g, a) : 0;
        if (!losses_.sensitivities.empty()) layer.sensitivity = losses_.sensitivities[i];
      }
    }
    for (const PlannedLayer& layer : plan.layers) {
      plan.loss += layer.weight_loss + layer.activation_loss;
    }
    return plan;
  }

  const QuantizationProblem& problem_;
  const AllocateOptions& options_;
  const WidthLosses& losses_;
  const LatencyModel* latency_;
  int64_t budget_ = 0;
  std::vector<std::vector<size_t>> readers_;         ///< formats by group
  std::vector<bool> ruled_;                          ///< by group: its width is not chosen
  std::vector<std::pair<Chosen, int64_t>> uniform_;  ///< and what their networks cost
  std::vector<std::vector<int64_t>> costs_;  ///< by format, choice of weights and of activations
};

}  // namespace

WidthPlan plan_widths(const QuantizationProblem& problem, const WidthLosses& losses,
                      const OriginalCosts& original, const LatencyModel* latency) {
  return Planner(problem, losses, original, latency).run();
}

void apply_plan(const WidthPlan& plan, std::vector<LayerFormat>& formats) {
  for (size_t i = 0; i < formats.size(); ++i) {
    const PlannedLayer& layer = plan.layers.at(i);
    if (layer.name != formats[i].node) throw std::logic_error("plan of another network");
    formats[i].weight_bits = layer.weight.bits;
    formats[i].code = layer.weight.code;
    formats[i].activation_bits = layer.activation_bits;
  }
}

std::string to_text(const WidthPlan& plan) {
  std::ostringstream text;
  text << std::hexfloat << static_cast<int>(plan.kind) << '\n'
       << static_cast<int>(plan.sensitivity) << '\n'
       << plan.budget << '\n'
       << plan.cost << '\n'
       << plan.loss << '\n'
       << plan.layers.size() << '\n';
  for (const PlannedLayer& l : plan.layers) {
    text << l.name << '\n'
         << l.weight.bits << '\n'
         << static_cast<int>(l.weight.code) << '\n'
         << l.activation_bits << '\n'
         << l.cost << '\n'
         << l.weight_loss << '\n'
         << l.activation_loss << '\n'
         << l.sensitivity << '\n';
  }
  return text.str();
}

WidthPlan parse_plan(const std::string& text) {
  std::istringstream stream(text);
  const auto line = [&] {
    std::string value;
    if (!std::getline(stream, value)) throw std::runtime_error("the plan of widths is cut off");
    return value;
  };
  const auto integer = [&] { return std::stoll(line()); };
  const auto real = [&] { return std::stod(line()); };
  WidthPlan plan;
  plan.kind = static_cast<BudgetKind>(integer());
  plan.sensitivity = static_cast<Sensitivity>(integer());
  plan.budget = integer();
  plan.cost = integer();
  plan.loss = real();
  for (int64_t left = integer(); left > 0; --left) {
    PlannedLayer l;
    l.name = line();
    l.weight.bits = static_cast<int>(integer());
    l.weight.code = static_cast<graph::WeightCode>(integer());
    l.activation_bits = static_cast<int>(integer());
    l.cost = integer();
    l.weight_loss = real();
    l.activation_loss = real();
    l.sensitivity = real();
    plan.layers.push_back(l);
  }
  return plan;
}

}  // namespace tessera::compress
