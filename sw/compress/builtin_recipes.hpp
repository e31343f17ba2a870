#pragma once

#include <vector>

namespace tessera::compress {

struct BuiltinRecipe {
  const char* name;
  const char* yaml;
};

/// The files of sw/compress/recipes, which the build turns into text inside the program.
const std::vector<BuiltinRecipe>& builtin_recipes();

}  // namespace tessera::compress
