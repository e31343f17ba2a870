#pragma once

#include <string>
#include <vector>

#include "chip/chip.hpp"

namespace tessera::chip {

/// The preset of that name, or null. A preset leaves `size_bytes` zero: the chip file gives it.
const Dram* find_dram_preset(const std::string& name);

/// Names of all presets, for messages.
std::vector<std::string> dram_preset_names();

}  // namespace tessera::chip
