#pragma once

/// The host core: the firmware's tile loops, and what they cost it.

#include <cstdint>
#include <vector>

#include "abi/image.hpp"
#include "chip/chip.hpp"
#include "deploy/image.hpp"
#include "estimate/chip_timing.hpp"

namespace tessera::estimate {

/// Where the parts of an image lie, physical addresses.
struct Places {
  uint32_t image = 0;
  uint32_t arena = 0;
  uint32_t input = 0;
  uint32_t output = 0;
};

struct HostWork {
  std::vector<uint64_t> layer_cycles;  ///< awake, while it pushed the layer's commands
  uint64_t instructions = 0;           ///< of everything, waits left out
};

/// Runs sw/firmware/layer.cpp and npu.cpp on a host whose register accesses take what the network
/// and the core take for them and whose other instructions take the constants of host.cpp, against
/// engines that advance with it. One inference after the other; the phase tells them apart.
HostWork run_inferences(const chip::Chip& chip, const deploy::Image& image, const Places& places,
                        uint32_t inferences, ChipTiming& timing);

}  // namespace tessera::estimate
