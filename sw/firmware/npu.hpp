#pragma once

/// Driver of an NPU cluster: pushes commands, waits for space and completion by interrupt.

#include <stdint.h>

#include "abi/npu_commands.hpp"
#include "hal.hpp"

namespace tessera::firmware {

class Npu {
 public:
  /// Resets cluster `index` and enables its interrupts.
  void start(uint32_t index);

  uint32_t read(uint32_t offset) const;
  void write(uint32_t offset, uint32_t value) const;

  /// Pushes a command to an engine; waits while its FIFO lacks the space.
  template <typename Payload>
  void push(abi::Engine engine, abi::CommandHeader header, uint32_t tag, const Payload& payload) {
    constexpr uint32_t kWords = abi::words_of<Payload>();
    header.payload_words = kWords;
    if (header.notify) ++expected_;
    const uint32_t fifo = reserve(engine, kHeaderWords + kWords);
    hal::write32(fifo, abi::encode(header));
    hal::write32(fifo, tag);
    const auto* bytes =
        static_cast<const char*>(__builtin_assume_aligned(&payload, alignof(uint32_t)));
    // Two instructions a word.
#pragma GCC unroll 32
    for (uint32_t i = 0; i < kWords; ++i) {
      uint32_t word = 0;
      __builtin_memcpy(&word, bytes + i * sizeof(word), sizeof(word));
      hal::write32(fifo, word);
    }
  }

  /// Sleeps until all commands that were pushed with the notify flag have completed.
  void wait_for_notify();

  /// Part of the interrupt handler: takes what is pending.
  void on_interrupt();

  bool failed() const { return failed_; }

 private:
  static constexpr uint32_t kHeaderWords = 2;

  /// Waits until the engine's FIFO has room for a command; returns the FIFO's address.
  uint32_t reserve(abi::Engine engine, uint32_t words);
  void wait_for_space(abi::Engine engine, uint32_t words);

  uint32_t base_ = 0;
  uint32_t irq_ = 0;
  uint32_t space_[abi::kEngineCount] = {0, 0, 0};  ///< free words, never more than there are
  uint32_t expected_ = 0;                          ///< commands with the notify flag, since start
  volatile uint32_t notified_ = 0;
  volatile bool failed_ = false;
};

/// Prints the error registers and ends the run. Written by the program that knows layer names.
[[noreturn]] void npu_failed(const Npu& npu);

}  // namespace tessera::firmware
