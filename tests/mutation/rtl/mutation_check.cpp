/// Holds the Verilated model that it was started with against the model: the array of 2x4 PEs by
/// its constrained-random co-simulation and by RUNs that follow each other without a cycle between
/// them, the stand-alone PE by its own. Rounds grow, so that most mutants are found early.
///
///     mutation_check array|pe
///
/// Exit status: 0 no difference in all rounds, 1 a difference, which it prints, 2 bad usage.

#include <algorithm>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "cosim/array/array_driver.hpp"
#include "pe/mode.hpp"
#include "rtl/array_cosim.hpp"
#include "rtl/pe_cosim.hpp"
#include "rtl/verilated_pe.hpp"

namespace tessera::mutation {
namespace {

/// Of the array.
constexpr uint32_t kRows = 2;
constexpr uint32_t kColumns = 4;

/// Tiles of the rounds of the array.
constexpr uint64_t kTiles[] = {20, 200, 2000, 4000};

/// Random vectors per mode of the PE, besides the directed ones.
constexpr uint64_t kVectors = 20;

/// RUNs of each mode, every one offered from the start of the one before and taken in its last
/// cycle. The first difference, or nothing.
std::string joined_runs() {
  const std::vector<abi::PeMode> modes = pe::all_modes();
  rtl::VerilatedArray array(kRows, kColumns);
  rtl::Random random(1);
  const auto any_run = [&](std::size_t i) {
    return rtl::random_run(modes[i % modes.size()], rtl::random_shape(kRows, kColumns, random),
                           random);
  };
  rtl::TestRun run = any_run(0);
  rtl::start_run(array, run);
  for (std::size_t i = 1; i <= modes.size(); ++i) {
    const rtl::TestRun next = any_run(i);
    const bool last = i == modes.size();
    const rtl::Observed observed = rtl::finish_run(array, run, {}, random, last ? nullptr : &next);
    const rtl::Expected expected = rtl::expected_of(run);
    const std::string where = "RUN " + std::to_string(i - 1) + " of those that are joined: ";
    if (!observed.violations.empty()) return where + observed.violations.front();
    if (observed.cycles != expected.cycles.total) {
      return where + std::to_string(observed.cycles) + " cycles for " +
             std::to_string(expected.cycles.total);
    }
    if (observed.accumulators != expected.accumulators || observed.values != expected.values ||
        observed.saturations != expected.saturations) {
      return where + "other values";
    }
    run = next;
  }
  return "";
}

int check_array() {
  uint64_t seed = 1;
  uint64_t runs = 0;
  uint64_t cycles = 0;
  double coverage_percent = 0;
  for (const uint64_t tiles : kTiles) {
    rtl::ArrayCosimOptions options;
    options.rows = kRows;
    options.columns = kColumns;
    options.tiles = tiles;
    options.seed = seed++;
    std::optional<rtl::ArrayCosimResult> result;
    try {
      result = rtl::run_array_cosim(options);
    } catch (const rtl::ArrayError& error) {
      std::cout << error.what() << '\n';
      return 1;
    }
    if (!result->agreed()) {
      std::cout << result->differences.front() << ", after " << runs + result->first->run
                << " RUNs\n";
      return 1;
    }
    runs += result->runs;
    cycles += result->cycles;
    coverage_percent = std::max(coverage_percent, result->coverage_percent);
  }
  const std::string difference = joined_runs();
  if (!difference.empty()) {
    std::cout << difference << '\n';
    return 1;
  }
  std::cout << "no difference in " << runs << " RUNs, " << cycles << " cycles, " << coverage_percent
            << " % of the bins\n";
  return 0;
}

int check_pe() {
  // All rounds have one PE, which must forget the round before when it is reset: a mode at a time,
  // then all modes and the changes between them.
  rtl::VerilatedPe device;
  std::vector<std::vector<abi::PeMode>> rounds;
  for (const abi::PeMode& mode : pe::all_modes()) rounds.push_back({mode});
  rounds.push_back(pe::all_modes());
  uint64_t vectors = 0;
  double coverage_percent = 0;
  for (const std::vector<abi::PeMode>& modes : rounds) {
    rtl::PeCosimOptions options;
    options.modes = modes;
    options.count = kVectors;
    const rtl::PeCosimResult result = rtl::run_pe_cosim(options, device);
    if (result.value_mismatches + result.cycle_mismatches != 0) {
      std::cout << result.differences.front() << '\n';
      return 1;
    }
    vectors += result.vectors;
    coverage_percent = result.coverage_percent;
  }
  std::cout << "no difference in " << vectors << " vectors, " << coverage_percent
            << " % of the bins\n";
  return 0;
}

}  // namespace
}  // namespace tessera::mutation

int main(int argc, char** argv) {
  const std::string model = argc == 2 ? argv[1] : "";
  try {
    if (model == "array") return tessera::mutation::check_array();
    if (model == "pe") return tessera::mutation::check_pe();
    std::cerr << "usage: mutation_check array|pe\n";
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
  }
  return 2;
}
