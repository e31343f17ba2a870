#pragma once

#include <cstdint>
#include <string>

namespace tessera::common {

/// One figure of a block, ready for a report.
struct Statistic {
  std::string name;  ///< snake_case, unit included where it has one
  uint64_t value = 0;
  std::string unit;         ///< "bytes", "cycles", "" for a plain count
  std::string description;  ///< one line
};

}  // namespace tessera::common
