/// Soft errors in the RTL array: each hits exactly the register that it names.

#include <gtest/gtest.h>

#include "array_bench.hpp"

namespace tessera::rtl {
namespace {

constexpr uint32_t kRows = 2;
constexpr uint32_t kColumns = 4;
constexpr uint32_t kSteps = 3;

/// A run of kSteps steps of 5 * 7 over the whole array, and the accumulators that come out.
/// `strike` is called before the edge that ends cycle `cycle` of the run.
template <typename Strike>
std::vector<int64_t> accumulators_with(uint64_t cycle, const Strike& strike) {
  ArrayBench bench(kRows, kColumns);
  bench.start.steps = kSteps;
  bench.set_operands(5, 7);
  bench.begin();
  bench.flow();
  std::vector<int64_t> accumulators(kRows * kColumns);
  for (uint64_t i = 0; i < 100 && bench.outputs().busy; ++i) {
    if (i == cycle) strike(bench.array);
    const ArrayOutputs shown = bench.outputs();
    if (!bench.clock().column_left || shown.column_pixel >= kColumns) continue;
    for (uint32_t row = 0; row < kRows; ++row) {
      accumulators[row * kColumns + shown.column_pixel] = shown.column[row].value;
    }
  }
  return accumulators;
}

const std::vector<int64_t> kRight(kRows* kColumns, 5 * 7 * kSteps);

TEST(ArrayFaultInjection, without_a_fault_the_sums_are_right) {
  EXPECT_EQ(accumulators_with(0, [](VerilatedArray&) {}), kRight);
}

TEST(ArrayFaultInjection, a_flipped_accumulator_bit_changes_that_bit_of_that_pe_and_no_other) {
  // Steps are accumulated at the ends of cycles 3, 4 and 5.
  for (uint32_t row = 0; row < kRows; ++row) {
    for (uint32_t column = 0; column < kColumns; ++column) {
      for (const int bit : {0, 20, 46}) {
        std::vector<int64_t> expected = kRight;
        const bool was_set = (5 * 7 >> bit & 1) != 0;
        expected[row * kColumns + column] += (was_set ? -1 : 1) * (int64_t{1} << bit);
        EXPECT_EQ(
            accumulators_with(
                4, [&](VerilatedArray& array) { array.flip_accumulator_bit(row, column, bit); }),
            expected)
            << row << " " << column << " " << bit;
      }
    }
  }
}

TEST(ArrayFaultInjection, a_flip_before_the_accumulator_is_cleared_has_no_effect) {
  EXPECT_EQ(
      accumulators_with(3, [](VerilatedArray& array) { array.flip_accumulator_bit(1, 2, 9); }),
      kRight);
}

TEST(ArrayFaultInjection, a_step_that_is_not_valid_is_missing_in_every_sum) {
  const std::vector<int64_t> missing(kRows * kColumns, 5 * 7 * (kSteps - 1));
  EXPECT_EQ(
      accumulators_with(
          3, [](VerilatedArray& array) { array.flip_control_bit(ControlRegister::kStepValid, 0); }),
      missing);
}

TEST(ArrayFaultInjection, a_second_clear_loses_what_was_there) {
  const std::vector<int64_t> lost(kRows * kColumns, 5 * 7 * (kSteps - 1));
  EXPECT_EQ(
      accumulators_with(
          3, [](VerilatedArray& array) { array.flip_control_bit(ControlRegister::kClear, 0); }),
      lost);
}

TEST(ArrayFaultInjection, a_capture_that_does_not_happen_leaves_the_shadow_registers_as_they_were) {
  const std::vector<int64_t> nothing(kRows * kColumns, 0);
  EXPECT_EQ(
      accumulators_with(
          4, [](VerilatedArray& array) { array.flip_control_bit(ControlRegister::kCapture, 0); }),
      nothing);
}

TEST(ArrayFaultInjection, a_flipped_step_counter_asks_for_another_step) {
  ArrayBench bench(kRows, kColumns);
  bench.start.steps = 8;
  bench.begin();
  bench.clock();
  ASSERT_EQ(bench.outputs().feed_step, 0U);
  bench.array.flip_control_bit(ControlRegister::kFeedStep, 2);
  EXPECT_EQ(bench.outputs().feed_step, 4U);
}

TEST(ArrayFaultInjection, a_flip_shows_at_once_and_a_second_one_undoes_it) {
  ArrayBench bench(kRows, kColumns);
  bench.begin();
  bench.clock();
  ASSERT_FALSE(bench.outputs().result_valid);
  bench.array.flip_control_bit(ControlRegister::kResultValid, 0);
  EXPECT_TRUE(bench.outputs().result_valid);
  bench.array.flip_control_bit(ControlRegister::kResultValid, 0);
  EXPECT_FALSE(bench.outputs().result_valid);
  ASSERT_TRUE(bench.outputs().busy);
  bench.array.flip_control_bit(ControlRegister::kState, 1);  // 2, run, becomes 0, idle
  EXPECT_FALSE(bench.outputs().busy);
}

TEST(ArrayFaultInjection, every_control_register_is_found_in_every_size) {
  for (const auto& [rows, columns] : VerilatedArray::sizes()) {
    VerilatedArray array(rows, columns);
    for (const ControlRegister one : VerilatedArray::control_registers()) {
      const int bits = VerilatedArray::control_register_bits(one);
      EXPECT_FALSE(VerilatedArray::control_register_name(one).empty());
      EXPECT_NO_THROW(array.flip_control_bit(one, bits - 1));
      EXPECT_THROW(array.flip_control_bit(one, bits), ArrayError);
      EXPECT_THROW(array.flip_control_bit(one, -1), ArrayError);
    }
    EXPECT_NO_THROW(array.flip_accumulator_bit(rows - 1, columns - 1, 47));
    EXPECT_THROW(array.flip_accumulator_bit(rows, 0, 0), ArrayError);
    EXPECT_THROW(array.flip_accumulator_bit(0, columns, 0), ArrayError);
    EXPECT_THROW(array.flip_accumulator_bit(0, 0, 48), ArrayError);
  }
}

}  // namespace
}  // namespace tessera::rtl
