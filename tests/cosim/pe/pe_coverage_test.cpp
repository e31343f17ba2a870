#include "rtl/pe_coverage.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pe/mode.hpp"

namespace tessera::rtl {
namespace {

using testing::Contains;
using testing::Not;

pe::PeInputs step_of(const abi::PeMode& mode, uint64_t activations, uint64_t weights) {
  pe::PeInputs inputs;
  inputs.mode = mode;
  inputs.activations.low = activations;
  inputs.weights.low = weights;
  inputs.valid = true;
  return inputs;
}

TEST(PeCoverage, starts_with_every_bin_a_hole) {
  const PeCoverage coverage(pe::all_modes());
  EXPECT_GT(coverage.bins(), 1000);
  EXPECT_EQ(coverage.covered(), 0);
  EXPECT_EQ(coverage.percent(), 0.0);
  EXPECT_EQ(coverage.holes().size(), static_cast<std::size_t>(coverage.bins()));
}

TEST(PeCoverage, counts_no_bin_that_the_format_cannot_reach) {
  // Signed 2-bit activations are -2, -1, 0, 1; unsigned ones 0, 1, 2, 3; weights -2 to 1.
  const auto holes_signed = PeCoverage(pe::modes_named("a2w2s")).holes();
  EXPECT_THAT(holes_signed, Contains("a2w2s: operands min x minus one"));
  EXPECT_THAT(holes_signed, Not(Contains("a2w2s: operands max x one")));
  EXPECT_THAT(holes_signed, Not(Contains("a2w2s: operands other x one")));
  const auto holes_unsigned = PeCoverage(pe::modes_named("a2w2u")).holes();
  EXPECT_THAT(holes_unsigned, Contains("a2w2u: operands max x one"));
  EXPECT_THAT(holes_unsigned, Not(Contains("a2w2u: operands minus one x one")));
  EXPECT_THAT(holes_unsigned, Not(Contains("a2w2u: overflow upwards")));
  EXPECT_THAT(PeCoverage(pe::modes_named("a16w16u")).holes(),
              Contains("a16w16u: overflow upwards"));
}

TEST(PeCoverage, sorts_a_step_into_the_classes_of_its_lanes) {
  const auto modes = pe::modes_named("a16w16s");
  PeCoverage coverage(modes);
  coverage.sample(step_of(modes[0], 0x8000, 0x7FFF));
  EXPECT_EQ(coverage.covered(), 2);
  EXPECT_THAT(coverage.holes(), Not(Contains("a16w16s: operands min x max")));
  EXPECT_THAT(coverage.holes(), Not(Contains("a16w16s: step")));
}

TEST(PeCoverage, knows_the_two_zeros_of_p4) {
  const abi::PeMode p4 = pe::modes_named("a4p4u")[0];
  EXPECT_EQ(weight_class(p4, 0b0111), OperandClass::kZero);
  EXPECT_EQ(weight_class(p4, 0b1111), OperandClass::kNegativeZero);
  EXPECT_EQ(weight_class(p4, 0b0000), OperandClass::kMax);
  EXPECT_EQ(weight_class(p4, 0b1000), OperandClass::kMin);
  EXPECT_EQ(weight_class(p4, 0b0110), OperandClass::kOne);
  EXPECT_EQ(weight_class(p4, 0b1110), OperandClass::kMinusOne);
  EXPECT_EQ(weight_class(p4, 0b0001), OperandClass::kOther);
}

TEST(PeCoverage, sees_a_drain_that_meets_a_capture_in_the_pipeline) {
  const auto modes = pe::modes_named("a8w8u");
  PeCoverage coverage(modes);
  pe::PeInputs capture = step_of(modes[0], 1, 1);
  capture.capture = true;
  pe::PeInputs idle;
  idle.mode = modes[0];
  pe::PeInputs drain = idle;
  drain.drain = true;
  coverage.sample(capture);
  coverage.sample(drain);
  EXPECT_THAT(coverage.holes(), Contains("a8w8u: drain under a capture"));
  coverage.sample(drain);
  EXPECT_THAT(coverage.holes(), Not(Contains("a8w8u: drain under a capture")));
}

}  // namespace
}  // namespace tessera::rtl
