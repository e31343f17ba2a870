#include "rtl/pe_fault.hpp"

#include <gtest/gtest.h>

namespace tessera::rtl {
namespace {

TEST(PeFault, is_read_from_target_bit_and_vector) {
  const PeFault a = parse_pe_fault("a:127@0");
  EXPECT_EQ(a.target, PeFault::Target::kActivation);
  EXPECT_EQ(a.bit, 127);
  EXPECT_EQ(a.vector, 0U);
  const PeFault w = parse_pe_fault("w:3@18446744073709551615");
  EXPECT_EQ(w.target, PeFault::Target::kWeight);
  EXPECT_EQ(w.vector, 18446744073709551615U);
  EXPECT_EQ(parse_pe_fault("acc:47@12").target, PeFault::Target::kAccumulator);
}

TEST(PeFault, that_makes_no_sense_is_an_error_that_repeats_it) {
  for (const char* text : {"", "a", "a:1", "a@1:2", "b:1@2", "a:128@0", "acc:48@0", "a:-1@0",
                           "a:x@0", "a:1@", "a:1@2x", "a: 1@2", "a:1@18446744073709551616"}) {
    try {
      parse_pe_fault(text);
      FAIL() << "'" << text << "' was taken for a fault";
    } catch (const CosimOptionError& error) {
      EXPECT_NE(std::string(error.what()).find("'" + std::string(text) + "'"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace tessera::rtl
