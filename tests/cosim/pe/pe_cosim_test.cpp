#include "rtl/pe_cosim.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "broken_pe.hpp"
#include "pe/mode.hpp"

namespace tessera::rtl {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

/// TESSERA_TEST_SEED, or a fixed seed.
uint64_t test_seed() {
  const char* text = std::getenv("TESSERA_TEST_SEED");
  return text == nullptr ? 7U : std::strtoull(text, nullptr, 0);
}

PeCosimOptions options_for(const std::string& modes, uint64_t count) {
  PeCosimOptions options;
  options.modes = pe::modes_named(modes);
  options.count = count;
  options.seed = test_seed();
  return options;
}

std::string explain(const PeCosimResult& result) {
  std::string text = "TESSERA_TEST_SEED=" + std::to_string(result.seed);
  for (const std::string& difference : result.differences) text += "\n" + difference;
  for (const std::string& hole : result.holes) text += "\nhole: " + hole;
  return text;
}

TEST(PeCosim, rtl_and_model_agree_in_all_modes_and_nothing_reachable_is_left_out) {
  PeCosimOptions options;
  options.count = 2000;
  options.seed = test_seed();
  const PeCosimResult result = run_pe_cosim(options);
  EXPECT_EQ(result.modes.size(), 40U);
  EXPECT_GE(result.vectors, 41U * 2000U);
  EXPECT_EQ(result.value_mismatches, 0U) << explain(result);
  EXPECT_EQ(result.cycle_mismatches, 0U) << explain(result);
  EXPECT_THAT(result.holes, IsEmpty());
  EXPECT_DOUBLE_EQ(result.coverage_percent, 100.0);
  EXPECT_TRUE(result.passed());
}

TEST(PeCosim, directed_vectors_alone_reach_every_bin) {
  const PeCosimResult result = run_pe_cosim(options_for("all", 0));
  EXPECT_THAT(result.holes, IsEmpty());
  EXPECT_TRUE(result.passed()) << explain(result);
}

TEST(PeCosim, a_single_mode_can_be_run) {
  const PeCosimResult result = run_pe_cosim(options_for("a4w8s", 500));
  EXPECT_THAT(result.modes, testing::ElementsAre("a4w8s"));
  EXPECT_TRUE(result.passed()) << explain(result);
}

TEST(PeCosim, the_same_seed_gives_the_same_run) {
  const PeCosimResult first = run_pe_cosim(options_for("p4", 200));
  const PeCosimResult second = run_pe_cosim(options_for("p4", 200));
  EXPECT_EQ(first.vectors, second.vectors);
  EXPECT_EQ(first.cycles, second.cycles);
  PeCosimOptions other = options_for("p4", 200);
  other.seed += 1;
  EXPECT_NE(run_pe_cosim(other).cycles, first.cycles);
}

TEST(PeCosim, a_mode_asked_for_twice_is_run_once) {
  PeCosimOptions options = options_for("a8w8s", 10);
  options.modes.push_back(options.modes.front());
  const PeCosimResult result = run_pe_cosim(options);
  EXPECT_EQ(result.modes.size(), 1U);
  EXPECT_TRUE(result.passed()) << explain(result);
}

TEST(PeCosim, an_impossible_mode_is_refused) {
  PeCosimOptions options;
  options.modes = {{8, 8, false, true}};
  EXPECT_THROW(run_pe_cosim(options), pe::ModeError);
}

TEST(PeCosim, every_injected_operand_bit_is_caught_where_it_strikes) {
  for (const abi::PeMode& mode : pe::modes_named("a8w4s")) {
    for (const PeFault::Target target : {PeFault::Target::kActivation, PeFault::Target::kWeight}) {
      const int bits = target == PeFault::Target::kActivation ? abi::activation_word_bits(mode)
                                                              : abi::weight_word_bits(mode);
      for (int bit = 0; bit < bits; ++bit) {
        PeCosimOptions options = options_for("a8w4s", 50);
        options.inject = PeFault{target, bit, 100};
        const PeCosimResult result = run_pe_cosim(options);
        ASSERT_GE(result.injected_vector.value(), 100U);
        ASSERT_GT(result.value_mismatches, 0U) << "bit " << bit;
        ASSERT_EQ(result.cycle_mismatches, 0U);
        ASSERT_THAT(result.differences.front(),
                    HasSubstr("vector " + std::to_string(*result.injected_vector)));
      }
    }
  }
}

TEST(PeCosim, every_injected_accumulator_bit_is_caught) {
  for (int bit = 0; bit < abi::kAccumulatorBits; ++bit) {
    PeCosimOptions options = options_for("a8w8s", 10);
    options.inject = PeFault{PeFault::Target::kAccumulator, bit, 40};
    const PeCosimResult result = run_pe_cosim(options);
    ASSERT_GT(result.value_mismatches, 0U) << "bit " << bit;
    ASSERT_FALSE(result.passed());
    ASSERT_THAT(result.differences.front(), HasSubstr("expected"));
  }
}

TEST(PeCosim, only_the_first_few_differences_are_put_into_words) {
  UnsignedPe device;
  const PeCosimResult result = run_pe_cosim(options_for("a8w8s", 1000), device);
  EXPECT_GT(result.value_mismatches, 100U);
  EXPECT_EQ(result.differences.size(), 5U);
}

TEST(PeCosim, a_fault_that_strikes_nothing_is_an_error) {
  PeCosimOptions options = options_for("a8w8s", 10);
  options.inject = PeFault{PeFault::Target::kActivation, 127, 0};
  EXPECT_THROW(run_pe_cosim(options), CosimOptionError);
  options.inject = PeFault{PeFault::Target::kAccumulator, 0, uint64_t{1} << 40};
  EXPECT_THROW(run_pe_cosim(options), CosimOptionError);
}

TEST(PeCosimChecker, accepts_the_model_itself) {
  pe::ModelPe device;
  EXPECT_TRUE(run_pe_cosim(options_for("all", 100), device).passed());
}

TEST(PeCosimChecker, finds_a_pe_that_is_a_cycle_late) {
  LatePe device;
  const PeCosimResult result = run_pe_cosim(options_for("a8w8u", 100), device);
  EXPECT_GT(result.cycle_mismatches, 0U);
  EXPECT_GT(result.value_mismatches, 0U);
}

TEST(PeCosimChecker, finds_a_missing_strobe_though_every_value_is_right) {
  MutePe device;
  const PeCosimResult result = run_pe_cosim(options_for("a8w8u", 100), device);
  EXPECT_GT(result.cycle_mismatches, 0U);
  EXPECT_EQ(result.value_mismatches, 0U);
  EXPECT_FALSE(result.passed());
}

TEST(PeCosimChecker, finds_a_dropped_sign_in_every_signed_mode) {
  for (const abi::PeMode& mode : pe::all_modes()) {
    if (!mode.activation_signed) continue;
    UnsignedPe device;
    EXPECT_GT(run_pe_cosim(options_for(pe::mode_name(mode), 0), device).value_mismatches, 0U)
        << pe::mode_name(mode);
  }
}

TEST(PeCosimChecker, finds_a_missing_overflow_flag) {
  NeverOverflowingPe device;
  EXPECT_GT(run_pe_cosim(options_for("a16w16u", 0), device).value_mismatches, 0U);
}

TEST(PeCosimChecker, finds_a_drain_that_overrules_a_capture) {
  DrainFirstPe device;
  EXPECT_GT(run_pe_cosim(options_for("a2w2u", 0), device).value_mismatches, 0U);
}

TEST(PeCosimChecker, finds_a_p4_word_of_ones_taken_for_zero) {
  ZeroSkippingPe device;
  EXPECT_GT(run_pe_cosim(options_for("a4p4u", 0), device).value_mismatches, 0U);
}

}  // namespace
}  // namespace tessera::rtl
