#pragma once

/// Driver of an NPU cluster: starts command lists, takes their interrupts.

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

  /// Writes a command to an engine's FIFO. The write of a word waits while the FIFO is full.
  template <typename Payload>
  void push(abi::Engine engine, abi::CommandHeader header, uint32_t tag,
            const Payload& payload) const {
    constexpr uint32_t kWords = abi::words_of<Payload>();
    header.payload_words = kWords;
    const uint32_t fifo = fifo_of(engine);
    write(fifo, abi::encode(header));
    write(fifo, tag);
    uint32_t words[kWords];
    __builtin_memcpy(words, &payload, sizeof(payload));
    for (const uint32_t word : words) write(fifo, word);
  }

  /// Lets the cluster fetch a list of so many words, of which one command has the notify flag.
  void fetch(uint32_t address, uint32_t words);

  /// The lists that were fetched have notified.
  bool done() const { return notified_ == expected_; }

  /// Takes what this cluster interrupts for.
  void on_interrupt();

  /// Ends the run if the cluster has met an error.
  void check() const;

 private:
  static uint32_t fifo_of(abi::Engine engine);

  uint32_t base_ = 0;
  uint32_t irq_ = 0;
  uint32_t expected_ = 0;  ///< lists since start
  uint32_t notified_ = 0;
};

/// Prints the error registers and ends the run. Written by the program that knows layer names.
[[noreturn]] void npu_failed(const Npu& npu);

}  // namespace tessera::firmware
