#include "explore/pareto.hpp"

#include <algorithm>
#include <numeric>

namespace tessera::explore {
namespace {

bool dominates(const std::vector<double>& a, const std::vector<double>& b) {
  bool smaller = false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (a[i] > b[i]) return false;
    smaller = smaller || a[i] < b[i];
  }
  return smaller;
}

}  // namespace

std::vector<size_t> pareto_front(const std::vector<std::vector<double>>& rows) {
  std::vector<size_t> order(rows.size());
  std::iota(order.begin(), order.end(), size_t{0});
  // In lexicographic order a row is dominated by rows before it only.
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rows[a] < rows[b]; });
  std::vector<size_t> front;
  for (const size_t candidate : order) {
    const bool dominated = std::any_of(front.begin(), front.end(), [&](size_t member) {
      return dominates(rows[member], rows[candidate]);
    });
    if (!dominated) front.push_back(candidate);
  }
  std::sort(front.begin(), front.end());
  return front;
}

}  // namespace tessera::explore
