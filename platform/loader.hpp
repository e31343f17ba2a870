#pragma once

/// Puts an image, its inputs and the boot information into a chip's DRAM, and reads outputs back.

#include <cstdint>
#include <vector>

#include "abi/image.hpp"
#include "data/dataset.hpp"
#include "deploy/image.hpp"
#include "soc.hpp"

namespace tessera::platform {

/// Addresses of everything in DRAM.
struct MemoryPlan {
  abi::BootInfo boot = {};
  uint32_t boot_info_address = 0;
};

/// The boot information lies at the start of DRAM; image, arena, command lists, inputs, outputs and
/// results follow. Throws std::runtime_error if it exceeds the chip's DRAM.
MemoryPlan plan_memory(const chip::Chip& chip, const deploy::Image& image, uint32_t image_count);

/// Copies image and boot information, and quantises and packs the inputs.
void load_memory(Soc& soc, const MemoryPlan& plan, const deploy::Image& image,
                 const data::Dataset& dataset);

/// Logits of inference `index` as the chip left them, {N}.
std::vector<int32_t> read_output(Soc& soc, const MemoryPlan& plan, const deploy::Image& image,
                                 uint32_t index);

abi::InferenceResult read_result(Soc& soc, const MemoryPlan& plan, uint32_t index);

}  // namespace tessera::platform
