#include <cstdio>
#include <iostream>

#include "chip/chip.hpp"
#include "command.hpp"

namespace tessera::platform {
namespace {

/// What the fused PEs take beside PEs of one mode and the same throughput in it, as YAML comments:
/// what is printed stays a chip file.
void print_area(const chip::Chip& chip) {
  constexpr double kUm2PerMm2 = 1e6;
  const chip::Technology& technology = chip.technology;
  const uint32_t rows = chip.npu.rows;
  const uint32_t columns = chip.npu.columns;
  const double fused = technology.fused_area.array_um2(rows, columns);
  std::printf("# PE array of a cluster, %ux%u, standard cells at 0.18 um (docs/silicon.md)\n", rows,
              columns);
  std::printf("#   %-30s %8.2f mm2\n", "fused, all modes", fused / kUm2PerMm2);
  for (std::size_t pe = 0; pe < chip::kFixedPeCount; ++pe) {
    const double fixed = technology.fixed_area[pe].array_um2(rows, columns);
    const std::string name =
        chip::pe_mode_name(chip::kFixedPeModes[pe]) + " bit only, as many MACs";
    std::printf("#   %-30s %8.2f mm2; the fused array takes %+.0f %%\n", name.c_str(),
                fixed / kUm2PerMm2, 100 * (fused / fixed - 1));
  }
}

}  // namespace

int chip_command(const std::vector<std::string>& arguments) {
  Arguments args("chip FILE|NAME", "chip");
  if (!args.parse(arguments)) return kExitGood;
  const chip::Chip chip = chip::load_chip(args.require("chip", "the chip file or name"));
  std::cout << chip::to_yaml(chip) << std::flush;
  print_area(chip);
  return kExitGood;
}

}  // namespace tessera::platform
