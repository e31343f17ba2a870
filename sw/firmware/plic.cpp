#include "plic.hpp"

#include "abi/memory_map.hpp"
#include "hal.hpp"

namespace tessera::firmware::plic {
namespace {

constexpr uint32_t kPriority = abi::kPlicBase;
constexpr uint32_t kEnable = abi::kPlicBase + 0x2000;
constexpr uint32_t kThreshold = abi::kPlicBase + 0x20'0000;
constexpr uint32_t kClaim = abi::kPlicBase + 0x20'0004;

}  // namespace

void enable(uint32_t source) {
  hal::write32(kPriority + 4 * source, 1);
  const uint32_t word = kEnable + source / 32 * 4;
  hal::write32(word, hal::read32(word) | 1U << (source % 32));
  hal::write32(kThreshold, 0);
}

uint32_t claim() { return hal::read32(kClaim); }
void complete(uint32_t source) { hal::write32(kClaim, source); }

}  // namespace tessera::firmware::plic
