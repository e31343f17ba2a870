#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace tessera::graph {

/// The parts, streamed one after the other.
template <class... Parts>
std::string concat(const Parts&... parts) {
  std::ostringstream stream;
  (stream << ... << parts);
  return stream.str();
}

/// Throws std::runtime_error with the parts as its message.
template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  throw std::runtime_error(concat(parts...));
}

}  // namespace tessera::graph
