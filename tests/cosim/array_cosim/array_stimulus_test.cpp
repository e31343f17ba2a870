/// Random RUNs, without the RTL.

#include "rtl/array_stimulus.hpp"

#include <gtest/gtest.h>

#include "pe/mode.hpp"

namespace tessera::rtl {
namespace {

TEST(ArrayStimulus, draws_runs_that_a_replay_file_can_hold) {
  ArrayStimulus stimulus(4, 8, pe::all_modes(), 3);
  for (int i = 0; i < 400; ++i) {
    const StoredRun run = stimulus.draw({}).run;
    const StoredRun back = stored_run_from_json(to_json(run));
    ASSERT_EQ(back.weights, run.weights) << run.name();
    ASSERT_EQ(back.activations, run.activations) << run.name();
    ASSERT_EQ(back.bank_cycles, run.bank_cycles) << run.name();
    ASSERT_EQ(back.rescaling.low, run.rescaling.low) << run.name();
    ASSERT_EQ(back.stalls.seed, run.stalls.seed) << run.name();
  }
}

TEST(ArrayStimulus, repeats_itself_with_the_same_seed_and_not_with_another) {
  ArrayStimulus first(2, 4, pe::all_modes(), 8);
  ArrayStimulus same(2, 4, pe::all_modes(), 8);
  ArrayStimulus other(2, 4, pe::all_modes(), 9);
  bool differs = false;
  for (int i = 0; i < 20; ++i) {
    const auto json = to_json(first.draw({}).run);
    ASSERT_EQ(json, to_json(same.draw({}).run));
    differs = differs || json != to_json(other.draw({}).run);
  }
  EXPECT_TRUE(differs);
}

TEST(ArrayStimulus, ends_segments_within_their_last_step_and_pads_with_zeros) {
  const abi::PeMode mode{4, 4, true, false};
  const auto lanes = static_cast<uint64_t>(abi::lanes(mode));
  ArrayStimulus stimulus(4, 8, {mode}, 4);
  RunWish wish;
  wish.mapping = Mapping::kConvolution;
  bool padded = false;
  for (int i = 0; i < 200; ++i) {
    const DrawnRun drawn = stimulus.draw(wish);
    ASSERT_GT(drawn.segments, 1U);
    const uint64_t segment_lanes = drawn.run.shape.steps / drawn.segments * lanes;
    ASSERT_EQ(drawn.run.shape.steps % drawn.segments, 0U);
    // A lane that is zero in every segment of every row is padding.
    uint64_t used = segment_lanes;
    const auto unused = [&](uint64_t lane) {
      for (uint64_t row = 0; row < drawn.run.weights.size(); row += drawn.run.stride) {
        for (uint64_t s = 0; s < drawn.segments; ++s) {
          if (drawn.run.weights[row + s * segment_lanes + lane] != 0) return false;
        }
      }
      return true;
    };
    while (used > 0 && unused(used - 1)) --used;
    padded = padded || used < segment_lanes;
  }
  EXPECT_TRUE(padded);
}

TEST(ArrayStimulus, refuses_a_wish_that_no_run_fulfils) {
  ArrayStimulus stimulus(2, 4, pe::all_modes(), 1);
  RunWish wish;
  wish.mapping = Mapping::kFullyConnected;
  wish.several_groups = true;
  EXPECT_THROW(stimulus.draw(wish), std::logic_error);
}

}  // namespace
}  // namespace tessera::rtl
