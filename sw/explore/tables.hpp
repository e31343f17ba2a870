#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "explore/result.hpp"
#include "explore/sweep.hpp"

namespace tessera::explore {

/// All results as CSV (RFC 4180, lines end in LF): a heading, then a line a point: number, network,
/// widths, a column an axis, the metrics, the bound, the error. The same results are the same text.
std::string to_csv(const Sweep& sweep, const std::vector<Result>& results);

/// The first `rows` results as a table for people: what was chosen (networks without their
/// folders), the objectives, utilisation and bound.
std::string to_table(const Sweep& sweep, const std::vector<Result>& results, size_t rows);

}  // namespace tessera::explore
