#include <gtest/gtest.h>

#include "rtl/pe_cosim.hpp"

namespace tessera::rtl {
namespace {

TEST(PeMutant, is_found_by_the_co_simulation) {
  PeCosimOptions options;
  options.count = 200;
  const PeCosimResult result = run_pe_cosim(options);
  EXPECT_GT(result.value_mismatches + result.cycle_mismatches, 0U);
  ASSERT_FALSE(result.differences.empty());
  RecordProperty("first_difference", result.differences.front());
}

}  // namespace
}  // namespace tessera::rtl
