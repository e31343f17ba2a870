#pragma once

/// Writes commands one behind the other into memory, for a cluster to fetch.

#include <stdint.h>

#include "abi/npu_commands.hpp"

namespace tessera::firmware {

class ListWriter {
 public:
  /// Room for `words` words from `room` on.
  void start(uint32_t* room, uint32_t words) {
    room_ = room;
    capacity_ = words;
    size_ = 0;
  }

  /// A command that finds no room is counted, not written.
  template <typename Payload>
  void push(abi::CommandHeader header, uint32_t tag, const Payload& payload) {
    header.payload_words = abi::words_of<Payload>();
    uint32_t words[abi::kPreambleWords + abi::words_of<Payload>()] = {abi::encode(header), tag};
    __builtin_memcpy(words + abi::kPreambleWords, &payload, sizeof(payload));
    append(words, sizeof(words) / sizeof(words[0]));
  }

  /// Moves the next command to a multiple of so many words.
  void align(uint32_t words) { size_ = (size_ + words - 1) / words * words; }

  uint32_t words() const { return size_; }
  /// Everything was written.
  bool fits() const { return size_ <= capacity_; }

 private:
  void append(const uint32_t* words, uint32_t count) {
    size_ += count;
    if (fits()) __builtin_memcpy(room_ + size_ - count, words, count * sizeof(*words));
  }

  uint32_t* room_ = nullptr;
  uint32_t capacity_ = 0;
  uint32_t size_ = 0;
};

}  // namespace tessera::firmware
