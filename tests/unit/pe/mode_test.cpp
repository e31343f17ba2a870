#include "pe/mode.hpp"

#include <gtest/gtest.h>

#include <set>

namespace tessera::pe {
namespace {

TEST(PeModes, there_are_forty_with_different_names) {
  std::set<std::string> names;
  for (const abi::PeMode& mode : all_modes()) {
    EXPECT_NO_THROW(check_mode(mode));
    names.insert(mode_name(mode));
  }
  EXPECT_EQ(names.size(), 40U);
  EXPECT_EQ(names.count("a16w2s"), 1U);
  EXPECT_EQ(names.count("a8p4u"), 1U);
}

TEST(PeModes, a_name_stands_for_the_mode_that_bears_it) {
  for (const abi::PeMode& mode : all_modes()) {
    const auto found = modes_named(mode_name(mode));
    ASSERT_EQ(found.size(), 1U) << mode_name(mode);
    EXPECT_TRUE(same_mode(found[0], mode)) << mode_name(mode);
  }
  EXPECT_EQ(modes_named("all").size(), 40U);
  EXPECT_EQ(modes_named("p4").size(), 8U);
  EXPECT_EQ(modes_named("a4w16").size(), 2U);
}

TEST(PeModes, an_unknown_name_is_an_error_that_repeats_it) {
  for (const char* name : {"", "a8", "a8w3", "w8a8", "a8w8x", "p8", "ALL"}) {
    try {
      modes_named(name);
      FAIL() << "'" << name << "' was taken for a mode";
    } catch (const ModeError& error) {
      EXPECT_NE(std::string(error.what()).find("'" + std::string(name) + "'"), std::string::npos);
    }
  }
}

TEST(PeModes, impossible_widths_are_refused) {
  EXPECT_THROW(check_mode({3, 8, false, false}), ModeError);
  EXPECT_THROW(check_mode({8, 0, false, false}), ModeError);
  EXPECT_THROW(check_mode({8, 32, false, false}), ModeError);
  EXPECT_THROW(check_mode({8, 8, false, true}), ModeError);
}

}  // namespace
}  // namespace tessera::pe
