/// The random co-simulation of the array: that it passes, covers everything, and can fail.

#include "rtl/array_cosim.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pe/mode.hpp"
#include "rtl/pe_fault.hpp"
#include "rtl/replay.hpp"

namespace tessera::rtl {
namespace {

using testing::IsEmpty;

ArrayCosimResult run_with(uint32_t rows, uint32_t columns, uint64_t tiles, uint64_t seed) {
  ArrayCosimOptions options;
  options.rows = rows;
  options.columns = columns;
  options.tiles = tiles;
  options.seed = seed;
  return run_array_cosim(options);
}

void expect_agreement(const ArrayCosimResult& r) {
  EXPECT_EQ(r.value_mismatches, 0U);
  EXPECT_EQ(r.cycle_mismatches, 0U);
  EXPECT_THAT(r.differences, IsEmpty());
  EXPECT_GT(r.exact_cycles, r.cycles / 10);
  EXPECT_LT(r.exact_cycles, r.cycles) << "no RUN was stalled";
}

TEST(ArrayCosim, rtl_and_model_agree_and_every_reachable_bin_is_met_on_4x8) {
  const ArrayCosimResult r = run_with(4, 8, 10'000, 1);
  expect_agreement(r);
  EXPECT_THAT(r.holes, IsEmpty());
  EXPECT_EQ(r.coverage_percent, 100.0);
  EXPECT_EQ(r.modes.size(), 40U);
  EXPECT_TRUE(r.passed());
}

TEST(ArrayCosim, rtl_and_model_agree_and_every_reachable_bin_is_met_with_another_seed_on_2x4) {
  const ArrayCosimResult r = run_with(2, 4, 5000, 20'260);
  expect_agreement(r);
  EXPECT_THAT(r.holes, IsEmpty());
  EXPECT_TRUE(r.passed());
}

TEST(ArrayCosim, of_too_few_tiles_fails_and_names_the_holes) {
  const ArrayCosimResult r = run_with(2, 4, 50, 1);
  expect_agreement(r);
  EXPECT_FALSE(r.passed());
  EXPECT_THAT(r.holes, testing::Contains(testing::HasSubstr("a16w16s: convolution")));
}

TEST(ArrayCosim, repeats_itself) {
  const ArrayCosimResult first = run_with(2, 4, 200, 7);
  const ArrayCosimResult second = run_with(2, 4, 200, 7);
  EXPECT_EQ(first.cycles, second.cycles);
  EXPECT_EQ(first.holes, second.holes);
  EXPECT_NE(first.cycles, run_with(2, 4, 200, 8).cycles);
}

ArrayCosimOptions small() {
  ArrayCosimOptions options;
  options.rows = 2;
  options.columns = 4;
  options.modes = pe::modes_named("a8w8");
  options.tiles = 200;
  options.seed = 38;  // RUN 12 is one in which every fault below shows
  return options;
}

/// One fault of each kind, in RUN 12.
class InjectedFault : public testing::TestWithParam<const char*> {};

TEST_P(InjectedFault, is_found_and_a_replay_shows_the_same_difference) {
  ArrayCosimOptions options = small();
  options.inject = parse_array_fault(GetParam());
  const ArrayCosimResult r = run_array_cosim(options);
  EXPECT_EQ(r.fault_effect, FaultEffect::kFound);
  EXPECT_FALSE(r.agreed());
  EXPECT_FALSE(r.passed());
  ASSERT_TRUE(r.first && r.diverged_run);

  const StoredRun stored = stored_run_from_json(to_json(*r.diverged_run));
  if (!stored.fault) {
    EXPECT_GT(r.first->run, options.inject->run) << "the RUN of the fault must carry it";
    return;
  }
  const ReplayResult again = replay(stored, "");
  ASSERT_TRUE(again.divergence);
  EXPECT_EQ(again.divergence->what, r.first->what);
  EXPECT_EQ(again.divergence->cycle, r.first->cycle);
  EXPECT_EQ(again.divergence->tile, r.first->tile);
  EXPECT_EQ(again.divergence->row, r.first->row);
  EXPECT_EQ(again.divergence->column, r.first->column);
  EXPECT_EQ(again.divergence->expected, r.first->expected);
  EXPECT_EQ(again.divergence->got, r.first->got);
}

INSTANTIATE_TEST_SUITE_P(Targets, InjectedFault,
                         testing::Values("a:0,3@12:4", "w:1,2@12:4", "acc:0,1,40@12:6",
                                         "state,0@12:4", "feed_channel,0@12:4", "feed_pixel,0@12:4",
                                         "feed_step,0@12:4", "columns_left,1@12:12",
                                         "credits,1@12:4", "column_channel,0@12:6",
                                         "column_pixel,0@12:6", "step_valid,0@12:5", "clear,0@12:5",
                                         "capture,0@12:8", "result_valid,0@12:5"));

TEST(ArrayCosim, names_the_step_whose_operand_was_flipped) {
  ArrayCosimOptions options = small();
  options.inject = parse_array_fault("w:1,2@12:4");
  const ArrayCosimResult r = run_array_cosim(options);
  ASSERT_TRUE(r.diverged_run);
  const ReplayResult again = replay(*r.diverged_run, "");
  ASSERT_TRUE(again.wrong_step);
  EXPECT_GE(again.wrong_step->cycle, 4U);
  EXPECT_LT(again.wrong_step->cycle, r.first->cycle);
  EXPECT_NE(again.wrong_step->expected, again.wrong_step->got);
  EXPECT_EQ(replay(*r.diverged_run, "").wrong_step->cycle, again.wrong_step->cycle);
}

TEST(ArrayCosim, says_so_if_a_fault_changes_nothing_or_never_strikes) {
  ArrayCosimOptions options = small();
  options.tiles = 50;
  options.inject = parse_array_fault("a:0,127@3:2");  // above the lanes of 8x8 bit
  ArrayCosimResult r = run_array_cosim(options);
  EXPECT_EQ(r.fault_effect, FaultEffect::kNoEffect);
  EXPECT_TRUE(r.agreed());
  EXPECT_FALSE(r.passed());
  options.inject = parse_array_fault("acc:0,0,0@100000:0");
  r = run_array_cosim(options);
  EXPECT_EQ(r.fault_effect, FaultEffect::kNotStruck);
  EXPECT_FALSE(r.passed());
}

TEST(ArrayCosim, refuses_what_it_cannot_do) {
  ArrayCosimOptions options = small();
  options.tiles = 0;
  EXPECT_THROW(run_array_cosim(options), CosimOptionError);
  options = small();
  options.rows = 3;
  EXPECT_THROW(run_array_cosim(options), ArrayError);
  options = small();
  options.inject = parse_array_fault("acc:2,0,0@0:0");
  EXPECT_THROW(run_array_cosim(options), CosimOptionError);
  options = small();
  options.rows = 4;
  options.columns = 8;
  options.rtl_coverage = true;
  EXPECT_THROW(run_array_cosim(options), ArrayError);
  options = small();
  options.modes = {{3, 8, false, false}};
  EXPECT_THROW(run_array_cosim(options), pe::ModeError);
}

}  // namespace
}  // namespace tessera::rtl
