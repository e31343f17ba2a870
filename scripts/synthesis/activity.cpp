// Drives a synthesised PE, Verilated, and adds up what the toggles of its nets cost.
//
// Usage: activity ENERGIES AWxWW... (AWxp4 for shift-add weights)
// Prints for every mode and every kind of operands
//   AWxWW OPERANDS STEPS ACTIVE_MACS and picojoules a step of: multiplier, accumulator, activation
//   aligner, weight aligner, operand registers; then, of each, the part that the clock pins take
// ENERGIES is written by net_energy.awk. Every accumulator is compared with the sum of products; a
// difference ends it with status 1.
//
// Operands: "uniform": all patterns alike. "z0" to "z75": activations are zero with that
// probability in per cent and otherwise the magnitude of a normal value of deviation 2^aw / 4, 1 or
// more; weights are normal of deviation 2^(ww-1) / 3, in p4 the power of two nearest to a normal
// value of deviation 1/3.

#include <verilated.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "Vnetlist.h"

namespace {

constexpr int kTileSteps = 64;
constexpr int kTiles = 32;

constexpr std::size_t kPartCount = 5;
constexpr std::array<const char*, kPartCount> kParts = {
    "multiplier", "accumulator", "activation_aligner", "weight_aligner", "operand_registers"};
using Picojoules = std::array<double, kPartCount>;

struct Energies {
  struct Net {
    std::size_t part;
    double toggle_pj;
  };
  std::vector<Net> nets;  ///< of the bits of nets_o
  Picojoules clock_pj{};
};

Energies read_energies(const char* path) {
  Energies energies;
  std::ifstream file(path);
  std::string kind;
  std::string part;
  for (double pj = 0; file >> kind >> part >> pj;) {
    const auto index =
        static_cast<std::size_t>(std::find(kParts.begin(), kParts.end(), part) - kParts.begin());
    if (index == kPartCount) {
      std::fprintf(stderr, "activity: %s has an unknown part %s\n", path, part.c_str());
      std::exit(1);
    }
    if (kind == "net") energies.nets.push_back({index, pj});
    if (kind == "clock") energies.clock_pj[index] += pj;
  }
  if (energies.nets.empty()) {
    std::fprintf(stderr, "activity: %s cannot be read\n", path);
    std::exit(1);
  }
  return energies;
}

struct Mode {
  int activation_bits = 0;
  int weight_bits = 0;
  bool p4 = false;
  int lanes = 0;
};

/// The lanes are those of the fused PE unless the design has a number of its own.
Mode parse_mode(const std::string& text) {
  const std::size_t x = text.find('x');
  Mode mode;
  mode.activation_bits = std::atoi(text.c_str());
  mode.p4 = text.substr(x + 1) == "p4";
  mode.weight_bits = mode.p4 ? 4 : std::atoi(text.c_str() + x + 1);
#ifdef LANES
  mode.lanes = LANES;
#else
  mode.lanes = (16 / mode.activation_bits) * (16 / mode.weight_bits);
#endif
  return mode;
}

/// Operands of a mode. Uses the generator's bits alone, so that every library draws the same.
class Operands {
 public:
  Operands(const Mode& mode, int zero_percent) : mode_(mode), zero_percent_(zero_percent) {}

  int activation() {
    const int bits = mode_.activation_bits;
    if (zero_percent_ < 0) return static_cast<int>(random_() & ((1U << bits) - 1));
    if (static_cast<int>(random_() % 100) < zero_percent_) return 0;
    const double magnitude = std::abs(normal()) * std::ldexp(1.0, bits) / 4;
    return std::clamp(static_cast<int>(std::lround(magnitude)), 1, (1 << bits) - 1);
  }

  /// The pattern of a weight, and its value.
  std::pair<uint32_t, int> weight() {
    const int bits = mode_.weight_bits;
    const uint32_t mask = (1U << bits) - 1;
    if (mode_.p4) {
      const uint32_t code =
          zero_percent_ < 0 ? static_cast<uint32_t>(random_()) & mask : nearest_code(normal() / 3);
      const uint32_t exponent = code & 7U;
      const int magnitude = exponent == 7 ? 0 : 1 << (6 - exponent);
      return {code, (code & 8U) != 0 ? -magnitude : magnitude};
    }
    const int half = 1 << (bits - 1);
    const int value =
        zero_percent_ < 0
            ? static_cast<int>(random_() & mask) - half
            : std::clamp(static_cast<int>(std::lround(normal() * half / 3)), -half, half - 1);
    return {static_cast<uint32_t>(value) & mask, value};
  }

 private:
  static uint32_t nearest_code(double value) {
    const long exponent = value == 0 ? 7L : std::lround(-std::log2(std::abs(value)));
    if (exponent > 6) return 7;
    return static_cast<uint32_t>(std::max(exponent, 0L)) | (value < 0 ? 8U : 0U);
  }

  /// Close to normal, deviation 1: the sum of twelve uniform values.
  double normal() {
    double sum = -6;
    for (int i = 0; i < 12; ++i) sum += static_cast<double>(random_()) / 4294967296.0;
    return sum;
  }

  const Mode mode_;
  const int zero_percent_;
  std::mt19937 random_{20180721};
};

void set_port(QData& port, const std::array<uint32_t, 4>& words) {
  port = words[0] | static_cast<uint64_t>(words[1]) << 32;
}
void set_port(IData& port, const std::array<uint32_t, 4>& words) { port = words[0]; }
void set_port(SData& port, const std::array<uint32_t, 4>& words) {
  port = static_cast<SData>(words[0]);
}
void set_port(CData& port, const std::array<uint32_t, 4>& words) {
  port = static_cast<CData>(words[0]);
}
template <std::size_t kWords>
void set_port(VlWide<kWords>& port, const std::array<uint32_t, 4>& words) {
  for (std::size_t i = 0; i < kWords; ++i) port[i] = words[i];
}

class Bench {
 public:
  explicit Bench(const Energies& energies)
      : energies_(energies), top_(std::make_unique<Vnetlist>(&context_)) {
    top_->rst_ni = 0;
    clock();
    top_->rst_ni = 1;
  }

  /// Steps of `tiles` tiles.
  void run(const Mode& mode, Operands& operands, int tiles) {
    set_mode(mode);
    top_->valid_i = 1;
    for (int step = 0; step < tiles * kTileSteps; ++step) {
      top_->clear_i = step % kTileSteps == 0;
      top_->capture_i = step % kTileSteps == kTileSteps - 1;
      if (top_->clear_i != 0) expected_ = 0;
      draw(mode, operands);
      clock();
      // The accumulator shows the step of two edges ago.
      if (step >= 2 && top_->acc_o != (due_[step % 3] & 0xFFFF'FFFF'FFFFU)) fail(mode, step);
      due_[(step + 2) % 3] = static_cast<uint64_t>(expected_);
    }
  }

  void start_counting() {
    toggle_pj_ = {};
    active_macs_ = 0;
  }
  const Picojoules& toggle_pj() const { return toggle_pj_; }
  uint64_t active_macs() const { return active_macs_; }

 private:
  void set_mode([[maybe_unused]] const Mode& mode) {
#ifdef FUSED
    const auto code = [](int bits) {
      return static_cast<CData>(bits == 2 ? 0 : bits == 4 ? 1 : bits == 8 ? 2 : 3);
    };
    top_->activation_width_i = code(mode.activation_bits);
    top_->weight_width_i = code(mode.weight_bits);
    top_->p4_i = mode.p4;
#endif
  }

  void draw(const Mode& mode, Operands& operands) {
    std::array<uint32_t, 4> activations{};
    std::array<uint32_t, 4> weights{};
    for (int lane = 0; lane < mode.lanes; ++lane) {
      const int activation = operands.activation();
      const auto [pattern, weight] = operands.weight();
      const auto a = static_cast<std::size_t>(lane * mode.activation_bits);
      const auto w = static_cast<std::size_t>(lane * mode.weight_bits);
      activations[a / 32] |= static_cast<uint32_t>(activation) << (a % 32);
      weights[w / 32] |= pattern << (w % 32);
      expected_ += static_cast<int64_t>(activation) * weight;
      active_macs_ += activation != 0 && weight != 0 ? 1 : 0;
    }
    set_port(top_->activations_i, activations);
    set_port(top_->weights_i, weights);
  }

  void clock() {
    top_->clk_i = 0;
    top_->eval();
    count_toggles();
    top_->clk_i = 1;
    top_->eval();
    count_toggles();
  }

  void count_toggles() {
    for (std::size_t word = 0; word < seen_.size(); ++word) {
      uint32_t changed = top_->nets_o[word] ^ seen_[word];
      seen_[word] = top_->nets_o[word];
      for (std::size_t net = 32 * word; changed != 0; ++net, changed >>= 1) {
        if ((changed & 1U) != 0)
          toggle_pj_[energies_.nets[net].part] += energies_.nets[net].toggle_pj;
      }
    }
  }

  [[noreturn]] void fail(const Mode& mode, int step) {
    std::fprintf(stderr, "activity: the netlist's accumulator is wrong at step %d of mode %dx%s\n",
                 step, mode.activation_bits,
                 mode.p4 ? "p4" : std::to_string(mode.weight_bits).c_str());
    std::exit(1);
  }

  const Energies& energies_;
  VerilatedContext context_;
  std::unique_ptr<Vnetlist> top_;
  std::array<uint32_t, sizeof(Vnetlist::nets_o) / 4> seen_{};
  Picojoules toggle_pj_{};
  int64_t expected_ = 0;
  std::array<uint64_t, 3> due_{};
  uint64_t active_macs_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  const Energies energies = read_energies(argv[1]);
  Bench bench(energies);
  for (int i = 2; i < argc; ++i) {
    const Mode mode = parse_mode(argv[i]);
    for (const int zero_percent : {-1, 0, 25, 50, 75}) {
      Operands operands(mode, zero_percent);
      bench.run(mode, operands, 1);
      bench.start_counting();
      bench.run(mode, operands, kTiles);
      const int steps = kTiles * kTileSteps;
      const std::string name = zero_percent < 0 ? "uniform" : "z" + std::to_string(zero_percent);
      std::printf("%s %s %d %llu", argv[i], name.c_str(), steps,
                  static_cast<unsigned long long>(bench.active_macs()));
      for (std::size_t part = 0; part < kPartCount; ++part) {
        std::printf(" %.6f", bench.toggle_pj()[part] / steps + energies.clock_pj[part]);
      }
      for (const double pj : energies.clock_pj) std::printf(" %.6f", pj);
      std::printf("\n");
    }
  }
}
