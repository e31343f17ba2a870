#include "rtl/verilated_array.hpp"

#include <gtest/gtest.h>

#include "array_bench.hpp"
#include "pe/mode.hpp"

namespace tessera::rtl {
namespace {

TEST(VerilatedArray, shows_the_first_column_at_the_first_capture_and_its_result_four_cycles_later) {
  ArrayBench bench(2, 4);
  bench.start.channels = 1;
  bench.start.pixels = 1;
  bench.set_operands(-3, 7);
  bench.parameters[0] = {1, 3, 1, 0};
  EXPECT_TRUE(bench.begin().started);
  EXPECT_TRUE(bench.outputs().busy);
  EXPECT_FALSE(bench.outputs().feed_ready);  // cycle 0: the scratchpad is read
  bench.flow();
  for (int cycle = 0; cycle < 4; ++cycle) {
    EXPECT_FALSE(bench.outputs().column_valid) << cycle;
    EXPECT_EQ(bench.clock().stepped, cycle == 1) << cycle;
  }
  // kFillCycles + 1 step.
  ASSERT_TRUE(bench.outputs().column_valid);
  EXPECT_EQ(bench.outputs().column[0].value, -21);
  EXPECT_TRUE(bench.outputs().column[0].valid);
  EXPECT_FALSE(bench.outputs().column[1].valid);
  for (int cycle = 4; cycle < 8; ++cycle) {
    EXPECT_FALSE(bench.outputs().result_valid) << cycle;
    EXPECT_EQ(bench.clock().column_left, cycle == 4) << cycle;
  }
  ASSERT_TRUE(bench.outputs().result_valid);
  EXPECT_TRUE(bench.outputs().result_last);
  EXPECT_EQ(bench.outputs().results[0].value, -30);  // (-21 + 1) * 3 / 2
  EXPECT_TRUE(bench.outputs().results[0].valid);
  EXPECT_FALSE(bench.outputs().results[1].valid);
  EXPECT_TRUE(bench.clock().result_taken);
  EXPECT_FALSE(bench.outputs().busy);
  EXPECT_FALSE(bench.outputs().result_valid);
}

TEST(VerilatedArray, forgets_a_run_on_reset) {
  ArrayBench bench(2, 4);
  bench.start.pixels = 8;
  bench.begin();
  bench.flow();
  bench.inputs.result_ready = false;
  for (int cycle = 0; cycle < 20; ++cycle) bench.clock();
  ASSERT_TRUE(bench.outputs().column_valid);
  ASSERT_TRUE(bench.outputs().result_valid);
  bench.array.reset();
  for (int cycle = 0; cycle < 10; ++cycle) {
    const ArrayOutputs& outputs = bench.outputs();
    EXPECT_FALSE(outputs.busy || outputs.feed_ready || outputs.column_valid ||
                 outputs.result_valid);
    bench.array.clock({});
  }
}

TEST(VerilatedArray, waits_for_operands_parameters_and_ready_as_long_as_it_takes) {
  ArrayBench bench(2, 4);
  bench.start.pixels = 1;
  bench.set_operands(2, 3);
  const auto wait = [&](int cycles) {
    for (int cycle = 0; cycle < cycles; ++cycle) bench.clock();
  };
  bench.begin();
  wait(50);
  EXPECT_TRUE(bench.outputs().feed_ready);
  EXPECT_FALSE(bench.outputs().column_valid);
  bench.inputs.feed_valid = true;
  wait(50);
  EXPECT_FALSE(bench.outputs().feed_ready);
  ASSERT_TRUE(bench.outputs().column_valid);
  EXPECT_EQ(bench.outputs().column[1].value, 6);
  EXPECT_FALSE(bench.outputs().result_valid);
  bench.inputs.parameters_valid = true;
  EXPECT_TRUE(bench.clock().column_left);
  EXPECT_FALSE(bench.outputs().column_valid);
  wait(50);
  ASSERT_TRUE(bench.outputs().result_valid);
  EXPECT_EQ(bench.outputs().results[1].value, 6);
  EXPECT_TRUE(bench.outputs().busy);
  bench.inputs.result_ready = true;
  EXPECT_TRUE(bench.clock().result_taken);
  EXPECT_FALSE(bench.outputs().busy);
}

TEST(VerilatedArray, counts_rising_edges) {
  ArrayBench bench(2, 4);
  const uint64_t before = bench.array.cycle();
  for (int cycle = 0; cycle < 7; ++cycle) bench.clock();
  EXPECT_EQ(bench.array.cycle(), before + 7);
}

TEST(VerilatedArray, instances_share_nothing) {
  ArrayBench first(2, 4);
  ArrayBench second(4, 8);
  first.begin();
  EXPECT_TRUE(first.outputs().busy);
  second.clock();
  EXPECT_FALSE(second.outputs().busy);
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
  const auto refuses = [](const auto& spoil) {
    ArrayBench bench(2, 4);
    spoil(bench.start);
    try {
      bench.begin();
    } catch (const std::runtime_error&) {
      return !bench.outputs().busy;
    }
    return false;
  };
  EXPECT_TRUE(refuses([](ArrayStart& start) { start.channels = 0; }));
  EXPECT_TRUE(refuses([](ArrayStart& start) { start.pixels = 0; }));
  EXPECT_TRUE(refuses([](ArrayStart& start) { start.steps = 0; }));
  EXPECT_TRUE(refuses([](ArrayStart& start) { start.mode.weight_bits = 3; }));
  EXPECT_TRUE(refuses([](ArrayStart& start) { start.low = -32769; }));
  EXPECT_TRUE(refuses([](ArrayStart& start) { start.high = 65536; }));
  EXPECT_TRUE(refuses([](ArrayStart& start) { start.low = 1, start.high = 0; }));
  EXPECT_FALSE(refuses([](ArrayStart& start) { start.low = start.high = 65535; }));
}

}  // namespace
}  // namespace tessera::rtl
