/// Functional coverage of the array's co-simulation, without the RTL.

#include "rtl/array_coverage.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "pe/mode.hpp"

namespace tessera::rtl {
namespace {

using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

ExpectedRun expected_of(const DrawnRun& drawn) {
  npu::ModelArray model;
  npu::MatrixClient client = drawn.run.client();
  return rtl::expected_of(model, drawn.run.view(), client);
}

/// A RUN on 2x4 PEs that saturates nothing: 8-bit ones.
DrawnRun plain_run(uint64_t channels, uint64_t pixels, uint64_t steps) {
  DrawnRun drawn;
  StoredRun& run = drawn.run;
  run.mode = {8, 8, false, false};
  run.shape = {2, 4, channels, pixels, steps};
  run.bank_cycles.assign(run.shape.groups(), 0);
  run.stride = (4 * steps + 31) / 32 * 32;
  const auto ones = [&](std::vector<int16_t>& elements, uint64_t rows) {
    elements.assign(rows * run.stride, 0);
    for (uint64_t i = 0; i < elements.size(); ++i) elements[i] = i % run.stride < 4 * steps;
  };
  ones(run.weights, channels);
  ones(run.activations, pixels);
  run.positions.assign(pixels, 0);
  run.parameters.assign(channels, {0, 1, 0, 0});
  run.rescaling = {false, 0, 0, 0, 255};
  return drawn;
}

std::vector<std::string> covered_by(const DrawnRun& drawn) {
  ArrayCoverage coverage({drawn.run.mode});
  std::vector<std::string> before = coverage.holes();
  coverage.sample(drawn, expected_of(drawn));
  const std::vector<std::string> after = coverage.holes();
  std::vector<std::string> names;
  for (const std::string& name : before) {
    if (std::find(after.begin(), after.end(), name) == after.end()) names.push_back(name);
  }
  return names;
}

TEST(ArrayCoverage, starts_empty_and_names_every_bin) {
  const ArrayCoverage coverage(pe::all_modes());
  EXPECT_EQ(coverage.covered(), 0);
  EXPECT_EQ(coverage.holes().size(), static_cast<std::size_t>(coverage.bins()));
  EXPECT_THAT(coverage.holes(), Contains("a8w4s: 1x1, ragged rows, full columns, stochastic"));
}

TEST(ArrayCoverage, has_no_bins_for_what_cannot_be) {
  const std::vector<std::string> bins = ArrayCoverage({{8, 8, true, false}}).holes();
  EXPECT_THAT(bins, Each(Not(HasSubstr("depthwise, full rows"))));
  EXPECT_THAT(bins, Each(Not(testing::MatchesRegex(".*fully connected, .* full columns.*"))));
  EXPECT_THAT(bins, Each(Not(HasSubstr("overflow"))));
  EXPECT_THAT(bins, Each(Not(HasSubstr("another mode"))));
  EXPECT_THAT(ArrayCoverage({{16, 16, true, false}}).holes(), Contains("overflow: upwards"));
}

TEST(ArrayCoverage, tells_the_edges_of_a_runs_tiles_apart) {
  DrawnRun drawn = plain_run(3, 6, 2);
  drawn.segments = 2;
  const std::vector<std::string> bins = covered_by(drawn);
  for (const char* rows : {"full", "ragged"}) {
    for (const char* columns : {"full", "ragged"}) {
      EXPECT_THAT(bins, Contains(std::string("a8w8u: convolution, ") + rows + " rows, " + columns +
                                 " columns, half up"));
    }
  }
  EXPECT_THAT(bins, Each(Not(HasSubstr("stochastic"))));
}

TEST(ArrayCoverage, tells_mappings_apart) {
  EXPECT_THAT(covered_by(plain_run(2, 4, 3)),
              Contains("a8w8u: 1x1, full rows, full columns, half up"));
  EXPECT_THAT(covered_by(plain_run(1, 4, 3)),
              Contains("a8w8u: depthwise, ragged rows, full columns, half up"));
  EXPECT_THAT(covered_by(plain_run(4, 1, 3)),
              Contains("a8w8u: fully connected, full rows, ragged columns, half up"));
}

TEST(ArrayCoverage, tells_when_operands_come_late) {
  DrawnRun drawn = plain_run(2, 8, 2);
  drawn.run.bank_cycles = {2, 3};
  EXPECT_THAT(covered_by(drawn),
              Contains("fetch: operands late, hidden by the drain, fewer steps than columns"));
  drawn.run.bank_cycles = {2, 5};
  EXPECT_THAT(covered_by(drawn), Contains("fetch: operands late, fewer steps than columns"));
  drawn.run.bank_cycles = {3, 2};
  EXPECT_THAT(covered_by(drawn),
              Contains("fetch: operands of the first tile late, fewer steps than columns"));
}

TEST(ArrayCoverage, tells_what_the_clamp_does) {
  DrawnRun drawn = plain_run(2, 4, 1);
  EXPECT_THAT(covered_by(drawn), Contains("clamp: within u8"));
  drawn.run.parameters = {{256, 1, 0, 0}, {-5, 1, 0, 0}};
  const std::vector<std::string> bins = covered_by(drawn);
  EXPECT_THAT(bins, Contains("clamp: above u8"));
  EXPECT_THAT(bins, Contains("clamp: below u8"));
  EXPECT_THAT(bins, Not(Contains("clamp: within u8")));
  drawn.run.parameters = {{251, 1, 0, 0}, {-4, 1, 0, 0}};
  EXPECT_THAT(covered_by(drawn), Contains("clamp: within u8")) << "255 and 0 are not clamped";
}

TEST(ArrayCoverage, counts_words_of_zeros_only) {
  DrawnRun drawn = plain_run(2, 4, 2);
  EXPECT_THAT(covered_by(drawn), Not(Contains("a8w8u: weight word of zeros")));
  std::fill_n(drawn.run.weights.begin() + 4, 3, int16_t{0});
  EXPECT_THAT(covered_by(drawn), Not(Contains("a8w8u: weight word of zeros")));
  std::fill_n(drawn.run.weights.begin() + 4, 4, int16_t{0});
  EXPECT_THAT(covered_by(drawn), Contains("a8w8u: weight word of zeros"));
}

class CoverageDrivenStimulus : public testing::TestWithParam<std::pair<uint32_t, uint32_t>> {};

TEST_P(CoverageDrivenStimulus, draws_for_every_empty_bin_a_run_that_fills_it) {
  const auto [rows, columns] = GetParam();
  const std::vector<abi::PeMode> modes = {
      {2, 2, false, false}, {8, 4, true, true}, {16, 16, false, false}};
  ArrayCoverage coverage(modes);
  ArrayStimulus stimulus(rows, columns, modes, 5);
  DrawnRun first = stimulus.draw({});
  coverage.sample(first, expected_of(first));
  while (const auto wish = coverage.wish(0)) {
    const std::string wanted = coverage.holes().front();
    // A bin that asks for another mode before is filled unless the mode before was the same.
    for (int tries = 0; tries < 10; ++tries) {
      const DrawnRun drawn = stimulus.draw(*wish);
      coverage.sample(drawn, expected_of(drawn));
      if (coverage.holes().empty() || coverage.holes().front() != wanted) break;
      if (wanted.find("another mode") == std::string::npos) FAIL() << wanted;
      const DrawnRun other = stimulus.draw({});
      coverage.sample(other, expected_of(other));
    }
    ASSERT_FALSE(!coverage.holes().empty() && coverage.holes().front() == wanted) << wanted;
  }
  EXPECT_THAT(coverage.holes(), IsEmpty());
  EXPECT_EQ(coverage.percent(), 100.0);
}

INSTANTIATE_TEST_SUITE_P(Sizes, CoverageDrivenStimulus,
                         testing::Values(std::pair{2U, 4U}, std::pair{4U, 8U}, std::pair{16U, 16U}),
                         [](const auto& info) {
                           return std::to_string(info.param.first) + "x" +
                                  std::to_string(info.param.second);
                         });

}  // namespace
}  // namespace tessera::rtl
