#include "pe/clocked_pe.hpp"

#include <gtest/gtest.h>

#include "pe/mode.hpp"

namespace tessera::pe {
namespace {

constexpr abi::PeMode kMode16{16, 16, true, false};

PeInputs product_of(int a, int w) {
  PeInputs inputs;
  inputs.mode = kMode16;
  inputs.activations = pack({a}, 16, true);
  inputs.weights = pack({w}, 16, true);
  inputs.valid = true;
  return inputs;
}

TEST(ModelPe, shows_a_sum_after_three_edges_and_not_before) {
  ModelPe pe;
  EXPECT_FALSE(pe.clock(product_of(3, 5)).accumulator_valid);
  EXPECT_FALSE(pe.clock({}).accumulator_valid);
  const PeOutputs third = pe.clock({});
  EXPECT_TRUE(third.accumulator_valid);
  EXPECT_EQ(third.accumulator, 15);
  const PeOutputs fourth = pe.clock({});
  EXPECT_FALSE(fourth.accumulator_valid);
  EXPECT_EQ(fourth.accumulator, 15);
}

TEST(ModelPe, clears_before_it_accumulates_and_captures_after) {
  ModelPe pe;
  pe.clock(product_of(3, 5));
  PeInputs last = product_of(2, 2);
  last.capture = true;
  pe.clock(last);
  PeInputs next_tile = product_of(-1, 7);
  next_tile.clear = true;
  pe.clock(next_tile);
  const PeOutputs captured = pe.clock({});
  EXPECT_TRUE(captured.captured);
  EXPECT_EQ(captured.shadow, 19);
  const PeOutputs after = pe.clock({});
  EXPECT_FALSE(after.captured);
  EXPECT_EQ(after.accumulator, -7);
  EXPECT_EQ(after.shadow, 19);
}

TEST(ModelPe, drains_at_once_but_a_capture_goes_first) {
  ModelPe pe;
  PeInputs drain;
  drain.drain = true;
  drain.drain_data = -5;
  drain.drain_overflow = true;
  EXPECT_EQ(pe.clock(drain).shadow, -5);
  PeInputs last = product_of(2, 3);
  last.capture = true;
  pe.clock(last);
  pe.clock({});
  const PeOutputs both = pe.clock(drain);
  EXPECT_EQ(both.shadow, 6);
  EXPECT_FALSE(both.shadow_overflow);
  EXPECT_EQ(pe.clock(drain).shadow, -5);
}

TEST(ModelPe, forgets_everything_on_reset) {
  ModelPe pe;
  pe.clock(product_of(3, 5));
  pe.reset();
  for (int cycle = 0; cycle < 4; ++cycle) {
    const PeOutputs outputs = pe.clock({});
    EXPECT_EQ(outputs.accumulator, 0);
    EXPECT_FALSE(outputs.accumulator_valid);
  }
}

TEST(ModelPe, refuses_an_impossible_mode) {
  ModelPe pe;
  PeInputs inputs;
  inputs.mode.weight_bits = 7;
  EXPECT_THROW(pe.clock(inputs), ModeError);
}

}  // namespace
}  // namespace tessera::pe
