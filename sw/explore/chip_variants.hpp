#pragma once

#include <string>
#include <vector>

#include "chip/chip.hpp"
#include "explore/sweep.hpp"

namespace tessera::explore {

/// A chip file with some of its keys set to other values. `with` may be called from many threads.
class ChipVariants {
 public:
  /// Throws std::runtime_error as chip::load_chip does, or, with an axis's place in the sweep, for
  /// a key that no chip file has.
  explicit ChipVariants(const Sweep& sweep);

  /// The chip, checked like any other. Throws std::runtime_error "KEY must be ..., got ...".
  chip::Chip with(const std::vector<Setting>& settings) const;

  const std::string& name() const { return name_; }

 private:
  std::string name_;
  std::string file_;
  std::string yaml_;  ///< of the base chip
};

}  // namespace tessera::explore
