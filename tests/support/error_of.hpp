#pragma once

#include <functional>
#include <stdexcept>
#include <string>

namespace tessera::test {

/// The message of the std::runtime_error that the action throws, or "no error".
inline std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

}  // namespace tessera::test
