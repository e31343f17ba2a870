/// The checker that stands between RTL and model: it is silent when they agree, and finds, names
/// and reproduces what a fault changes.

#include "rtl/lockstep.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "pe/mode.hpp"
#include "rtl/pe_fault.hpp"
#include "rtl/replay.hpp"
#include "sample_run.hpp"

namespace tessera::rtl {
namespace {

constexpr chip::RunShape kShape{2, 4, 5, 11, 9};  // 3 blocks of 3 groups on 2x4
constexpr abi::PeMode kMode{8, 8, true, false};

npu::ArrayResult run_on(npu::ArrayBackend& array, const StoredRun& run, npu::MatrixClient& client) {
  return array.run(run.view(), client);
}

TEST(LockstepArray, agrees_in_every_mode_and_gives_the_models_answer) {
  LockstepArray lockstep(2, 4);
  npu::ModelArray model;
  uint32_t seed = 0;
  for (const abi::PeMode& mode : pe::all_modes()) {
    const StoredRun run = sample_run(mode, kShape, ++seed);
    npu::MatrixClient from_lockstep = run.client();
    npu::MatrixClient from_model = run.client();
    const npu::ArrayResult a = run_on(lockstep, run, from_lockstep);
    const npu::ArrayResult b = run_on(model, run, from_model);
    ASSERT_FALSE(lockstep.divergence()) << lockstep.divergence()->text();
    EXPECT_EQ(a.cycles.total, b.cycles.total);
    EXPECT_EQ(a.cycles.bank, b.cycles.bank);
    EXPECT_EQ(a.saturations, b.saturations);
    EXPECT_EQ(from_lockstep.accumulators, from_model.accumulators);
    EXPECT_EQ(from_lockstep.values, from_model.values);
  }
  EXPECT_EQ(lockstep.runs(), 40U);
  EXPECT_EQ(lockstep.tiles(), 40 * kShape.tiles());
  EXPECT_EQ(lockstep.results(), 40 * kShape.channels * kShape.pixels);
}

TEST(LockstepArray, agrees_when_banks_are_slower_than_the_array) {
  LockstepArray lockstep(2, 4);
  StoredRun run = sample_run(kMode, kShape, 77);
  run.bank_cycles = {15, 3, 40};
  npu::MatrixClient client = run.client();
  const npu::ArrayResult result = run_on(lockstep, run, client);
  EXPECT_FALSE(lockstep.divergence()) << lockstep.divergence()->text();
  EXPECT_EQ(result.cycles.total, chip::run_cycles(kShape, run.bank_cycles).total);
  EXPECT_GT(result.cycles.bank, 0U);
}

TEST(LockstepArray, agrees_on_the_channel_whose_accumulator_overflows) {
  const abi::PeMode mode{16, 16, true, false};
  const chip::RunShape shape{2, 4, 3, 2, 131073};
  StoredRun run = sample_run(mode, shape, 78);
  std::fill(run.activations.begin(), run.activations.end(), int16_t{-32768});
  std::fill(run.weights.begin(), run.weights.end(), int16_t{0});
  std::fill_n(run.weights.begin() + static_cast<std::ptrdiff_t>(run.stride), 131073,
              int16_t{-32768});
  LockstepArray lockstep(2, 4);
  npu::MatrixClient client = run.client();
  const npu::ArrayResult result = run_on(lockstep, run, client);
  EXPECT_FALSE(lockstep.divergence()) << lockstep.divergence()->text();
  EXPECT_TRUE(result.overflow.happened);
  EXPECT_EQ(result.overflow.channel, 1U);
}

class InjectedFault : public testing::TestWithParam<const char*> {};

TEST_P(InjectedFault, is_found_in_its_run_and_again_in_a_replay) {
  LockstepArray lockstep(2, 4);
  ArrayFault fault = parse_array_fault(GetParam());
  EXPECT_EQ(to_string(fault), GetParam());
  lockstep.rtl().inject(fault);
  int called = 0;
  lockstep.on_divergence([&] { ++called; });
  for (uint32_t i = 0; i < 4; ++i) {
    const StoredRun run = sample_run(kMode, kShape, 100 + i);
    npu::MatrixClient client = run.client();
    run_on(lockstep, run, client);
    ASSERT_EQ(lockstep.divergence().has_value(), i >= fault.run) << "after RUN " << i;
  }
  EXPECT_EQ(called, 1);
  EXPECT_EQ(lockstep.divergence()->run, fault.run);

  const std::string path = testing::TempDir() + "lockstep_test." + std::to_string(::getpid());
  write_stored_run(*lockstep.diverged_run(), path + ".json");
  const ReplayResult again = replay(read_stored_run(path + ".json"), path + ".fst");
  ASSERT_TRUE(again.divergence);
  Divergence expected = *lockstep.divergence();
  expected.run = 0;
  EXPECT_EQ(again.divergence->text(), expected.text());
  EXPECT_GT(std::filesystem::file_size(path + ".fst"), 100U);
  if (fault.target != ArrayFault::Target::kControl) {
    ASSERT_TRUE(again.wrong_step) << text_of(again);
    EXPECT_EQ(again.wrong_step->expected == again.wrong_step->got, false);
  }
  std::filesystem::remove(path + ".json");
  std::filesystem::remove(path + ".fst");
}

INSTANTIATE_TEST_SUITE_P(Places, InjectedFault,
                         testing::Values("acc:1,2,30@2:8", "a:3,9@1:4", "w:0,17@0:15",
                                         "feed_step,1@1:10", "columns_left,0@2:14",
                                         "capture,0@0:10", "clear,0@3:20", "step_valid,0@1:13",
                                         "state,1@0:30", "result_valid,0@2:22"),
                         [](const auto& info) {
                           std::string name = info.param;
                           for (char& c : name) {
                             if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
                           }
                           return name;
                         });

TEST(Replay, names_the_step_and_its_operands) {
  StoredRun run = sample_run(kMode, kShape, 5);
  run.fault = parse_array_fault("w:1,8@0:6");  // lane 1 of the fourth step or so
  const ReplayResult result = replay(run, "");
  ASSERT_TRUE(result.wrong_step) << text_of(result);
  const WrongStep& w = *result.wrong_step;
  EXPECT_EQ(w.cycle, 6U);
  EXPECT_EQ(w.step, 5U);  // cycle 0 fetches, the first step is handed over in cycle 1
  EXPECT_THAT(text_of(result), testing::HasSubstr("PE (1, "));
  EXPECT_THAT(w.operands, testing::StartsWith("activations "));
}

TEST(Replay, of_a_run_without_a_difference_says_so) {
  const ReplayResult result = replay(sample_run(kMode, kShape, 6), "");
  EXPECT_FALSE(result.divergence);
  EXPECT_EQ(text_of(result), "RTL and model agree");
  EXPECT_EQ(result.cycles, chip::run_cycles(kShape).total);
}

TEST(RtlArray, takes_no_longer_than_its_stalls) {
  RtlArray array(2, 4);
  array.set_stalls({30, 20, 25, 9});
  const StoredRun run = sample_run(kMode, kShape, 7);
  npu::MatrixClient client = run.client();
  const npu::ArrayResult result = run_on(array, run, client);
  npu::ModelArray model;
  npu::MatrixClient expected = run.client();
  run_on(model, run, expected);
  EXPECT_EQ(client.values, expected.values);
  EXPECT_GT(array.stall_cycles(), 0U);
  EXPECT_GT(result.cycles.total, chip::run_cycles(kShape).total);
  EXPECT_LE(result.cycles.total, chip::run_cycles(kShape).total + array.stall_cycles());
}

TEST(RtlArray, of_a_size_that_was_not_compiled_is_refused) {
  EXPECT_THROW(RtlArray(3, 7), ArrayError);
}

}  // namespace
}  // namespace tessera::rtl
