#pragma once

#include <string>

namespace tessera::platform {

/// The firmware that belongs to this program: of the installation it is run from, else of the build
/// folder it was built in. Throws std::runtime_error if there is none.
std::string find_firmware();

}  // namespace tessera::platform
