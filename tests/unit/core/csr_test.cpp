#include "core/csr.hpp"

#include <gtest/gtest.h>

namespace tessera::core {
namespace {

constexpr CsrFile::Counters kStart{};

TEST(CsrFile, interrupts_are_taken_in_the_order_external_software_timer) {
  CsrFile csr;
  ASSERT_TRUE(csr.write(csr::kMie, ~0U, kStart));
  ASSERT_TRUE(csr.write(csr::kMstatus, 8, kStart));
  for (const auto i : {Interrupt::kTimer, Interrupt::kSoftware, Interrupt::kExternal}) {
    csr.set_pending(i, true);
    EXPECT_EQ(csr.interrupt_to_take(), i);
  }
  ASSERT_TRUE(csr.write(csr::kMie, 0x80, kStart));
  EXPECT_EQ(csr.interrupt_to_take(), Interrupt::kTimer);
  ASSERT_TRUE(csr.write(csr::kMstatus, 0, kStart));
  EXPECT_FALSE(csr.interrupt_to_take().has_value());
  EXPECT_EQ(csr.pending_and_enabled(), 0x80U);
}

TEST(CsrFile, a_trap_saves_the_interrupt_enable_and_mret_restores_it) {
  CsrFile csr;
  csr.write(csr::kMtvec, 0x8000'0101, kStart);
  csr.write(csr::kMstatus, 8, kStart);
  EXPECT_EQ(csr.enter_exception(Cause::kLoadAccess, 0x8000'0010, 0x123), 0x8000'0100U);
  EXPECT_EQ(csr.read(csr::kMstatus, kStart), 0x1880U);
  EXPECT_EQ(csr.read(csr::kMcause, kStart), 5U);
  EXPECT_EQ(csr.read(csr::kMtval, kStart), 0x123U);
  EXPECT_EQ(csr.leave_trap(), 0x8000'0010U);
  EXPECT_EQ(csr.read(csr::kMstatus, kStart), 0x1888U);
  EXPECT_EQ(csr.enter_interrupt(Interrupt::kTimer, 0x8000'0020), 0x8000'011CU);
  EXPECT_EQ(csr.read(csr::kMcause, kStart), 0x8000'0007U);
}

TEST(CsrFile, counters_count_from_what_was_written_and_stop_while_inhibited) {
  CsrFile csr;
  csr.write(csr::kMcycleh, 5, {100, 10});
  csr.write(csr::kMcycle, 1000, {100, 10});
  EXPECT_EQ(csr.read(csr::kMcycle, {150, 20}), 1050U);
  EXPECT_EQ(csr.read(csr::kCycleh, {150, 20}), 5U);
  csr.write(csr::kMinstret, 0, {150, 20});
  EXPECT_EQ(csr.read(csr::kInstret, {160, 21}), 0U);
  EXPECT_EQ(csr.read(csr::kInstret, {160, 25}), 4U);
  csr.write(csr::kMcountinhibit, 1, {200, 30});
  EXPECT_EQ(csr.read(csr::kMcycle, {900, 40}), 1100U);
  csr.write(csr::kMcountinhibit, 0, {1000, 50});
  EXPECT_EQ(csr.read(csr::kMcycle, {1001, 51}), 1101U);
}

TEST(CsrFile, registers_that_do_not_exist_or_are_read_only_refuse) {
  CsrFile csr;
  EXPECT_FALSE(csr.read(0x7C0, kStart).has_value());
  EXPECT_FALSE(csr.read(0x180, kStart).has_value());
  EXPECT_FALSE(csr.write(csr::kMhartid, 1, kStart));
  EXPECT_FALSE(csr.write(csr::kCycle, 1, kStart));
  EXPECT_EQ(csr.read(csr::kMhartid, kStart), 0U);
  EXPECT_EQ(csr.read(0xB1F, kStart), 0U);
  EXPECT_EQ(csr.read(csr::kMisa, kStart), 0x4000'1105U);
}

}  // namespace
}  // namespace tessera::core
