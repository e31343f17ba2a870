/// Line and toggle coverage of the RTL.

#include "rtl/rtl_coverage.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "pe/mode.hpp"
#include "rtl/array_cosim.hpp"

namespace tessera::rtl {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class CoverageFile : public testing::Test {
 protected:
  CoverageFile() {
    path_ = (std::filesystem::temp_directory_path() / "coverage-XXXXXX").string();
    const int descriptor = mkstemp(path_.data());
    EXPECT_GE(descriptor, 0);
  }
  ~CoverageFile() override { std::remove(path_.c_str()); }

  static std::string point(const std::string& kind, const std::string& module, int line,
                           const std::string& comment, const std::string& instance, int count) {
    const auto key = [](const std::string& name, const std::string& value) {
      return "\1" + name + "\2" + value;
    };
    return "C '" + key("f", "/somewhere/" + module + ".sv") + key("l", std::to_string(line)) +
           key("n", "3") + key("page", kind + "/" + module) + key("o", comment) +
           key("h", instance) + "' " + std::to_string(count) + "\n";
  }

  RtlCoverage read(const std::string& text) {
    std::ofstream(path_) << "# SystemC::Coverage-3\n" << text;
    return read_rtl_coverage(path_);
  }

  std::string path_;
};

TEST_F(CoverageFile, counts_a_point_once_for_all_instances_and_takes_the_best) {
  const RtlCoverage c =
      read(point("v_line", "pe", 7, "if", "a", 0) + point("v_line", "pe", 7, "if", "b", 4) +
           point("v_line", "pe", 9, "else", "a", 0) + point("v_line", "pe", 9, "else", "b", 0));
  EXPECT_EQ(c.line_points(), 2U);
  EXPECT_EQ(c.line_hits(), 1U);
  EXPECT_THAT(c.line_holes, ElementsAre("pe.sv:9 (else)"));
}

TEST_F(CoverageFile, wants_a_bit_to_rise_and_fall_in_one_instance) {
  const RtlCoverage c =
      read(point("v_toggle", "pe", 3, "q", "a", 1) + point("v_toggle", "pe", 3, "q", "b", 1) +
           point("v_toggle", "pe", 4, "r", "a", 2));
  EXPECT_EQ(c.toggle_points(), 2U);
  EXPECT_EQ(c.toggle_hits(), 1U);
  EXPECT_THAT(c.toggle_holes, ElementsAre("pe.sv:3 q"));
}

TEST_F(CoverageFile, puts_the_bits_of_a_signal_together) {
  std::string text;
  for (int bit : {0, 1, 2, 5, 30, 31}) {
    text += point("v_toggle", "pe", 3, "x_q[" + std::to_string(bit) + "]", "a", bit == 1 ? 9 : 0);
  }
  EXPECT_THAT(read(text).toggle_holes, ElementsAre("pe.sv:3 x_q[31:30,5,2,0]"));
}

TEST_F(CoverageFile, that_is_none_is_refused) {
  EXPECT_THROW(read(""), RtlCoverageError);
  EXPECT_THROW(read("C 'nonsense' 3\n"), RtlCoverageError);
  EXPECT_THROW(read(point("v_line", "pe", 1, "if", "a", 1).substr(0, 20)), RtlCoverageError);
  EXPECT_THROW(read_rtl_coverage("/no/such/file"), RtlCoverageError);
}

TEST(RtlCoverage, of_a_co_simulation_reaches_every_line_and_leaves_the_bits_of_large_counters) {
  ArrayCosimOptions options;
  options.rows = 2;
  options.columns = 4;
  options.tiles = 300;
  options.rtl_coverage = true;
  const ArrayCosimResult r = run_array_cosim(options);
  EXPECT_TRUE(r.agreed());
  ASSERT_TRUE(r.rtl_coverage);
  const RtlCoverage& c = *r.rtl_coverage;
  EXPECT_GT(c.line_points(), 50U);
  EXPECT_THAT(c.line_holes, testing::IsEmpty());
  EXPECT_GT(c.toggle_points(), 5000U);
  EXPECT_GT(c.toggle_hits(), c.toggle_points() * 9 / 10);
  EXPECT_THAT(c.toggle_holes, Contains(HasSubstr("array_sequencer.sv")));
  EXPECT_THAT(c.toggle_holes, Not(Contains(HasSubstr("output_path_hash.sv"))));
}

TEST(RtlCoverage, of_one_mode_leaves_the_shift_add_cells_alone) {
  ArrayCosimOptions options;
  options.rows = 2;
  options.columns = 4;
  options.tiles = 60;
  options.modes = {{8, 8, false, false}};
  options.rtl_coverage = true;
  const ArrayCosimResult r = run_array_cosim(options);
  ASSERT_TRUE(r.rtl_coverage);
  EXPECT_LT(r.rtl_coverage->toggle_hits(), r.rtl_coverage->toggle_points() * 9 / 10);
}

}  // namespace
}  // namespace tessera::rtl
