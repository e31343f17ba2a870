#pragma once

/// Where the shipped chips, technologies and networks are.

#include <string>

namespace tessera::chip {

/// The models folder: TESSERA_MODELS_DIR if it is set, else the first of these that exists: beside
/// the installed executable, in the source tree of the build, under the installation prefix.
/// Throws std::runtime_error if there is none.
std::string models_dir();

}  // namespace tessera::chip
