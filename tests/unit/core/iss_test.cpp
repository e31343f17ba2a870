#include "core/iss.hpp"

#include <gtest/gtest.h>

#include "core/signature.hpp"
#include "unit/core/tiny_system.hpp"

namespace tessera::core {
namespace {

using sc_core::SC_NS;
using sc_core::sc_time;
using sc_core::SC_US;
using test::TinySystem;

constexpr uint32_t kBase = abi::kRamBase;

// Encodings; registers by number.
constexpr uint32_t addi(uint32_t rd, uint32_t rs1, int imm) {
  return 0x13U | (rd << 7) | (rs1 << 15) | (static_cast<uint32_t>(imm) << 20);
}
constexpr uint32_t lui(uint32_t rd, uint32_t value) { return 0x37U | (rd << 7) | value; }
constexpr uint32_t lw(uint32_t rd, uint32_t rs1, uint32_t imm) {
  return 0x2003U | (rd << 7) | (rs1 << 15) | (imm << 20);
}
constexpr uint32_t sw(uint32_t rs2, uint32_t rs1, uint32_t imm) {
  return 0x2023U | (rs2 << 20) | (rs1 << 15) | ((imm & 31U) << 7) | ((imm >> 5) << 25);
}
constexpr uint32_t csrrw(uint32_t rd, uint32_t number, uint32_t rs1) {
  return 0x1073U | (rd << 7) | (rs1 << 15) | (number << 20);
}
constexpr uint32_t csrr(uint32_t rd, uint32_t number) {
  return 0x2073U | (rd << 7) | (number << 20);
}
constexpr uint32_t kWfi = 0x1050'0073;
constexpr uint32_t kEcall = 0x73;
constexpr uint32_t kFenceI = 0x100F;
constexpr uint32_t kSelf = 0x6F;  // j .
constexpr uint32_t kNop = 0x13;

void write_code(TinySystem& system, uint32_t address, const std::vector<uint32_t>& words) {
  system.write_ram(address, words.data(), 4 * words.size());
}

IssConfig with_quantum(uint64_t quantum) {
  IssConfig config;
  config.quantum_instructions = quantum;
  return config;
}

TEST(Iss, a_program_runs_and_ends_through_the_finisher) {
  TinySystem system;
  write_code(system, kBase,
             {addi(5, 0, 7), lui(6, 0x100000), lui(7, 0x333000), addi(7, 7, 0x333), sw(7, 6, 0)});
  sc_core::sc_start(1, SC_US);
  EXPECT_EQ(system.exit_code, 0x33);
  EXPECT_EQ(system.iss.read_register(5), 7U);
  EXPECT_EQ(system.iss.instructions_retired(), 5U);
}

TEST(Iss, cycles_are_the_sum_of_the_costs_of_what_ran) {
  IssConfig config = with_quantum(1);
  config.timing.multiply = 4;
  TinySystem system(config);
  const uint32_t mul = 0x02000033U | (8U << 7) | (5U << 15) | (5U << 20);
  write_code(system, kBase, {addi(5, 0, 3), mul, addi(6, 0, 1), csrr(9, 0xB00), kWfi});
  sc_core::sc_start(1, SC_US);
  EXPECT_EQ(system.iss.read_register(8), 9U);
  EXPECT_EQ(system.iss.read_register(9), 1U + 5U + 1U);
  EXPECT_EQ(system.iss.cycles() - system.iss.idle_cycles(), 1U + 5U + 1U + 1U + 1U);
  EXPECT_TRUE(system.iss.waiting_for_interrupt());
}

TEST(Iss, memory_latency_costs_what_the_pipeline_does_not_hide) {
  TinySystem system(with_quantum(100));
  system.bus.ram_latency = sc_time(5, SC_NS);
  write_code(system, kBase, {kNop, kNop, lui(6, kBase), lw(5, 6, 0), csrr(9, 0xB00), kWfi});
  sc_core::sc_start(1, SC_US);
  // Four fetches and one load in front of the reading instruction, each 4 cycles beyond the hidden
  // one, and a cycle for each instruction.
  EXPECT_EQ(system.iss.read_register(9), 4U * 5U + 4U);
}

TEST(Iss, without_dmi_a_load_also_waits_for_the_fetch_of_its_own_instruction) {
  TinySystem system(with_quantum(100));
  system.bus.ram_latency = sc_time(5, SC_NS);
  system.bus.dmi = false;
  write_code(system, kBase, {kNop, kNop, lui(6, kBase), lw(5, 6, 0), csrr(9, 0xB00), kWfi});
  sc_core::sc_start(1, SC_US);
  // As above; the load's cycle is no longer hidden behind its fetch, and the reading instruction
  // has been fetched, 4 cycles beyond the hidden one.
  EXPECT_EQ(system.iss.read_register(9), 4U * 5U + 5U + 4U);
  EXPECT_EQ(system.bus.ram_log.size(), 7U);
}

TEST(Iss, device_accesses_happen_at_their_exact_time_whatever_the_quantum) {
  TinySystem system(with_quantum(10'000));
  std::vector<uint32_t> code(300, kNop);
  code.insert(code.begin(), lui(6, abi::kUartBase));
  code.insert(code.end(), {sw(0, 6, 0), kSelf});
  write_code(system, kBase, code);
  sc_time seen;
  system.uart.set_transmit_callback([&](uint8_t) { seen = sc_core::sc_time_stamp(); });
  sc_core::sc_start(1, SC_US);
  EXPECT_EQ(seen, sc_time(301, SC_NS));
}

TEST(Iss, an_interrupt_ends_wfi_at_its_time_and_enters_the_handler) {
  TinySystem system;
  write_code(system, kBase,
             {addi(5, 0, 0x88), csrrw(0, csr::kMie, 5), lui(6, abi::kClintBase + 0x4000),
              addi(7, 0, 20), sw(7, 6, 0), sw(0, 6, 4), lui(8, kBase), addi(8, 8, 0x100),
              csrrw(0, csr::kMtvec, 8), addi(9, 0, 8), csrrw(0, csr::kMstatus, 9), kWfi, kSelf});
  write_code(system, kBase + 0x100, {csrr(10, csr::kMcause), csrr(11, csr::kCycle), kSelf});
  sc_core::sc_start(10, SC_US);
  EXPECT_EQ(system.iss.read_register(10), 0x8000'0007U);
  EXPECT_NEAR(system.iss.read_register(11), 2000, 10);
  EXPECT_GT(system.iss.idle_cycles(), 1900U);
}

TEST(Iss, an_access_fault_names_pc_cause_and_address_before_its_handler_runs) {
  TinySystem system;
  write_code(system, kBase,
             {lui(8, kBase), addi(8, 8, 0x100), csrrw(0, csr::kMtvec, 8), lui(6, 0x4000'0000),
              sw(5, 6, 12)});
  write_code(system, kBase + 0x100, {kSelf});
  std::vector<Exception> seen;
  system.iss.set_exception_observer([&](const Exception& e) {
    seen.push_back(e);
    system.iss.stop();
  });
  sc_core::sc_start(1, SC_US);
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].cause, Cause::kStoreAccess);
  EXPECT_EQ(seen[0].pc, kBase + 16);
  EXPECT_EQ(seen[0].tval, 0x4000'000CU);
  EXPECT_TRUE(system.iss.halted());
  EXPECT_EQ(system.iss.pc(), kBase + 0x100);
  EXPECT_EQ(system.iss.instructions_retired(), 4U);
}

TEST(Iss, a_trap_loop_lets_simulated_time_go_on) {
  TinySystem system;
  write_code(system, kBase, {0, 0});
  sc_core::sc_start(1, SC_US);
  EXPECT_EQ(sc_core::sc_time_stamp(), sc_time(1, SC_US));
  EXPECT_EQ(system.iss.last_exception()->cause, Cause::kFetchAccess);
}

TEST(Iss, rewritten_code_is_run_after_fence_i) {
  TinySystem system;
  // Three passes over the slot at +12: as written here (1), and as each pass before rewrote it
  // (16, then 17).
  write_code(system, kBase,
             {lui(6, kBase), lw(5, 6, 0x40), addi(9, 0, 3), addi(7, 7, 1), sw(5, 6, 12), kFenceI,
              lui(8, 0x10'0000), 0x008282B3 /* add x5, x5, x8 */, addi(9, 9, -1),
              0xFE0494E3 /* bnez x9, -24 */, kWfi});
  write_code(system, kBase + 0x40, {addi(7, 7, 16)});
  sc_core::sc_start(1, SC_US);
  EXPECT_EQ(system.iss.read_register(7), 1U + 16U + 17U);
}

TEST(Iss, invalidated_dmi_sends_the_next_access_over_the_bus) {
  TinySystem system(with_quantum(10));
  write_code(system, kBase, {lui(6, kBase), lw(5, 6, 0x200), 0xFFDFF06F /* j -4 */});
  sc_core::sc_start(100, SC_NS);
  const std::size_t before = system.bus.ram_log.size();
  sc_core::sc_start(100, SC_NS);
  EXPECT_EQ(system.bus.ram_log.size(), before);
  system.bus.dmi = false;
  system.bus.invalidate(kBase, kBase + 0xFFF);
  sc_core::sc_start(100, SC_NS);
  EXPECT_GT(system.bus.ram_log.size(), before + 10);
}

TEST(Iss, a_store_to_the_watched_address_is_reported_even_through_dmi) {
  TinySystem system;
  write_code(system, kBase,
             {lui(6, kBase), sw(0, 6, 0x200), addi(5, 0, 1), sw(5, 6, 0x204), sw(5, 6, 0x200),
              addi(7, 0, 1), kSelf});
  std::vector<uint32_t> values;
  system.iss.watch_stores(kBase + 0x200, [&](uint32_t value) {
    values.push_back(value);
    if (tohost_exit_code(value)) system.iss.stop();
  });
  sc_core::sc_start(1, SC_US);
  EXPECT_EQ(values, (std::vector<uint32_t>{0, 1}));
  EXPECT_EQ(system.iss.read_register(7), 0U);
  EXPECT_EQ(system.iss.pc(), kBase + 20);
}

TEST(Iss, a_debugger_stops_at_breakpoints_steps_and_goes_on) {
  TinySystem system;
  write_code(system, kBase,
             {addi(5, 0, 1), addi(5, 5, 1), addi(5, 5, 1), kEcall, addi(5, 5, 1), kWfi});
  system.iss.write_csr(csr::kMtvec, kBase + 16);
  system.iss.set_breakpoint(kBase + 4);
  std::vector<std::pair<HaltReason, uint32_t>> halts;
  system.iss.set_halt_hook([&](HaltReason reason) {
    halts.emplace_back(reason, system.iss.pc());
    uint32_t word = 0;
    EXPECT_EQ(system.iss.debug_read(kBase + 4, &word, 4), 4U);
    EXPECT_EQ(word, addi(5, 5, 1));
    if (halts.size() < 4) return system.iss.step();
    system.iss.resume();
  });
  sc_core::sc_start(1, SC_US);
  EXPECT_EQ(halts,
            (std::vector<std::pair<HaltReason, uint32_t>>{{HaltReason::kBreakpoint, kBase + 4},
                                                          {HaltReason::kStep, kBase + 8},
                                                          {HaltReason::kStep, kBase + 12},
                                                          {HaltReason::kStep, kBase + 16}}));
  EXPECT_EQ(system.iss.read_register(5), 4U);
  EXPECT_TRUE(system.iss.waiting_for_interrupt());
}

TEST(Iss, a_halted_core_lets_time_pass_and_resumes_later) {
  TinySystem system;
  write_code(system, kBase, {addi(5, 5, 1), 0xFFDFF06F /* j -4 */});
  sc_core::sc_start(100, SC_NS);
  system.iss.halt();
  sc_core::sc_start(2, SC_US);
  ASSERT_TRUE(system.iss.halted());
  const uint32_t frozen = system.iss.read_register(5);
  sc_core::sc_start(2, SC_US);
  EXPECT_EQ(system.iss.read_register(5), frozen);
  system.iss.resume();
  sc_core::sc_start(2, SC_US);
  EXPECT_GT(system.iss.read_register(5), frozen);
}

TEST(Iss, impossible_configurations_are_refused) {
  EXPECT_THROW(Iss("a", with_quantum(0)), std::runtime_error);
  IssConfig config;
  config.clock_period = sc_core::SC_ZERO_TIME;
  EXPECT_THROW(Iss("b", config), std::runtime_error);
  config = IssConfig{};
  config.timing.divide = 100'000;
  EXPECT_THROW(Iss("c", config), std::runtime_error);
}

}  // namespace
}  // namespace tessera::core
