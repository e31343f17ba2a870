#include "npu/command_fetcher.hpp"

#include <algorithm>

#include "npu/command_fifo.hpp"

namespace tessera::npu {

void CommandFetcher::start(uint32_t address, uint32_t words) {
  address_ = address;
  words_ = words;
  arrived_ = delivered_ = 0;
  words_left_ = 0;
  tag_ = 0;
}

std::optional<CommandFetcher::Piece> CommandFetcher::next_piece() const {
  const uint32_t free_from = delivered_ / kPieceWords * kPieceWords;
  if (arrived_ == words_ || arrived_ - free_from >= buffer_.size()) return std::nullopt;
  return Piece{address_ + uint64_t{arrived_} * 4, std::min(kPieceWords, words_ - arrived_)};
}

void CommandFetcher::arrived(const uint32_t* words) {
  const uint32_t count = std::min(kPieceWords, words_ - arrived_);
  std::copy_n(words, count, buffer_.begin() + arrived_ % buffer_.size());
  arrived_ += count;
}

std::optional<abi::Engine> CommandFetcher::receiver() const {
  if (words_left_ != 0) return engine_;
  const abi::CommandHeader header = abi::decode_header(word());
  if (abi::kPreambleWords + header.payload_words > words_ - delivered_) return std::nullopt;
  for (const abi::Engine engine :
       {abi::Engine::kLoad, abi::Engine::kCompute, abi::Engine::kStore}) {
    if (payload_words(engine, header.opcode) != 0) return engine;
  }
  return std::nullopt;
}

bool CommandFetcher::deliver() {
  if (words_left_ == 0) {
    engine_ = *receiver();
    words_left_ = command_words_ = abi::kPreambleWords + abi::decode_header(word()).payload_words;
  } else if (words_left_ == command_words_ - 1) {
    tag_ = word();
  }
  ++delivered_;
  return --words_left_ == 0;
}

}  // namespace tessera::npu
