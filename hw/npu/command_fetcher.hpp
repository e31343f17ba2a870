#pragma once

/// The command list that a cluster fetches: which piece is read next, which word is delivered next
/// and to which engine.

#include <array>
#include <cstdint>
#include <optional>

#include "abi/npu_commands.hpp"

namespace tessera::npu {

/// Reads a list in pieces of kPieceWords into kBuffers buffers and gives its words away one by one.
/// A buffer is free again when the last word of its piece has been delivered. Knows no time: the
/// model's processes and the estimate's events ask it what comes next.
class CommandFetcher {
 public:
  static constexpr uint32_t kPieceWords = 64;
  static constexpr uint32_t kBuffers = 2;

  struct Piece {
    uint64_t address = 0;
    uint32_t words = 0;
  };

  /// Begins a list of at least one word; the one before has been delivered.
  void start(uint32_t address, uint32_t words);
  /// Forgets the list.
  void clear() { start(0, 0); }
  /// Whether there are words to deliver.
  bool busy() const { return delivered_ != words_; }

  /// What to read next; nothing if no buffer is free, or the whole list has been read.
  std::optional<Piece> next_piece() const;
  /// That piece has arrived, its words from `words` on.
  void arrived(const uint32_t* words);

  bool has_word() const { return delivered_ != arrived_; }
  /// The next word to deliver, which is there.
  uint32_t word() const { return buffer_[delivered_ % buffer_.size()]; }
  /// The engine whose FIFO it is for; nothing if the word should be a header and no engine knows
  /// its opcode, or the list ends inside of the command.
  std::optional<abi::Engine> receiver() const;
  /// The word has been delivered to its receiver. Returns whether a command is complete with it.
  bool deliver();

  /// Of the command whose tag was delivered last, in this list; 0 before.
  uint32_t tag() const { return tag_; }
  uint32_t command_bytes() const { return command_words_ * 4; }

 private:
  uint64_t address_ = 0;
  uint32_t words_ = 0;
  uint32_t arrived_ = 0;
  uint32_t delivered_ = 0;
  std::array<uint32_t, kBuffers * kPieceWords> buffer_{};  ///< word n at n modulo its size

  uint32_t command_words_ = 0;  ///< of the command that is being delivered
  uint32_t words_left_ = 0;     ///< of them; 0: the next word is a header
  abi::Engine engine_ = abi::Engine::kLoad;
  uint32_t tag_ = 0;
};

}  // namespace tessera::npu
