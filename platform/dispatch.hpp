#pragma once

#include <string>
#include <vector>

#include "command.hpp"

namespace tessera::platform {

/// Runs the command that arguments[0] names, with the rest as its arguments, and turns what it
/// throws into a message on stderr and an exit status.
int dispatch(const std::vector<Command>& commands, const std::vector<std::string>& arguments);

}  // namespace tessera::platform
