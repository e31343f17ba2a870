#pragma once

/// The FIFO in front of an engine: words in, whole commands out.

#include <array>
#include <cstdint>
#include <cstring>
#include <deque>
#include <optional>

#include "abi/npu_commands.hpp"

namespace tessera::npu {

struct Command {
  static constexpr uint32_t kMaxPayloadWords = abi::words_of<abi::ComputeConfig>();

  abi::CommandHeader header;
  uint32_t tag = 0;
  std::array<uint32_t, kMaxPayloadWords> payload{};
  uint64_t whole_cycle = 0;  ///< in which its last word arrived

  /// The payload as the structure that the opcode promises.
  template <typename Payload>
  Payload payload_as() const {
    static_assert(abi::words_of<Payload>() <= kMaxPayloadWords, "no command is longer");
    Payload result;
    std::memcpy(&result, payload.data(), sizeof(Payload));
    return result;
  }
};

class CommandFifo {
 public:
  CommandFifo(abi::Engine engine, uint32_t capacity_words);

  uint32_t space_words() const;
  bool empty() const { return words_.empty(); }
  /// Whether the first command is there in full.
  bool has_command() const { return !whole_cycles_.empty(); }

  /// The caller has made sure of space.
  void push(uint32_t word, uint64_t cycle);
  /// Takes the first command, which is there in full and not bad.
  Command pop();
  void clear();

  struct BadHeader {
    uint32_t header;
    uint32_t tag;
  };
  /// The first command's header and tag, once both are there, if the engine has no such opcode, or
  /// the opcode another number of payload words or no such base.
  std::optional<BadHeader> bad_header() const;

 private:
  const abi::Engine engine_;
  const uint32_t capacity_words_;
  std::deque<uint32_t> words_;
  std::deque<uint64_t> whole_cycles_;  ///< of the whole commands
  uint32_t missing_words_ = 0;         ///< of the command whose words are arriving
};

/// Payload words of an opcode, or 0 if `engine` does not know it.
uint32_t payload_words(abi::Engine engine, abi::Opcode opcode);

}  // namespace tessera::npu
