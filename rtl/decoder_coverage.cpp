#include "rtl/decoder_coverage.hpp"

#include <algorithm>

namespace tessera::rtl {
namespace {

const char* const kBanks[] = {"", "bank 0", "bank 1", "both banks"};

std::string code_bin(uint32_t bank, uint32_t bits) {
  return "block: a code of " + std::to_string(bits) + " bits in bank " + std::to_string(bank);
}

std::string longest_bin(uint32_t bits) {
  return "table: longest code of " + std::to_string(bits) + " bits";
}

std::string kind_of(const DecoderTrial& trial) {
  if (!trial.expected.ok()) return "fault";
  return trial.start.is_table ? "table" : "block";
}

}  // namespace

DecoderCoverage::DecoderCoverage() {
  for (const char* bin : {"table: bank 0",
                          "table: bank 1",
                          "table: both banks",
                          "table: one symbol",
                          "table: odd symbols",
                          "table: even symbols",
                          "table: 256 symbols",
                          "table: every bit string is a code",
                          "table: some bit strings are none",
                          "bad table: overfull",
                          "bad table: more codes than bytes have values",
                          "bad table: no code",
                          "bad table: symbols missing",
                          "bad table: symbols too many",
                          "bad table: counts missing",
                          "block: fewer bytes than lanes",
                          "block: one step",
                          "block: whole steps",
                          "block: ragged last step",
                          "block: ends early",
                          "block: no code",
                          "block: words left over",
                          "step: no lane takes a word",
                          "step: some lanes do",
                          "step: all lanes do",
                          "stream: beats come late",
                          "stream: a beat every cycle",
                          "stream: a beat has to wait",
                          "stream: lanes wait for words"}) {
    counts_[bin] = 0;
  }
  for (const char* now : {"table", "block", "fault"}) {
    for (const char* before : {"reset", "table", "block", "fault"}) {
      if (std::string(now) == "block" && std::string(before) == "reset") continue;  // has no table
      counts_[std::string(now) + " after " + before] = 0;
    }
  }
  for (uint32_t bits = 1; bits <= abi::kMaxCodeBits; ++bits) {
    counts_[longest_bin(bits)] = 0;
    for (uint32_t bank = 0; bank < abi::kTableBanks; ++bank) counts_[code_bin(bank, bits)] = 0;
  }
}

void DecoderCoverage::sample(const DecoderTrial& trial, const DecoderStimulus& stimulus,
                             uint32_t lanes, bool refused) {
  if (trial.after_reset) before_ = "reset";
  hit(kind_of(trial) + " after " + before_);
  before_ = kind_of(trial);
  hit(trial.stall_percent != 0 ? "stream: beats come late" : "stream: a beat every cycle");
  if (refused) hit("stream: a beat has to wait");
  if (trial.start.is_table) {
    sample_table(trial, stimulus);
  } else {
    sample_block(trial, stimulus, lanes);
  }
}

void DecoderCoverage::sample_table(const DecoderTrial& trial, const DecoderStimulus& stimulus) {
  if (!trial.bad_table.empty()) return hit("bad table: " + trial.bad_table);
  hit(std::string("table: ") + kBanks[trial.start.banks]);
  const std::vector<uint32_t>& lengths = stimulus.lengths(trial.start.banks == 2 ? 1 : 0);
  uint32_t symbols = 0;
  uint32_t used = 0;
  for (const uint32_t length : lengths) {
    if (length == 0) continue;
    ++symbols;
    used += uint32_t{1} << (abi::kMaxCodeBits - length);
  }
  hit(symbols == 1                  ? "table: one symbol"
      : symbols == abi::kMaxSymbols ? "table: 256 symbols"
      : symbols % 2 != 0            ? "table: odd symbols"
                                    : "table: even symbols");
  hit(used == uint32_t{1} << abi::kMaxCodeBits ? "table: every bit string is a code"
                                               : "table: some bit strings are none");
  hit(longest_bin(*std::max_element(lengths.begin(), lengths.end())));
}

void DecoderCoverage::sample_block(const DecoderTrial& trial, const DecoderStimulus& stimulus,
                                   uint32_t lanes) {
  const uint32_t bytes = trial.start.bytes;
  if (trial.expected.fault == npu::DecoderFault::kEarly) hit("block: ends early");
  if (trial.expected.fault == npu::DecoderFault::kNoCode) hit("block: no code");
  if (trial.expected.fault == npu::DecoderFault::kLeftOver) hit("block: words left over");
  if (trial.expected.ok()) {
    hit(bytes < lanes        ? "block: fewer bytes than lanes"
        : bytes == lanes     ? "block: one step"
        : bytes % lanes == 0 ? "block: whole steps"
                             : "block: ragged last step");
  }
  std::vector<uint32_t> held(lanes);
  uint64_t steps = 0;
  for (std::size_t first = 0; first < trial.expected_bytes.size(); first += lanes, ++steps) {
    const auto active =
        static_cast<uint32_t>(std::min<std::size_t>(lanes, trial.expected_bytes.size() - first));
    uint32_t takers = 0;
    for (uint32_t lane = 0; lane < active; ++lane) {
      if (held[lane] < abi::kMaxCodeBits) {
        ++takers;
        held[lane] += 16;
      }
      const uint32_t bank = lane % abi::kTableBanks;
      const uint32_t length = stimulus.lengths(bank)[trial.expected_bytes[first + lane]];
      held[lane] -= length;
      hit(code_bin(bank, length));
    }
    hit(takers == 0        ? "step: no lane takes a word"
        : takers == active ? "step: all lanes do"
                           : "step: some lanes do");
  }
  if (trial.expected.ok() && trial.expected.cycles > steps + 1 + npu::kDecoderPipelineCycles) {
    hit("stream: lanes wait for words");
  }
}

double DecoderCoverage::percent() const {
  return 100.0 * static_cast<double>(counts_.size() - holes().size()) /
         static_cast<double>(counts_.size());
}

std::vector<std::string> DecoderCoverage::holes() const {
  std::vector<std::string> names;
  for (const auto& [name, count] : counts_) {
    if (count == 0) names.push_back(name);
  }
  return names;
}

}  // namespace tessera::rtl
