#include "npu/energy.hpp"

#include <gtest/gtest.h>

namespace tessera::npu {
namespace {

constexpr std::size_t k8x8 = chip::pe_mode_index({8, 8, false, false});
constexpr std::size_t k8x4 = chip::pe_mode_index({8, 4, true, false});
constexpr std::size_t k8xP4 = chip::pe_mode_index({8, 4, false, true});

chip::Technology technology() {
  chip::Technology t;
  t.fused_pe[k8x8] = {0.5, 0.25, 3, 7, 11};
  t.fused_pe[k8x4] = {0.75, 0.125, 3, 7, 11};
  t.fused_pe[k8xP4] = {2, 0.5, 3, 13, 17};
  t.fixed_pe[1] = {0.25, 0.125, 2, 5, 6};    // 8x8
  t.fixed_pe[5] = {0.5, 0.0625, 1, 0.5, 4};  // 8xp4
  t.scratchpad_pj_per_byte = 0.25;
  t.noc_pj_per_byte = 4;
  t.dram_pj_per_byte = 8;
  t.dram_activate_pj = 100;
  t.core_pj_per_instruction = 7;
  t.decoder_pj_per_byte = 0.5;
  t.decoder_pj_per_table_byte = 3;
  t.static_mw = 2;
  return t;
}

TEST(Energy, every_event_costs_what_the_technology_says) {
  EventCounts events;
  events.pe[k8x8] = {10, 32, 4, 2};
  events.pe[k8xP4] = {5, 12, 1, 3};
  events.scratchpad_bytes_read = {1, 2, 3, 4};
  events.scratchpad_bytes_written = {10, 0, 20, 0};
  events.dram_bytes_read = 3;
  events.dram_bytes_written = 2;
  events.decoded_bytes = 8;
  events.table_bytes = 10;
  const Energy energy = energy_of(events, {6, 11, 1e-6}, technology());
  EXPECT_DOUBLE_EQ(energy.array.multiply_pj, 10 * 0.5 + 32 * 0.25);
  EXPECT_DOUBLE_EQ(energy.array.shift_add_pj, 5 * 2 + 12 * 0.5);
  EXPECT_DOUBLE_EQ(energy.array.accumulate_pj, 15 * 3);
  EXPECT_DOUBLE_EQ(energy.array.operands_pj, 4 * 7 + 2 * 11 + 1 * 13 + 3 * 17);
  EXPECT_DOUBLE_EQ(energy.array.total_pj(), 13 + 16 + 45 + 114);
  EXPECT_DOUBLE_EQ(energy.scratchpad_pj, 10);
  EXPECT_DOUBLE_EQ(energy.decoder_pj, 4 + 30);
  EXPECT_DOUBLE_EQ(energy.noc_pj, 20);
  EXPECT_DOUBLE_EQ(energy.dram_pj, 640);
  EXPECT_DOUBLE_EQ(energy.core_pj, 77);
  EXPECT_DOUBLE_EQ(energy.static_pj, 2000);  // 2 mW for a microsecond are 2 nJ
  EXPECT_DOUBLE_EQ(energy.total_pj(), 188 + 10 + 34 + 20 + 640 + 77 + 2000);
}

TEST(Energy, pes_of_the_layers_width_take_the_same_steps) {
  EventCounts events;
  events.pe[k8x8] = {10, 32, 4, 2};
  const ArrayEnergy fixed = fixed_array_energy(events, technology());
  EXPECT_DOUBLE_EQ(fixed.multiply_pj, 10 * 0.25 + 32 * 0.125);
  EXPECT_DOUBLE_EQ(fixed.accumulate_pj, 10 * 2);
  EXPECT_DOUBLE_EQ(fixed.operands_pj, 4 * 5 + 2 * 6);
  EXPECT_EQ(fixed.shift_add_pj, 0);
}

TEST(Energy, unequal_widths_take_a_fixed_pe_of_the_wider_one_more_steps) {
  EventCounts events;
  events.pe[k8x4] = {10, 64, 4, 2};  // 8 lanes fused, 4 in a fixed 8x8 PE
  const ArrayEnergy fixed = fixed_array_energy(events, technology());
  EXPECT_DOUBLE_EQ(fixed.multiply_pj, 20 * 0.25 + 64 * 0.125);
  EXPECT_DOUBLE_EQ(fixed.accumulate_pj, 20 * 2);
  EXPECT_DOUBLE_EQ(fixed.operands_pj, 2 * (4 * 5 + 2 * 6));
}

TEST(Energy, power_of_two_weights_are_compared_with_a_pe_that_only_shifts_and_adds) {
  EventCounts events;
  events.pe[k8xP4] = {5, 12, 1, 3};
  const ArrayEnergy fixed = fixed_array_energy(events, technology());
  EXPECT_EQ(fixed.multiply_pj, 0);
  EXPECT_DOUBLE_EQ(fixed.shift_add_pj, 5 * 0.5 + 12 * 0.0625);
}

TEST(Energy, nothing_happening_costs_nothing) {
  EXPECT_EQ(energy_of({}, {}, technology()).total_pj(), 0);
  EXPECT_EQ(fixed_array_energy({}, technology()).total_pj(), 0);
}

}  // namespace
}  // namespace tessera::npu
