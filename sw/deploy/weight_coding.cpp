#include "deploy/weight_coding.hpp"

#include <algorithm>
#include <numeric>

namespace tessera::deploy {
namespace {

/// A leaf, or a package of two nodes of the list before.
struct Node {
  uint64_t weight = 0;
  int symbol = -1;
  const Node* first = nullptr;
  const Node* second = nullptr;
};

void count_leaves(const Node& node, CodeLengths& lengths) {
  if (node.symbol >= 0) {
    ++lengths[static_cast<size_t>(node.symbol)];
    return;
  }
  count_leaves(*node.first, lengths);
  count_leaves(*node.second, lengths);
}

uint32_t count_at(const uint8_t* table, uint32_t length) {
  const uint8_t* count = table + size_t{2} * (length - 1);
  return static_cast<uint32_t>(count[0] | count[1] << 8);
}

void put_word(std::vector<uint8_t>& bytes, uint32_t word) {
  bytes.push_back(static_cast<uint8_t>(word));
  bytes.push_back(static_cast<uint8_t>(word >> 8));
}

/// Symbols in the order of their codes.
std::vector<uint8_t> code_order(const CodeLengths& lengths) {
  std::vector<uint8_t> order;
  for (uint32_t length = 1; length <= abi::kMaxCodeBits; ++length) {
    for (uint32_t symbol = 0; symbol < abi::kMaxSymbols; ++symbol) {
      if (lengths[symbol] == length) order.push_back(static_cast<uint8_t>(symbol));
    }
  }
  return order;
}

std::array<uint16_t, abi::kMaxSymbols> canonical_codes(const CodeLengths& lengths) {
  std::array<uint16_t, abi::kMaxSymbols> codes = {};
  uint32_t next = 0;
  uint32_t length = 0;
  for (const uint8_t symbol : code_order(lengths)) {
    next <<= lengths[symbol] - length;
    length = lengths[symbol];
    codes[symbol] = static_cast<uint16_t>(next++);
  }
  return codes;
}

/// A lane's codes as words, and how much of them its decoder has.
struct LaneWriter {
  std::vector<uint16_t> words;
  uint32_t bits = 0;  ///< written
  size_t sent = 0;    ///< words
  uint32_t held = 0;  ///< bits that the decoder holds

  void write(uint32_t code, uint32_t length) {
    for (uint32_t bit = length; bit-- != 0; ++bits) {
      if (bits % 16 == 0) words.push_back(0);
      words.back() = static_cast<uint16_t>(words.back() | (code >> bit & 1U) << (15 - bits % 16));
    }
  }
  uint16_t next() { return sent < words.size() ? words[sent++] : uint16_t{0}; }
};

}  // namespace

CodeLengths best_code(const std::array<uint64_t, abi::kMaxSymbols>& frequencies) {
  CodeLengths lengths = {};
  std::vector<Node> leaves;
  for (size_t symbol = 0; symbol < frequencies.size(); ++symbol) {
    if (frequencies[symbol] != 0) leaves.push_back({frequencies[symbol], static_cast<int>(symbol)});
  }
  if (leaves.size() == 1) lengths[static_cast<size_t>(leaves[0].symbol)] = 1;
  if (leaves.size() <= 1) return lengths;
  const auto lighter = [](const Node& a, const Node& b) { return a.weight < b.weight; };
  std::stable_sort(leaves.begin(), leaves.end(), lighter);

  std::array<std::vector<Node>, abi::kMaxCodeBits> lists;
  lists[0] = leaves;
  for (size_t level = 1; level < lists.size(); ++level) {
    const std::vector<Node>& before = lists[level - 1];
    std::vector<Node> packages;
    for (size_t i = 0; i + 1 < before.size(); i += 2) {
      packages.push_back({before[i].weight + before[i + 1].weight, -1, &before[i], &before[i + 1]});
    }
    std::merge(leaves.begin(), leaves.end(), packages.begin(), packages.end(),
               std::back_inserter(lists[level]), lighter);
  }
  const std::vector<Node>& last = lists.back();
  for (size_t i = 0; i < 2 * leaves.size() - 2; ++i) count_leaves(last[i], lengths);
  return lengths;
}

std::vector<uint8_t> code_table(const CodeLengths& lengths) {
  std::vector<uint8_t> table;
  for (uint32_t length = 1; length <= abi::kMaxCodeBits; ++length) {
    put_word(table,
             static_cast<uint32_t>(std::count(lengths.begin(), lengths.end(), uint8_t(length))));
  }
  const std::vector<uint8_t> order = code_order(lengths);
  table.insert(table.end(), order.begin(), order.end());
  table.resize(abi::table_bytes(static_cast<uint32_t>(order.size())));
  return table;
}

std::string table_fault(const uint8_t* table, uint32_t bytes) {
  if (bytes < abi::kTableCountBytes) return "is too short";
  uint64_t symbols = 0;
  uint64_t used = 0;  // of the bit strings of kMaxCodeBits bits
  for (uint32_t length = 1; length <= abi::kMaxCodeBits; ++length) {
    symbols += count_at(table, length);
    used += uint64_t{count_at(table, length)} << (abi::kMaxCodeBits - length);
  }
  if (symbols == 0 || symbols > abi::kMaxSymbols) return "has no code, or too many";
  if (used > uint64_t{1} << abi::kMaxCodeBits) return "is no prefix code";
  if (bytes != abi::table_bytes(static_cast<uint32_t>(symbols))) return "has another size";
  return {};
}

std::vector<uint8_t> code_block(const uint8_t* bytes, size_t size_bytes,
                                const std::array<CodeLengths, abi::kTableBanks>& codes,
                                uint32_t lanes) {
  const std::array<std::array<uint16_t, abi::kMaxSymbols>, abi::kTableBanks> values = {
      canonical_codes(codes[0]), canonical_codes(codes[1])};
  std::vector<LaneWriter> writers(lanes);
  for (size_t i = 0; i < size_bytes; ++i) {
    const size_t bank = i % lanes % abi::kTableBanks;
    writers[i % lanes].write(values[bank][bytes[i]], codes[bank][bytes[i]]);
  }
  std::vector<uint8_t> block;
  for (size_t step = 0; step < size_bytes; step += lanes) {
    const size_t active = std::min<size_t>(lanes, size_bytes - step);
    for (size_t lane = 0; lane < active; ++lane) {
      LaneWriter& writer = writers[lane];
      if (writer.held < abi::kMaxCodeBits) {
        put_word(block, writer.next());
        writer.held += 16;
      }
      writer.held -= codes[lane % abi::kTableBanks][bytes[step + lane]];
    }
  }
  return block;
}

CodedWeights code_weights(const std::vector<uint8_t>& packed, uint32_t block_bytes, int weight_bits,
                          uint32_t lanes) {
  CodedWeights coded;
  coded.tables = weight_bits == 16 ? 2 : 1;
  std::array<std::array<uint64_t, abi::kMaxSymbols>, abi::kTableBanks> frequencies = {};
  for (size_t i = 0; i < packed.size(); ++i) ++frequencies[i % coded.tables][packed[i]];
  std::array<CodeLengths, abi::kTableBanks> codes = {};
  const auto append = [&coded](const std::vector<uint8_t>& piece) {
    coded.pieces.push_back(static_cast<uint32_t>(coded.bytes.size()));
    coded.bytes.insert(coded.bytes.end(), piece.begin(), piece.end());
  };
  for (uint32_t bank = 0; bank < abi::kTableBanks; ++bank) {
    codes[bank] = bank < coded.tables ? best_code(frequencies[bank]) : codes[0];
    if (bank < coded.tables) append(code_table(codes[bank]));
  }
  for (size_t first = 0; first < packed.size(); first += block_bytes) {
    const size_t size = std::min<size_t>(block_bytes, packed.size() - first);
    append(code_block(packed.data() + first, size, codes, lanes));
  }
  coded.pieces.push_back(static_cast<uint32_t>(coded.bytes.size()));
  return coded;
}

}  // namespace tessera::deploy
