#include "npu/scratchpad.hpp"

#include <stdexcept>
#include <string>

#include "abi/npu_commands.hpp"

namespace tessera::npu {

static_assert(abi::kLocalActivations == 0 && abi::kLocalWeights == abi::kLocalRegionBytes &&
                  abi::kLocalOutputs == 2 * abi::kLocalRegionBytes &&
                  abi::kLocalParameters == 3 * abi::kLocalRegionBytes,
              "Memory numbers the regions in address order");

LocalMemories::LocalMemories(const chip::Scratchpads& sizes) {
  const uint32_t bytes[kMemoryCount] = {sizes.activation_bytes, sizes.weight_bytes,
                                        sizes.output_bytes, sizes.parameter_bytes};
  for (std::size_t i = 0; i < kMemoryCount; ++i) {
    if (bytes[i] > abi::kLocalRegionBytes) {
      throw std::runtime_error(std::string("npu: the memory of ") +
                               name_of(static_cast<Memory>(i)) + " has " +
                               std::to_string(bytes[i]) + " bytes; its region holds " +
                               std::to_string(abi::kLocalRegionBytes));
    }
    memories_[i].resize(bytes[i]);
  }
}

uint32_t LocalMemories::size_bytes(Memory memory) const {
  return static_cast<uint32_t>(memories_[static_cast<std::size_t>(memory)].size());
}

std::optional<Memory> LocalMemories::memory_at(uint64_t address, uint64_t bytes) const {
  const uint64_t region = address / abi::kLocalRegionBytes;
  const uint64_t offset = address % abi::kLocalRegionBytes;
  if (region >= kMemoryCount) return std::nullopt;
  const uint64_t size = memories_[region].size();
  if (offset >= size || bytes > size - offset) return std::nullopt;
  return static_cast<Memory>(region);
}

uint64_t LocalMemories::first_bad_address(uint64_t address, uint64_t bytes) const {
  const uint64_t region = address / abi::kLocalRegionBytes;
  if (region >= kMemoryCount) return address;
  const uint64_t end = region * abi::kLocalRegionBytes + memories_[region].size();
  return end < address || address + bytes <= end ? address : end;
}

uint8_t* LocalMemories::at(uint64_t address) {
  return memories_[address / abi::kLocalRegionBytes].data() + address % abi::kLocalRegionBytes;
}

const uint8_t* LocalMemories::at(uint64_t address) const {
  return memories_[address / abi::kLocalRegionBytes].data() + address % abi::kLocalRegionBytes;
}

}  // namespace tessera::npu
