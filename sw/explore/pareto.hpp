#pragma once

#include <cstddef>
#include <vector>

namespace tessera::explore {

/// The Pareto front: indices, ascending, of the rows that no other row dominates. A row dominates
/// another if it is nowhere larger and somewhere smaller; of equal rows, none does. All rows have
/// the same number of values, none of them NaN.
std::vector<size_t> pareto_front(const std::vector<std::vector<double>>& rows);

}  // namespace tessera::explore
