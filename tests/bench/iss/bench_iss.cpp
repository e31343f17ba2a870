// Simulated instructions a second of the ISS on endless loops; `MIPS` in the output.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <vector>

#include "unit/core/tiny_system.hpp"

namespace {

using tessera::test::TinySystem;

constexpr uint32_t kComputeAddress = 0x8000'0000;
constexpr uint32_t kMemoryAddress = 0x8000'1000;

// A multiply-accumulate, a linear congruential generator and a parity fold; the loop branches back.
const std::vector<uint32_t> kComputeLoop = {
    0x02b50633,  // mul  a2, a0, a1
    0x00c686b3,  // add  a3, a3, a2
    0x00151713,  // slli a4, a0, 1
    0x00e54533,  // xor  a0, a0, a4
    0x00158593,  // addi a1, a1, 1
    0x0106d793,  // srli a5, a3, 16
    0x00f6c6b3,  // xor  a3, a3, a5
    0x01f57813,  // andi a6, a0, 31
    0x010708b3,  // add  a7, a4, a6
    0xfc000ee3,  // beq  zero, zero, -36
};

// A copy with a checksum: two loads and a store in eight instructions.
const std::vector<uint32_t> kMemoryLoop = {
    0x00052583,  // lw   a1, 0(a0)
    0x00450603,  // lb   a2, 4(a0)
    0x00c686b3,  // add  a3, a3, a2
    0x00b52423,  // sw   a1, 8(a0)
    0x00450513,  // addi a0, a0, 4
    0x00e57533,  // and  a0, a0, a4
    0x00f56533,  // or   a0, a0, a5
    0xfe0002e3,  // beq  zero, zero, -28
};

TinySystem& tiny_system() {
  static TinySystem* const system = [] {
    tessera::core::IssConfig config;
    config.quantum_instructions = 10'000;
    auto* made = new TinySystem(config);
    made->write_ram(kComputeAddress, kComputeLoop.data(), 4 * kComputeLoop.size());
    made->write_ram(kMemoryAddress, kMemoryLoop.data(), 4 * kMemoryLoop.size());
    sc_core::sc_start(sc_core::SC_ZERO_TIME);
    return made;
  }();
  return *system;
}

void run_loop(benchmark::State& state, uint32_t address) {
  TinySystem& system = tiny_system();
  system.iss.set_pc(address);
  system.iss.write_register(10, 0x8010'0000);
  system.iss.write_register(14, 0x8010'fffc);
  system.iss.write_register(15, 0x8010'0000);
  const uint64_t before = system.iss.instructions_retired();
  for (auto _ : state) sc_core::sc_start(10, sc_core::SC_MS);
  const auto instructions = static_cast<double>(system.iss.instructions_retired() - before);
  state.counters["MIPS"] = benchmark::Counter(instructions / 1e6, benchmark::Counter::kIsRate);
}

void compute_loop(benchmark::State& state) { run_loop(state, kComputeAddress); }
void memory_loop(benchmark::State& state) { run_loop(state, kMemoryAddress); }
BENCHMARK(compute_loop)->Unit(benchmark::kMillisecond);
BENCHMARK(memory_loop)->Unit(benchmark::kMillisecond);

}  // namespace

int main(int argc, char** argv) {
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1);
  return sc_core::sc_elab_and_sim(argc, argv);
}

int sc_main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
