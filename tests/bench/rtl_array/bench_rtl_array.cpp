// Clock cycles a second of the Verilated array on one core, with its sequencer and output path, by
// size and mode. Operands are random and new in every cycle, and nothing makes the array wait. The
// rate shown is cycles a second: 20k/s is 20 kcycle/s.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "pe/mode.hpp"
#include "rtl/verilated_array.hpp"

namespace tessera {
namespace {

constexpr std::size_t kOperandSets = 61;  // prime: tiles do not repeat
constexpr uint32_t kStepsPerTile = 64;
constexpr int kCyclesPerIteration = 1024;

std::vector<std::vector<pe::OperandWord>> random_operands(std::size_t words, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<std::vector<pe::OperandWord>> sets(kOperandSets);
  for (std::vector<pe::OperandWord>& set : sets) {
    set.resize(words);
    for (pe::OperandWord& word : set) word = {random(), random()};
  }
  return sets;
}

void clock_array(benchmark::State& state, uint32_t rows, uint32_t columns,
                 const abi::PeMode& mode) {
  rtl::VerilatedArray array(rows, columns);
  const auto weights = random_operands(rows, 1);
  const auto activations = random_operands(columns, 2);
  const std::vector<abi::ChannelParameters> parameters(rows, {0, 1, 0, 0});
  rtl::ArrayStart start;
  start.channels = rows;
  start.pixels = 1U << 30;
  start.steps = kStepsPerTile;
  start.mode = mode;
  start.low = -32768;
  start.high = 65535;

  rtl::ArrayInputs inputs;
  inputs.start_valid = true;
  inputs.start = &start;
  inputs.feed_valid = true;
  inputs.parameters_valid = true;
  inputs.parameters = parameters.data();
  inputs.result_ready = true;
  std::size_t set = 0;
  int64_t steps = 0;
  for (auto _ : state) {
    for (int cycle = 0; cycle < kCyclesPerIteration; ++cycle) {
      inputs.weights = weights[set].data();
      inputs.activations = activations[set].data();
      const rtl::ArrayEvents& events = array.clock(inputs);
      if (events.started) inputs.start_valid = false;
      steps += events.stepped;
      set = set + 1 == kOperandSets ? 0 : set + 1;
    }
  }
  const int64_t cycles = state.iterations() * kCyclesPerIteration;
  state.SetItemsProcessed(cycles);
  state.counters["steps_per_cycle"] = static_cast<double>(steps) / static_cast<double>(cycles);
}

void register_benchmarks() {
  for (const auto& [rows, columns] : rtl::VerilatedArray::sizes()) {
    for (const char* name : {"a16w16s", "a8w8u", "a4w4u", "a2w2u", "a8p4u"}) {
      const std::string title =
          "rtl_array/" + std::to_string(rows) + "x" + std::to_string(columns) + "/" + name;
      const abi::PeMode mode = pe::modes_named(name).front();
      benchmark::RegisterBenchmark(title.c_str(),
                                   [rows = rows, columns = columns, mode](benchmark::State& state) {
                                     clock_array(state, rows, columns, mode);
                                   });
    }
  }
}

}  // namespace
}  // namespace tessera

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  tessera::register_benchmarks();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
