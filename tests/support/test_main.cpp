#include <gtest/gtest.h>

#include "support/run_tests.hpp"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return tessera::test::run_tests();
}
