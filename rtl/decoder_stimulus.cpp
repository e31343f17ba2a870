#include "rtl/decoder_stimulus.hpp"

#include <algorithm>
#include <numeric>

namespace tessera::rtl {
namespace {

void put_word(std::vector<uint8_t>& bytes, uint32_t word) {
  bytes.push_back(static_cast<uint8_t>(word));
  bytes.push_back(static_cast<uint8_t>(word >> 8));
}

}  // namespace

DecoderTrial DecoderStimulus::next() {
  DecoderTrial trial;
  trial.after_reset = drawn_ == 0 || one_in(50);
  if (trial.after_reset) {
    model_.reset();
    for (auto& lengths : lengths_) std::fill(lengths.begin(), lengths.end(), 0U);
  }
  trial.stall_percent = one_in(2) ? 0 : static_cast<uint32_t>(1 + below(90));
  trial.start.is_table = drawn_ == 0 || one_in(3);
  if (trial.start.is_table) {
    draw_table(trial);
  } else {
    draw_block(trial);
  }
  trial.start.words = static_cast<uint32_t>(trial.stream.size() / abi::kCodeWordBytes);
  ++drawn_;
  return trial;
}

/// Codes of each length, of a tree that grows by splitting leaves; sometimes some are left away.
std::vector<uint32_t> DecoderStimulus::random_counts() {
  std::vector<uint32_t> counts(abi::kMaxCodeBits + 1);
  counts[0] = 1;
  const uint64_t symbols = one_in(8) ? 1 : one_in(4) ? abi::kMaxSymbols : 2 + below(254);
  const bool deep = one_in(3);
  const bool shallow = !deep && one_in(2);
  if (symbols == 1) counts = {0, 1};
  counts.resize(abi::kMaxCodeBits + 1);
  for (uint64_t leaves = 1; leaves < symbols;) {
    std::vector<uint32_t> candidates;
    for (uint32_t depth = 0; depth < abi::kMaxCodeBits; ++depth) {
      if (counts[depth] != 0) candidates.push_back(depth);
    }
    if (candidates.empty()) break;
    const uint32_t depth = deep      ? candidates.back()
                           : shallow ? candidates.front()
                                     : candidates[below(candidates.size())];
    --counts[depth];
    counts[depth + 1] += 2;
    ++leaves;
  }
  if (one_in(4)) {
    uint32_t& longest = *std::find_if(counts.rbegin(), counts.rend(), [](uint32_t n) { return n; });
    longest -= static_cast<uint32_t>(below(longest));
  }
  counts.erase(counts.begin());
  return counts;
}

void DecoderStimulus::draw_table(DecoderTrial& trial) {
  const std::vector<uint32_t> counts = random_counts();
  std::vector<uint8_t> symbols(abi::kMaxSymbols);
  std::iota(symbols.begin(), symbols.end(), uint8_t{0});
  for (std::size_t i = symbols.size() - 1; i != 0; --i)
    std::swap(symbols[i], symbols[below(i + 1)]);
  symbols.resize(std::accumulate(counts.begin(), counts.end(), std::size_t{0}));
  for (const uint32_t count : counts) put_word(trial.stream, count);
  trial.stream.insert(trial.stream.end(), symbols.begin(), symbols.end());
  trial.stream.resize(abi::table_bytes(static_cast<uint32_t>(symbols.size())));
  trial.start.banks = static_cast<uint32_t>(1 + below(3));
  if (one_in(6)) spoil(trial);

  trial.expected = model_.load_table(trial.stream.data(), trial.stream.size(), trial.start.banks);
  for (uint32_t bank = 0; bank < abi::kTableBanks; ++bank) {
    if ((trial.start.banks >> bank & 1) == 0) continue;
    std::fill(lengths_[bank].begin(), lengths_[bank].end(), 0U);
    if (!trial.bad_table.empty()) continue;
    std::size_t number = 0;
    for (uint32_t length = 1; length <= counts.size(); ++length) {
      for (uint32_t i = 0; i < counts[length - 1]; ++i) lengths_[bank][symbols[number++]] = length;
    }
  }
}

/// Makes a good table bad.
void DecoderStimulus::spoil(DecoderTrial& trial) {
  std::vector<uint8_t>& table = trial.stream;
  const std::size_t symbols = table.size() - abi::kTableCountBytes;
  switch (below(6)) {
    case 0:  // the codes of a length take all that there is, and those of another come on top
      trial.bad_table = "overfull";
      table.assign(abi::table_bytes(3), 0);
      table[2 * below(5)] = 2;
      table[10 + 2 * below(7)] = 1;
      if (table[0] == 0) table[0] = 2;
      break;
    case 1:
      trial.bad_table = "more codes than bytes have values";
      table.assign(abi::kMaxTableBytes, 0);
      table[2 * (8 + below(4)) + 1] = 1;
      table[2 * 11] = static_cast<uint8_t>(table[2 * 11] + 1 + below(200));
      break;
    case 2:
      trial.bad_table = "no code";
      table.assign(abi::kTableCountBytes + 2 * below(3), 0);
      break;
    case 3:
      trial.bad_table = "symbols missing";
      table.resize(table.size() - 2 * (1 + below(symbols / 2)));
      break;
    case 4:
      trial.bad_table = "symbols too many";
      table.resize(table.size() + 2 * (1 + below(one_in(8) ? 400 : 5)));
      break;
    default:
      trial.bad_table = "counts missing";
      table.resize(2 * (1 + below(11)));
      break;
  }
}

/// Uniform bits, or long runs of zeros and ones: short codes and long ones.
std::vector<uint8_t> DecoderStimulus::random_words(std::size_t words) {
  std::vector<uint8_t> bytes;
  const uint64_t profile = below(4);
  for (std::size_t i = 0; i < words * abi::kCodeWordBytes; ++i) {
    const uint64_t random = random_();
    const uint64_t all = random & random >> 8 & random >> 16;
    const uint64_t any = random | random >> 8 | random >> 16;
    bytes.push_back(static_cast<uint8_t>(profile == 0 ? all : profile == 1 ? any : random));
  }
  return bytes;
}

/// Any bits are a block, up to one that is no code: the model tells how many words it takes.
void DecoderStimulus::draw_block(DecoderTrial& trial) {
  const uint64_t steps = 1 + below(one_in(4) ? 100 : 12);
  const uint64_t ragged = one_in(2) ? 0 : below(lanes_);
  const uint64_t bytes = std::max<uint64_t>(1, steps * lanes_ - ragged);
  trial.start.bytes = static_cast<uint32_t>(bytes);
  trial.stream = random_words(bytes + lanes_);
  trial.expected_bytes.resize(bytes);
  const auto decode = [&] {
    trial.expected =
        model_.decode(trial.stream.data(), trial.stream.size(), trial.expected_bytes.data(), bytes);
  };
  decode();
  std::size_t words = std::max<uint64_t>(1, trial.expected.words);
  if (one_in(8)) words += 1 + below(4);
  if (words > 1 && one_in(8)) words -= 1 + below(words - 1);
  trial.stream.resize(words * abi::kCodeWordBytes);
  decode();
  trial.expected_bytes.resize(trial.expected.bytes);
}

}  // namespace tessera::rtl
