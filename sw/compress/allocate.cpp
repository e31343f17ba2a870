#include "compress/allocate.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

namespace tessera::compress {
namespace {

using Layers = std::vector<std::vector<Choice>>;

constexpr int kBisections = 100;
constexpr double kSlack = 1e-9;  // of the loss, so that rounding cannot cut the optimum

/// The best choice of a layer if a unit of the budget costs `price`; of equals the cheaper.
size_t best_at(const std::vector<Choice>& choices, double price) {
  size_t best = 0;
  for (size_t i = 1; i < choices.size(); ++i) {
    const double a = choices[i].loss + price * static_cast<double>(choices[i].cost);
    const double b = choices[best].loss + price * static_cast<double>(choices[best].cost);
    if (a < b || (a == b && choices[i].cost < choices[best].cost)) best = i;
  }
  return best;
}

size_t cheapest(const std::vector<Choice>& choices) {
  const auto found =
      std::min_element(choices.begin(), choices.end(), [](const Choice& a, const Choice& b) {
        return a.cost != b.cost ? a.cost < b.cost : a.loss < b.loss;
      });
  return static_cast<size_t>(found - choices.begin());
}

Allocation total(const Layers& layers, std::vector<size_t> chosen) {
  Allocation allocation;
  for (size_t i = 0; i < layers.size(); ++i) {
    allocation.cost += layers[i][chosen[i]].cost;
    allocation.loss += layers[i][chosen[i]].loss;
  }
  allocation.chosen = std::move(chosen);
  return allocation;
}

Allocation allocation_at(const Layers& layers, double price) {
  std::vector<size_t> chosen;
  for (const std::vector<Choice>& choices : layers) chosen.push_back(best_at(choices, price));
  return total(layers, std::move(chosen));
}

/// A price at which the best choices fit, as low as bisection finds it.
double lowest_fitting_price(const Layers& layers, int64_t budget) {
  if (allocation_at(layers, 0).cost <= budget) return 0;
  double low = 0, high = 1e-12;
  while (allocation_at(layers, high).cost > budget) {
    low = high;
    high *= 16;
    if (!std::isfinite(high)) return 0;
  }
  for (int i = 0; i < kBisections; ++i) {
    const double middle = 0.5 * (low + high);
    (allocation_at(layers, middle).cost > budget ? low : high) = middle;
  }
  return high;
}

/// Totals of the layers so far, and how they came about.
struct State {
  int64_t cost;
  double loss;
  size_t before;  ///< index among the states of the layer before
  size_t choice;
};

/// Leaves only states that no cheaper or equally cheap one equals in loss, by rising cost.
void remove_dominated(std::vector<State>& states) {
  std::sort(states.begin(), states.end(), [](const State& a, const State& b) {
    return a.cost != b.cost ? a.cost < b.cost : a.loss < b.loss;
  });
  size_t kept = 0;
  for (const State& state : states) {
    if (kept == 0 || state.loss < states[kept - 1].loss) states[kept++] = state;
  }
  states.resize(kept);
}

/// What the layers from each on need at least.
struct Rest {
  int64_t cost = 0;
  double priced_loss = 0;  ///< least sum of loss + price * cost
};

std::vector<Rest> rests_of(const Layers& layers, double price) {
  std::vector<Rest> rests(layers.size() + 1);
  for (size_t i = layers.size(); i-- > 0;) {
    const Choice& priced = layers[i][best_at(layers[i], price)];
    rests[i].cost = rests[i + 1].cost + layers[i][cheapest(layers[i])].cost;
    rests[i].priced_loss =
        rests[i + 1].priced_loss + priced.loss + price * static_cast<double>(priced.cost);
  }
  return rests;
}

}  // namespace

Allocation allocate(const Layers& layers, int64_t budget) {
  std::vector<size_t> least;
  for (const std::vector<Choice>& choices : layers) {
    if (choices.empty()) throw std::runtime_error("allocation: a layer has no choice");
    least.push_back(cheapest(choices));
  }
  Allocation known = total(layers, std::move(least));
  if (known.cost > budget) {
    throw std::runtime_error("allocation: the budget is " + std::to_string(budget) +
                             ", the cheapest choices need " + std::to_string(known.cost));
  }
  const double price = lowest_fitting_price(layers, budget);
  const Allocation priced = allocation_at(layers, price);
  if (priced.cost <= budget && priced.loss < known.loss) known = priced;

  const std::vector<Rest> rests = rests_of(layers, price);
  const double paid_budget = price * static_cast<double>(budget);
  const double limit = known.loss + kSlack * (std::fabs(known.loss) + paid_budget + 1e-300);
  std::vector<std::vector<State>> states = {{{0, 0, 0, 0}}};
  for (size_t i = 0; i < layers.size(); ++i) {
    std::vector<State> next;
    for (size_t before = 0; before < states[i].size(); ++before) {
      const State& state = states[i][before];
      for (size_t choice = 0; choice < layers[i].size(); ++choice) {
        const int64_t cost = state.cost + layers[i][choice].cost;
        const double loss = state.loss + layers[i][choice].loss;
        const double bound = loss + price * static_cast<double>(cost) + rests[i + 1].priced_loss;
        if (cost + rests[i + 1].cost > budget || bound - paid_budget > limit) continue;
        next.push_back({cost, loss, before, choice});
      }
    }
    remove_dominated(next);
    states.push_back(std::move(next));
  }
  // By rising cost the loss falls: the last one is the best.
  std::vector<size_t> chosen(layers.size());
  size_t index = states.back().size() - 1;
  for (size_t i = layers.size(); i > 0; --i) {
    chosen[i - 1] = states[i][index].choice;
    index = states[i][index].before;
  }
  return total(layers, std::move(chosen));
}

}  // namespace tessera::compress
