#pragma once

/// The host core: what the firmware does for an inference, and what that costs it.

#include <cstdint>

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
  uint32_t lists = 0;
  uint32_t list_bytes = 0;
};

struct HostWork {
  uint32_t inferences = 0;
  uint64_t instructions = 0;  ///< of all of them, waits left out
};

/// Runs sw/firmware/inference.cpp, layer.cpp and npu.cpp on a host whose register accesses take
/// what the network and the core take for them and whose other instructions take the constants of
/// host.cpp, against engines that advance with it: the command lists are written, then inferences
/// are run, one or, if that is short, sixteen.
HostWork run_inferences(const chip::Chip& chip, const deploy::Image& image, const Places& places,
                        ChipTiming& timing);

}  // namespace tessera::estimate
