#pragma once

/// What the `compress` command prints and writes (docs/json.md).

#include <boost/json.hpp>
#include <string>

#include "compress/compress_report.hpp"
#include "compress/recipe.hpp"

namespace tessera::platform {

void print_plan(const compress::WidthPlan& plan);
void print(const compress::CompressReport& report, const std::string& output);

boost::json::object to_json(const compress::CompressReport& report);
/// Of everything that a recipe draws at random.
boost::json::object seeds_of(const compress::Recipe& recipe);

}  // namespace tessera::platform
