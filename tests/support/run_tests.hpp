#pragma once

#include <gtest/gtest.h>

#include <cstdio>

namespace tessera::test {

/// Runs the selected tests. Returns 0 only if at least one ran and none failed, so that a wrong
/// filter or a missing registration cannot pass for success.
inline int run_tests() {
  const int failed = RUN_ALL_TESTS();
  const auto& unit = *testing::UnitTest::GetInstance();
  if (!GTEST_FLAG_GET(list_tests) && unit.test_to_run_count() == 0) {
    std::fputs("error: no test ran\n", stderr);
    return 1;
  }
  return failed;
}

}  // namespace tessera::test
