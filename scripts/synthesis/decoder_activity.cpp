// Drives a synthesised decoder of coded weights, Verilated, and adds up what the toggles of its
// nets cost.
//
// Usage: activity ENERGIES
// Prints picojoules a byte of a table, and a decoded byte; both with the clock. ENERGIES is written
// by net_energy.awk. Every byte is compared; a difference ends it with status 1.
//
// The table has 140 symbols, in codes of 4 to 12 bits (5.7 in the mean), the shorter the nearer to
// zero a signed byte is. Streams are uniform bits, so that symbols are as frequent as their codes
// promise, and come a beat a cycle.

#include <verilated.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "Vnetlist.h"
#include "rtl/port_bits.hpp"

namespace {

constexpr unsigned kSteps = 256;
constexpr unsigned kLongest = 12;
constexpr std::array<unsigned, kLongest> kCounts = {0, 0, 0, 4, 8, 16, 16, 16, 16, 16, 16, 32};

using tessera::rtl::get_bits;
using tessera::rtl::put_bits;

[[noreturn]] void fail(const char* what) {
  std::fprintf(stderr, "activity: %s\n", what);
  std::exit(1);
}

struct Code {
  uint8_t symbol;
  unsigned bits;
};

/// By the next 12 bits.
std::vector<Code> codes() {
  std::vector<Code> codes;
  int symbol = 0;
  for (unsigned bits = 1; bits <= kLongest; ++bits) {
    for (unsigned i = 0; i < kCounts[bits - 1]; ++i) {
      codes.insert(codes.end(), std::size_t{1} << (kLongest - bits),
                   {static_cast<uint8_t>(symbol), bits});
      symbol = symbol < 0 ? -symbol : -symbol - 1;  // 0, -1, 1, -2, ...
    }
  }
  return codes;
}

std::vector<uint16_t> table_words() {
  std::vector<uint16_t> words(kCounts.begin(), kCounts.end());
  std::vector<uint8_t> symbols;
  for (const Code& code : codes()) {
    if (symbols.empty() || symbols.back() != code.symbol) symbols.push_back(code.symbol);
  }
  for (std::size_t i = 0; i < symbols.size(); i += 2) {
    words.push_back(static_cast<uint16_t>(symbols[i] | symbols[i + 1] << 8));
  }
  return words;
}

/// What uniform words decode to, and how many of them it takes.
std::vector<uint8_t> decode(const std::vector<uint16_t>& words, std::size_t& taken) {
  const std::vector<Code> table = codes();
  struct Lane {
    uint32_t bits = 0;
    unsigned held = 0;
  };
  std::vector<Lane> lanes(LANES);
  std::vector<uint8_t> bytes;
  taken = 0;
  for (unsigned step = 0; step < kSteps; ++step) {
    for (Lane& lane : lanes) {
      if (lane.held < kLongest) {
        lane.bits |= uint32_t{words[taken++]} << (16 - lane.held);
        lane.held += 16;
      }
      const Code code = table[lane.bits >> 20];
      bytes.push_back(code.symbol);
      lane.bits <<= code.bits;
      lane.held -= code.bits;
    }
  }
  return bytes;
}

class Bench {
 public:
  explicit Bench(const char* energies) : top_(std::make_unique<Vnetlist>(&context_)) {
    std::ifstream file(energies);
    std::string kind;
    std::string part;
    for (double pj = 0; file >> kind >> part >> pj;) {
      if (kind == "net") net_pj_.push_back(pj);
      if (kind == "clock") clock_pj_ += pj;
    }
    if (net_pj_.empty()) fail("the energies cannot be read");
    top_->rst_ni = 0;
    clock();
    top_->rst_ni = 1;
  }

  /// Picojoules of a stream, from its start to its end. Appends what is decoded.
  double run(bool is_table, const std::vector<uint16_t>& words, std::size_t bytes,
             std::vector<uint8_t>& decoded) {
    pj_ = 0;
    top_->start_i = 1;
    top_->table_i = is_table ? 1 : 0;
    top_->banks_i = 3;
    top_->words_i = static_cast<uint32_t>(words.size());
    top_->bytes_i = static_cast<uint32_t>(bytes);
    clock();
    top_->start_i = 0;
    std::size_t next = 0;
    for (bool done = false; !done;) {
      top_->stream_valid_i = next < words.size() ? 1 : 0;
      for (unsigned i = 0; i < BEAT_WORDS; ++i) {
        put_bits(top_->stream_i, 16 * i, 16, next + i < words.size() ? words[next + i] : 0);
      }
      top_->clk_i = 0;
      top_->eval();
      if (top_->stream_valid_i != 0 && top_->stream_ready_o != 0) next += BEAT_WORDS;
      done = top_->done_o != 0;
      if (done && top_->fault_o != 0) fail("the netlist reports a fault");
      for (unsigned lane = 0; lane < LANES; ++lane) {
        if (get_bits(top_->bytes_valid_o, lane, 1) == 0) continue;
        decoded.push_back(static_cast<uint8_t>(get_bits(top_->bytes_o, 8 * lane, 8)));
      }
      clock();
      if (pj_ > 1e12) fail("the netlist does not end");
    }
    return pj_;
  }

 private:
  void clock() {
    top_->clk_i = 0;
    top_->eval();
    count_toggles();
    top_->clk_i = 1;
    top_->eval();
    count_toggles();
    pj_ += clock_pj_;
  }

  void count_toggles() {
    for (std::size_t word = 0; word < seen_.size(); ++word) {
      uint32_t changed = top_->nets_o[word] ^ seen_[word];
      seen_[word] = top_->nets_o[word];
      for (std::size_t net = 32 * word; changed != 0; ++net, changed >>= 1) {
        if ((changed & 1U) != 0) pj_ += net_pj_[net];
      }
    }
  }

  VerilatedContext context_;
  std::unique_ptr<Vnetlist> top_;
  std::vector<double> net_pj_;
  double clock_pj_ = 0;
  std::array<uint32_t, sizeof(Vnetlist::nets_o) / 4> seen_{};
  double pj_ = 0;
};

}  // namespace

int main(int, char** argv) {
  Bench bench(argv[1]);
  std::mt19937 random(20180721);
  std::vector<uint16_t> words(kSteps * LANES);
  for (uint16_t& word : words) word = static_cast<uint16_t>(random());
  std::size_t taken = 0;
  const std::vector<uint8_t> expected = decode(words, taken);
  words.resize(taken);
  const std::vector<uint16_t> table = table_words();
  std::vector<uint8_t> decoded;
  const double table_pj = bench.run(true, table, 1, decoded);
  const double block_pj = bench.run(false, words, expected.size(), decoded);
  if (decoded != expected) fail("the netlist decodes to other bytes");
  std::printf("%.6f %.6f\n", table_pj / static_cast<double>(2 * table.size()),
              block_pj / static_cast<double>(expected.size()));
}
