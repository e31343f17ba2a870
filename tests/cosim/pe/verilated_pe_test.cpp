#include "rtl/verilated_pe.hpp"

#include <gtest/gtest.h>

#include "pe/mode.hpp"

namespace tessera::rtl {
namespace {

pe::PeInputs product_of(int a, int w) {
  pe::PeInputs inputs;
  inputs.mode = {16, 16, true, false};
  inputs.activations = pe::pack({a}, 16, true);
  inputs.weights = pe::pack({w}, 16, true);
  inputs.valid = true;
  return inputs;
}

TEST(VerilatedPe, shows_a_sum_after_the_documented_latency) {
  VerilatedPe device;
  pe::PeOutputs outputs = device.clock(product_of(-300, 111));
  for (int edge = 2; edge <= pe::kLatencyCycles; ++edge) {
    EXPECT_FALSE(outputs.accumulator_valid);
    EXPECT_EQ(outputs.accumulator, 0);
    outputs = device.clock({});
  }
  EXPECT_TRUE(outputs.accumulator_valid);
  EXPECT_EQ(outputs.accumulator, -33300);
  EXPECT_FALSE(device.clock({}).accumulator_valid);
}

TEST(VerilatedPe, instances_share_nothing) {
  VerilatedPe first;
  VerilatedPe second;
  first.clock(product_of(5, 5));
  second.clock(product_of(7, 7));
  for (int edge = 0; edge < 2; ++edge) {
    first.clock({});
    second.clock({});
  }
  EXPECT_EQ(first.clock({}).accumulator, 25);
  EXPECT_EQ(second.clock({}).accumulator, 49);
}

TEST(VerilatedPe, forgets_everything_on_reset_even_what_is_in_the_pipeline) {
  VerilatedPe device;
  for (int edge = 0; edge < 5; ++edge) {
    pe::PeInputs inputs = product_of(9, 9);
    inputs.capture = true;
    device.clock(inputs);
  }
  device.reset();
  for (int edge = 0; edge < 5; ++edge) {
    const pe::PeOutputs outputs = device.clock({});
    EXPECT_EQ(outputs.accumulator, 0);
    EXPECT_EQ(outputs.shadow, 0);
    EXPECT_FALSE(outputs.accumulator_valid);
    EXPECT_FALSE(outputs.captured);
  }
}

TEST(VerilatedPe, drains_48_bits_of_whatever_it_is_given) {
  VerilatedPe device;
  pe::PeInputs inputs;
  inputs.drain = true;
  inputs.drain_data = (int64_t{1} << 50) | 3;
  EXPECT_EQ(device.clock(inputs).shadow, 3);
  inputs.drain_data = -4;
  EXPECT_EQ(device.clock(inputs).shadow, -4);
}

TEST(VerilatedPe, refuses_an_impossible_mode) {
  VerilatedPe device;
  pe::PeInputs inputs;
  inputs.mode.activation_bits = 12;
  EXPECT_THROW(device.clock(inputs), pe::ModeError);
}

}  // namespace
}  // namespace tessera::rtl
