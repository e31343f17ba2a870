#pragma once

#include <cstdint>
#include <vector>

#include "core/instruction.hpp"

namespace tessera::core {

/// Instructions that run one after the other; the last one ends the block (ends_block).
struct Block {
  std::vector<Instruction> instructions;
};

/// Predecoded blocks by start address: direct mapped, so of bounded size.
class BlockCache {
 public:
  BlockCache() : slots_(kSlots) {}

  /// The block that starts at `pc`, or null.
  const Block* find(uint32_t pc) const {
    const Slot& slot = slots_[index(pc)];
    return slot.key == key(pc) ? &slot.block : nullptr;
  }
  /// An empty block for `pc`; what was in its place is gone.
  Block& replace(uint32_t pc) {
    Slot& slot = slots_[index(pc)];
    slot.key = key(pc);
    slot.block.instructions.clear();
    return slot.block;
  }
  /// Forgets the block that starts at `pc`, if it is there.
  void forget(uint32_t pc) { slots_[index(pc)].key = 0; }
  /// Forgets all blocks; memory that Block pointers point at stays.
  void flush() { ++generation_; }

 private:
  static constexpr uint32_t kSlots = 1U << 13;
  struct Slot {
    uint64_t key = 0;
    Block block;
  };
  static uint32_t index(uint32_t pc) { return ((pc >> 1) ^ (pc >> 14)) & (kSlots - 1); }
  uint64_t key(uint32_t pc) const { return (generation_ << 32) | pc; }

  uint64_t generation_ = 1;
  std::vector<Slot> slots_;
};

}  // namespace tessera::core
