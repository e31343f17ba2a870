#include "rtl/decoder_cosim.hpp"

#include <algorithm>

#include "rtl/decoder_coverage.hpp"
#include "rtl/decoder_stimulus.hpp"
#include "rtl/pe_fault.hpp"

namespace tessera::rtl {
namespace {

constexpr std::size_t kReportedDifferences = 5;

/// Cycles beyond the latest that is right, after which a stream is given up.
constexpr uint64_t kPatienceCycles = 100;

class DecoderCosim {
 public:
  DecoderCosim(const DecoderCosimOptions& options, DecoderDevice& device)
      : options_(options),
        device_(device),
        stimulus_(device.lanes(), device.beat_words(), options.seed),
        stalls_(options.seed ^ 0x5A5A) {}

  DecoderCosimResult run() {
    for (; result_.streams < options_.count; ++result_.streams) {
      const DecoderTrial trial = stimulus_.next();
      if (trial.after_reset) device_.reset();
      const Seen seen = drive(trial);
      compare(trial, seen);
      coverage_.sample(trial, stimulus_, device_.lanes(), seen.refused);
    }
    result_.lanes = device_.lanes();
    result_.beat_words = device_.beat_words();
    result_.seed = options_.seed;
    result_.coverage_percent = coverage_.percent();
    result_.coverage_bins = coverage_.bins();
    result_.holes = coverage_.holes();
    return result_;
  }

 private:
  /// What the device did with a stream.
  struct Seen {
    std::vector<uint8_t> bytes;
    uint32_t fault = 0;
    uint64_t cycles = 0;
    uint64_t late_cycles = 0;
    bool refused = false;
    bool done = false;
  };

  bool strikes(DecoderBitFault::Target target, uint64_t cycle) const {
    return options_.inject && !result_.fault_struck && options_.inject->target == target &&
           options_.inject->stream == result_.streams && cycle >= options_.inject->cycle;
  }

  void strike_registers(uint64_t cycle) {
    using Target = DecoderBitFault::Target;
    constexpr std::pair<Target, DecoderRegister> kTargets[] = {
        {Target::kHeld, DecoderRegister::kHeld},
        {Target::kBytesLeft, DecoderRegister::kBytesLeft},
        {Target::kWordsLeft, DecoderRegister::kWordsLeft}};
    for (const auto& [target, place] : kTargets) {
      if (!strikes(target, cycle)) continue;
      device_.flip(place, options_.inject->bit);
      result_.fault_struck = true;
    }
  }

  /// The beat from a word on; words behind the last are noise.
  std::vector<uint16_t> beat_at(const DecoderTrial& trial, std::size_t word) {
    std::vector<uint16_t> beat(device_.beat_words());
    for (uint16_t& value : beat) {
      const std::size_t byte = 2 * word++;
      value = byte < trial.stream.size()
                  ? static_cast<uint16_t>(trial.stream[byte] | trial.stream[byte + 1] << 8)
                  : static_cast<uint16_t>(stalls_());
    }
    return beat;
  }

  Seen drive(const DecoderTrial& trial) {
    const std::size_t words = trial.start.words;
    Seen seen;
    std::size_t next = 0;
    device_.start(trial.start);
    while (!seen.done &&
           seen.cycles <= trial.expected.cycles + seen.late_cycles + kPatienceCycles) {
      const bool offered = next < words && stalls_() % 100 >= trial.stall_percent;
      std::vector<uint16_t> beat = beat_at(trial, next);
      strike_registers(seen.cycles);
      if (offered && strikes(DecoderBitFault::Target::kStream, seen.cycles)) {
        const auto bit = static_cast<uint32_t>(options_.inject->bit);
        beat[bit / 16] = static_cast<uint16_t>(beat[bit / 16] ^ 1U << bit % 16);
        result_.fault_struck = true;
      }
      const DecoderOutputs outputs = device_.clock(offered ? beat.data() : nullptr);
      ++seen.cycles;
      if (offered && outputs.ready) next += device_.beat_words();
      seen.refused = seen.refused || (offered && !outputs.ready);
      if (!offered && next < words && outputs.ready) ++seen.late_cycles;
      seen.bytes.insert(seen.bytes.end(), outputs.bytes.begin(), outputs.bytes.end());
      seen.done = outputs.done;
      seen.fault = outputs.fault;
    }
    return seen;
  }

  void compare(const DecoderTrial& trial, const Seen& seen) {
    const npu::DecoderResult& expected = trial.expected;
    result_.bytes += seen.bytes.size();
    result_.cycles += seen.cycles;
    const bool exact = trial.stall_percent == 0;
    if (exact) result_.exact_cycles += seen.cycles;
    if (seen.bytes != trial.expected_bytes || seen.fault != static_cast<uint32_t>(expected.fault)) {
      ++result_.value_mismatches;
      report(trial, "values: " + values_of(trial, seen));
    }
    const uint64_t latest = expected.cycles + (exact ? 0 : seen.late_cycles);
    if (!seen.done || seen.cycles < expected.cycles || seen.cycles > latest) {
      ++result_.cycle_mismatches;
      report(trial, "cycles: RTL " + (seen.done ? std::to_string(seen.cycles) : "is never done") +
                        ", model " + std::to_string(expected.cycles) + " to " +
                        std::to_string(latest));
    }
  }

  static std::string values_of(const DecoderTrial& trial, const Seen& seen) {
    const auto [rtl, model] =
        std::mismatch(seen.bytes.begin(), seen.bytes.end(), trial.expected_bytes.begin(),
                      trial.expected_bytes.end());
    std::string text = "RTL fault " + std::to_string(seen.fault) + ", " +
                       std::to_string(seen.bytes.size()) + " bytes; model fault " +
                       std::to_string(static_cast<uint32_t>(trial.expected.fault)) + ", " +
                       std::to_string(trial.expected_bytes.size()) + " bytes";
    if (rtl != seen.bytes.end() && model != trial.expected_bytes.end()) {
      text += "; byte " + std::to_string(rtl - seen.bytes.begin()) + ": RTL " +
              std::to_string(*rtl) + ", model " + std::to_string(*model);
    }
    return text;
  }

  void report(const DecoderTrial& trial, const std::string& what) {
    if (result_.differences.size() >= kReportedDifferences) return;
    const DecoderStart& s = trial.start;
    result_.differences.push_back("stream " + std::to_string(result_.streams) +
                                  (s.is_table
                                       ? " (table, banks " + std::to_string(s.banks)
                                       : " (block of " + std::to_string(s.bytes) + " bytes") +
                                  ", " + std::to_string(s.words) + " words): " + what);
  }

  const DecoderCosimOptions& options_;
  DecoderDevice& device_;
  DecoderStimulus stimulus_;
  std::mt19937_64 stalls_;
  DecoderCoverage coverage_;
  DecoderCosimResult result_;
};

}  // namespace

DecoderCosimResult run_decoder_cosim(const DecoderCosimOptions& options, DecoderDevice& device) {
  const DecoderCosimResult result = DecoderCosim(options, device).run();
  if (options.inject && !result.fault_struck) {
    throw CosimOptionError("the fault strikes none of the " + std::to_string(result.streams) +
                           " streams; choose an earlier stream or cycle");
  }
  return result;
}

DecoderCosimResult run_decoder_cosim(const DecoderCosimOptions& options) {
  return run_decoder_cosim(options, *make_verilated_decoder(options.lanes, options.beat_words));
}

}  // namespace tessera::rtl
