#include "npu/command_fifo.hpp"

#include <algorithm>

namespace tessera::npu {

using abi::kPreambleWords;

uint32_t payload_words(abi::Engine engine, abi::Opcode opcode) {
  using abi::Engine;
  using abi::Opcode;
  switch (opcode) {
    case Opcode::kLoad:
      return engine == Engine::kLoad ? abi::words_of<abi::Transfer>() : 0;
    case Opcode::kLoadCoded:
      return engine == Engine::kLoad ? abi::words_of<abi::CodedTransfer>() : 0;
    case Opcode::kLoadTable:
      return engine == Engine::kLoad ? abi::words_of<abi::TableTransfer>() : 0;
    case Opcode::kStore:
      return engine == Engine::kStore ? abi::words_of<abi::Transfer>() : 0;
    case Opcode::kConfigure:
      return engine == Engine::kCompute ? abi::words_of<abi::ComputeConfig>() : 0;
    case Opcode::kRun:
      return engine == Engine::kCompute ? abi::words_of<abi::ComputeRun>() : 0;
  }
  return 0;
}

CommandFifo::CommandFifo(abi::Engine engine, uint32_t capacity_words)
    : engine_(engine), capacity_words_(capacity_words) {}

uint32_t CommandFifo::space_words() const {
  return capacity_words_ - static_cast<uint32_t>(words_.size());
}

void CommandFifo::push(uint32_t word, uint64_t cycle) {
  words_.push_back(word);
  if (missing_words_ == 0) {
    missing_words_ = kPreambleWords - 1 + abi::decode_header(word).payload_words;
  } else {
    --missing_words_;
  }
  if (missing_words_ == 0) whole_cycles_.push_back(cycle);
}

Command CommandFifo::pop() {
  Command command;
  command.header = abi::decode_header(words_[0]);
  command.tag = words_[1];
  const auto begin = words_.begin() + kPreambleWords;
  const auto end = begin + command.header.payload_words;
  std::copy(begin, end, command.payload.begin());
  words_.erase(words_.begin(), end);
  command.whole_cycle = whole_cycles_.front();
  whole_cycles_.pop_front();
  return command;
}

void CommandFifo::clear() {
  words_.clear();
  whole_cycles_.clear();
  missing_words_ = 0;
}

std::optional<CommandFifo::BadHeader> CommandFifo::bad_header() const {
  if (words_.size() < kPreambleWords) return std::nullopt;
  const abi::CommandHeader header = abi::decode_header(words_[0]);
  const uint32_t expected = payload_words(engine_, header.opcode);
  const bool moves = header.opcode == abi::Opcode::kLoad || header.opcode == abi::Opcode::kStore;
  const bool good_base = header.base == 0 || (moves && header.base <= abi::kBases);
  if (expected != 0 && expected == header.payload_words && good_base) return std::nullopt;
  return BadHeader{words_[0], words_[1]};
}

}  // namespace tessera::npu
