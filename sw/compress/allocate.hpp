#pragma once

/// One choice a layer (a width, a ratio ..) under a common budget, exactly.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tessera::compress {

/// What a layer may become.
struct Choice {
  int64_t cost = 0;  ///< of the budget's unit (bits, bit operations, cycles ..), 0 or more
  double loss = 0;   ///< what is minimised; finite
};

struct Allocation {
  std::vector<size_t> chosen;  ///< index of the choice, by layer
  int64_t cost = 0;
  double loss = 0;
};

/// The choices of least total loss whose total cost is within `budget` (multiple-choice knapsack);
/// of several the cheapest. Dynamic programming over the layers keeps the totals that no other
/// beats in both cost and loss, and of these only those that a Lagrangian bound lets end below the
/// best allocation known (Dyer, Kayal and Walker, A branch and bound algorithm for solving the
/// multiple-choice knapsack problem, 1984). Throws std::runtime_error if a layer has no choice or
/// the cheapest ones exceed the budget, naming what they need.
Allocation allocate(const std::vector<std::vector<Choice>>& layers, int64_t budget);

}  // namespace tessera::compress
