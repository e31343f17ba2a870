#include "rtl/verilated_array.hpp"

#include <gtest/gtest.h>

#include "pe/mode.hpp"

namespace tessera::rtl {
namespace {

ArrayInputs start_of(uint32_t channels, uint32_t pixels, uint32_t steps) {
  ArrayInputs inputs;
  inputs.start_valid = true;
  inputs.channels = channels;
  inputs.pixels = pixels;
  inputs.steps = steps;
  inputs.mode = {16, 16, true, false};
  return inputs;
}

ArrayInputs step_of(const VerilatedArray& array, int weight, int activation) {
  ArrayInputs inputs;
  inputs.feed_valid = true;
  inputs.weights.assign(array.rows(), pe::pack({weight}, 16, true));
  inputs.activations.assign(array.columns(), pe::pack({activation}, 16, true));
  inputs.drain_ready = true;
  return inputs;
}

TEST(VerilatedArray, shows_the_first_column_in_the_cycle_of_the_first_capture) {
  VerilatedArray array(2, 4);
  array.clock(start_of(1, 1, 1));
  EXPECT_TRUE(array.outputs().busy);
  EXPECT_FALSE(array.outputs().feed_ready);  // cycle 0: the scratchpad is read
  for (int cycle = 0; cycle < 4; ++cycle) {
    EXPECT_FALSE(array.outputs().drain_valid) << cycle;
    array.clock(step_of(array, -3, 7));
  }
  // kFillCycles + 1 step.
  ASSERT_TRUE(array.outputs().drain_valid);
  EXPECT_EQ(array.outputs().results[0].accumulator, -21);
  EXPECT_TRUE(array.outputs().results[0].valid);
  EXPECT_FALSE(array.outputs().results[1].valid);
}

TEST(VerilatedArray, forgets_a_run_on_reset) {
  VerilatedArray array(2, 4);
  array.clock(start_of(2, 4, 2));
  for (int cycle = 0; cycle < 6; ++cycle) {
    ArrayInputs inputs = step_of(array, 5, 5);
    inputs.drain_ready = false;
    array.clock(inputs);
  }
  ASSERT_TRUE(array.outputs().drain_valid);
  array.reset();
  EXPECT_FALSE(array.outputs().busy);
  EXPECT_FALSE(array.outputs().drain_valid);
  for (int cycle = 0; cycle < 10; ++cycle) {
    const ArrayOutputs& outputs = array.clock({});
    EXPECT_FALSE(outputs.busy || outputs.feed_ready || outputs.drain_valid);
  }
}

TEST(VerilatedArray, waits_for_operands_and_for_ready_as_long_as_it_takes) {
  VerilatedArray array(2, 4);
  array.clock(start_of(2, 1, 1));
  for (int cycle = 0; cycle < 50; ++cycle) array.clock({});
  EXPECT_TRUE(array.outputs().feed_ready);
  EXPECT_FALSE(array.outputs().drain_valid);
  ArrayInputs step = step_of(array, 2, 3);
  step.drain_ready = false;
  array.clock(step);
  for (int cycle = 0; cycle < 50; ++cycle) array.clock({});
  EXPECT_FALSE(array.outputs().feed_ready);
  ASSERT_TRUE(array.outputs().drain_valid);
  EXPECT_TRUE(array.outputs().busy);
  EXPECT_EQ(array.outputs().results[1].accumulator, 6);
}

TEST(VerilatedArray, instances_share_nothing) {
  VerilatedArray first(2, 4);
  VerilatedArray second(4, 8);
  first.clock(start_of(1, 1, 1));
  EXPECT_TRUE(first.outputs().busy);
  EXPECT_FALSE(second.clock({}).busy);
}

TEST(VerilatedArray, of_a_size_that_was_not_compiled_is_an_error_that_names_those_that_were) {
  try {
    const VerilatedArray array(3, 5);
    FAIL();
  } catch (const ArrayError& error) {
    const std::string message = error.what();
    EXPECT_NE(message.find("3x5"), std::string::npos) << message;
    EXPECT_NE(message.find("2x4"), std::string::npos) << message;
  }
}

TEST(VerilatedArray, refuses_what_no_array_can_do) {
  VerilatedArray array(2, 4);
  EXPECT_THROW(array.clock(start_of(0, 1, 1)), ArrayError);
  EXPECT_THROW(array.clock(start_of(1, 0, 1)), ArrayError);
  EXPECT_THROW(array.clock(start_of(1, 1, 0)), ArrayError);
  ArrayInputs start = start_of(1, 1, 1);
  start.mode.weight_bits = 3;
  EXPECT_THROW(array.clock(start), pe::ModeError);
  ArrayInputs step = step_of(array, 1, 1);
  step.weights.pop_back();
  EXPECT_THROW(array.clock(step), ArrayError);
  EXPECT_FALSE(array.outputs().busy);
}

}  // namespace
}  // namespace tessera::rtl
