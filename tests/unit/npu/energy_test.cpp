#include "npu/energy.hpp"

#include <gtest/gtest.h>

namespace tessera::npu {
namespace {

chip::Technology technology() {
  chip::Technology t;
  t.brick_pj = 0.5;
  t.shift_add_pj = 2;
  t.accumulate_pj = 3;
  t.scratchpad_pj_per_byte = 0.25;
  t.noc_pj_per_byte = 4;
  t.dram_pj_per_byte = 8;
  t.dram_activate_pj = 100;
  t.core_pj_per_instruction = 7;
  t.static_mw = 2;
  return t;
}

TEST(Energy, every_event_costs_what_the_technology_says) {
  EventCounts events;
  events.brick_cycles = 10;
  events.shift_add_bits = 16;
  events.accumulations = 5;
  events.scratchpad_bytes_read = {1, 2, 3, 4};
  events.scratchpad_bytes_written = {10, 0, 20, 0};
  events.dram_bytes_read = 3;
  events.dram_bytes_written = 2;
  const Energy energy = energy_of(events, {6, 11, 1e-6}, technology());
  EXPECT_DOUBLE_EQ(energy.multiply_pj, 5);
  EXPECT_DOUBLE_EQ(energy.shift_add_pj, 4);
  EXPECT_DOUBLE_EQ(energy.accumulate_pj, 15);
  EXPECT_DOUBLE_EQ(energy.scratchpad_pj, 10);
  EXPECT_DOUBLE_EQ(energy.noc_pj, 20);
  EXPECT_DOUBLE_EQ(energy.dram_pj, 640);
  EXPECT_DOUBLE_EQ(energy.core_pj, 77);
  EXPECT_DOUBLE_EQ(energy.static_pj, 2000);  // 2 mW for a microsecond are 2 nJ
  EXPECT_DOUBLE_EQ(energy.total_pj(), 5 + 4 + 15 + 10 + 20 + 640 + 77 + 2000);
}

TEST(Energy, nothing_happening_costs_nothing) {
  EXPECT_EQ(energy_of({}, {}, technology()).total_pj(), 0);
}

}  // namespace
}  // namespace tessera::npu
