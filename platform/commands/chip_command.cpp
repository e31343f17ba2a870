#include <iostream>

#include "chip/chip.hpp"
#include "command.hpp"

namespace tessera::platform {

int chip_command(const std::vector<std::string>& arguments) {
  Arguments args("chip FILE|NAME", "chip");
  if (!args.parse(arguments)) return kExitGood;
  std::cout << chip::to_yaml(chip::load_chip(args.require("chip", "the chip file or name")));
  return kExitGood;
}

}  // namespace tessera::platform
