#include "periph/plic.hpp"

#include <stdexcept>

#include "abi/memory_map.hpp"

namespace tessera::periph {
namespace {

constexpr uint32_t kPriority = 0x0;
constexpr uint32_t kPending = 0x1000;
constexpr uint32_t kEnable = 0x2000;
constexpr uint32_t kThreshold = 0x20'0000;
constexpr uint32_t kClaim = 0x20'0004;
constexpr uint32_t kPriorityMask = 7;

const RegisterTable& plic_registers() {
  static const RegisterTable table({{"priority", kPriority, 4, Plic::kSources},
                                    {"pending", kPending, 4, Plic::kSources / 32},
                                    {"enable", kEnable, 4, Plic::kSources / 32},
                                    {"threshold", kThreshold, 4},
                                    {"claim", kClaim, 4}});
  return table;
}

AccessRules plic_rules() {
  AccessRules rules;
  rules.size_bytes = abi::kPlicSize;
  return rules;
}

}  // namespace

Plic::Plic(const sc_core::sc_module_name& name)
    : Peripheral(name, plic_registers(), plic_rules()) {}

void Plic::set_interrupt_callback(std::function<void(bool level)> callback) {
  callback_ = std::move(callback);
}

void Plic::set_source(uint32_t source, bool level) {
  if (source == 0 || source >= kSources) {
    throw std::out_of_range("plic: interrupt source " + std::to_string(source) +
                            " is not in 1..95");
  }
  Source& s = sources_[source];
  s.level = level;
  s.pending = level && !s.claimed;
  update();
}

bool Plic::enabled(uint32_t source) const {
  return ((enables_[source / 32] >> (source % 32)) & 1U) != 0;
}

uint32_t Plic::best_source() const {
  uint32_t best = 0;
  uint32_t best_priority = threshold_;
  for (uint32_t n = 1; n < kSources; ++n) {
    const Source& s = sources_[n];
    if (!s.pending || s.claimed || !enabled(n) || s.priority <= best_priority) continue;
    best = n;
    best_priority = s.priority;
  }
  return best;
}

void Plic::update() {
  const bool output = best_source() != 0;
  if (output == output_) return;
  output_ = output;
  if (callback_) callback_(output);
}

uint32_t Plic::claim() {
  const uint32_t source = best_source();
  if (source != 0) {
    sources_[source].pending = false;
    sources_[source].claimed = true;
    update();
  }
  return source;
}

void Plic::complete(uint32_t source) {
  if (source == 0 || source >= kSources) return;
  Source& s = sources_[source];
  s.claimed = false;
  s.pending = s.level;
  update();
}

uint32_t Plic::value_at(uint32_t offset) const {
  if (offset < kPriority + 4 * kSources) return sources_[offset / 4].priority;
  if (offset >= kPending && offset < kPending + 4 * kWords) {
    uint32_t word = 0;
    const uint32_t first = (offset - kPending) * 8;
    for (uint32_t n = 0; n < 32; ++n) word |= (sources_[first + n].pending ? 1U : 0U) << n;
    return word;
  }
  if (offset >= kEnable && offset < kEnable + 4 * kWords) return enables_[(offset - kEnable) / 4];
  if (offset == kThreshold) return threshold_;
  if (offset == kClaim) return best_source();
  return 0;
}

uint32_t Plic::read(uint32_t offset, uint32_t, const sc_core::sc_time&) {
  return offset == kClaim ? claim() : value_at(offset);
}

uint8_t Plic::peek(uint32_t offset) const { return byte_of(value_at(offset & ~3U), offset); }

void Plic::write(uint32_t offset, uint32_t, uint32_t value, const sc_core::sc_time&) {
  if (offset == kClaim) return complete(value);
  if (offset >= kPriority + 4 && offset < kPriority + 4 * kSources) {
    sources_[offset / 4].priority = value & kPriorityMask;
  } else if (offset >= kEnable && offset < kEnable + 4 * kWords) {
    const uint32_t word = (offset - kEnable) / 4;
    enables_[word] = word == 0 ? value & ~1U : value;
  } else if (offset == kThreshold) {
    threshold_ = value & kPriorityMask;
  }
  update();
}

}  // namespace tessera::periph
