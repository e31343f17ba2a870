#include <gtest/gtest.h>

#include <cstdlib>
#include <systemc>

#include "support/run_tests.hpp"

// libsystemc brings a main of its own that prints a banner on stdout, where the test lister of
// CMake would trip over it: this one takes its place.
int main(int argc, char** argv) {
  setenv("SYSTEMC_DISABLE_COPYRIGHT_MESSAGE", "1", 1);
  return sc_core::sc_elab_and_sim(argc, argv);
}

int sc_main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  return tessera::test::run_tests();
}
