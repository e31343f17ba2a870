#pragma once

/// Driver of an NPU cluster: pushes commands, waits for space and completion by interrupt.

#include <stdint.h>

#include "abi/npu_commands.hpp"

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
    header.payload_words = abi::words_of<Payload>();
    push_words(engine, header, tag, reinterpret_cast<const uint32_t*>(&payload));
  }

  /// Sleeps until `count` commands with the notify flag have completed since start().
  void wait_for_notify(uint32_t count);

  /// Part of the interrupt handler: takes what is pending.
  void on_interrupt();

  bool failed() const { return failed_; }

 private:
  void push_words(abi::Engine engine, const abi::CommandHeader& header, uint32_t tag,
                  const uint32_t* payload);
  void wait_for_space(abi::Engine engine, uint32_t words);

  uint32_t base_ = 0;
  uint32_t irq_ = 0;
  uint32_t space_[abi::kEngineCount] = {0, 0, 0};  ///< free words, never more than there are
  volatile uint32_t notified_ = 0;
  volatile bool failed_ = false;
};

/// Prints the error registers and ends the run. Written by the program that knows layer names.
[[noreturn]] void npu_failed(const Npu& npu);

}  // namespace tessera::firmware
