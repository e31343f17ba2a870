// Clock cycles a second of the RTL PE under Verilator and, beside it, of the model PE. The rate
// shown is cycles a second: 5M/s is 5 Mcycle/s.

#include <benchmark/benchmark.h>

#include <cstdint>
#include <random>
#include <vector>

#include "pe/clocked_pe.hpp"
#include "pe/mode.hpp"
#include "rtl/verilated_pe.hpp"

namespace tessera {
namespace {

constexpr std::size_t kCycles = 1024;

std::vector<pe::PeInputs> random_steps(const abi::PeMode& mode) {
  std::mt19937_64 random(1);
  std::vector<pe::PeInputs> steps(kCycles);
  for (pe::PeInputs& step : steps) {
    step.mode = mode;
    step.valid = true;
    step.activations = {random(), random()};
    step.weights = {random(), random()};
  }
  steps.front().clear = true;
  steps.back().capture = true;
  return steps;
}

template <typename Device>
void clock_pe(benchmark::State& state, const char* mode_name) {
  Device device;
  const std::vector<pe::PeInputs> steps = random_steps(pe::modes_named(mode_name).front());
  for (auto _ : state) {
    pe::PeOutputs outputs;
    for (const pe::PeInputs& step : steps) outputs = device.clock(step);
    benchmark::DoNotOptimize(outputs);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kCycles));
}

void rtl_pe(benchmark::State& state, const char* mode_name) {
  clock_pe<rtl::VerilatedPe>(state, mode_name);
}

void model_pe(benchmark::State& state, const char* mode_name) {
  clock_pe<pe::ModelPe>(state, mode_name);
}

BENCHMARK_CAPTURE(rtl_pe, a16w16s, "a16w16s");
BENCHMARK_CAPTURE(rtl_pe, a8w8u, "a8w8u");
BENCHMARK_CAPTURE(rtl_pe, a2w2u, "a2w2u");
BENCHMARK_CAPTURE(rtl_pe, a8p4u, "a8p4u");
BENCHMARK_CAPTURE(model_pe, a16w16s, "a16w16s");
BENCHMARK_CAPTURE(model_pe, a8w8u, "a8w8u");
BENCHMARK_CAPTURE(model_pe, a2w2u, "a2w2u");
BENCHMARK_CAPTURE(model_pe, a8p4u, "a8p4u");

}  // namespace
}  // namespace tessera
