/// Exported vectors, run by Icarus Verilog.

#include "rtl/array_vectors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "pe/mode.hpp"

namespace tessera::rtl {
namespace {

using testing::HasSubstr;

class ExportedVectors : public testing::Test {
 protected:
  ExportedVectors() {
    std::string pattern = (std::filesystem::temp_directory_path() / "vectors-XXXXXX").string();
    folder_ = mkdtemp(pattern.data());
  }
  ~ExportedVectors() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  /// A RUN in each of three modes, with the first seed that makes few steps of them: Icarus takes a
  /// second for each.
  void export_some() {
    VectorOptions options;
    options.modes = {{8, 8, false, false}, {4, 4, true, true}, {16, 16, true, false}};
    options.tiles = 4;
    VectorSummary summary;
    for (options.seed = 1;; ++options.seed) {
      summary = export_vectors(options, folder_);
      if (summary.runs == options.modes.size() && summary.steps <= 14) break;
      ASSERT_LT(options.seed, 1000U);
    }
    EXPECT_GE(summary.tiles, options.tiles);
    EXPECT_GT(summary.columns, summary.runs);
  }

  std::string read(const std::string& name) const {
    std::ifstream file(folder_ + "/" + name);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  /// What run.sh prints, and whether its exit status is 0.
  std::pair<std::string, bool> simulate() {
    const std::string command = folder_ + "/run.sh > " + folder_ + "/out 2>&1";
    const int status = std::system(command.c_str());
    return {read("out"), WIFEXITED(status) && WEXITSTATUS(status) == 0};
  }

  /// Inverts a bit of the lowest hexadecimal digit of line `line` of golden.hex.
  void break_golden(std::size_t line) {
    std::string text = read("golden.hex");
    std::size_t end = text.find('\n');
    for (std::size_t i = 0; i < line; ++i) end = text.find('\n', end + 1);
    const std::string digits = "0123456789abcdef";
    text[end - 1] = digits[digits.find(text[end - 1]) ^ 1U];
    std::ofstream(folder_ + "/golden.hex") << text;
  }

  std::string folder_;
};

TEST_F(ExportedVectors, pass_on_the_rtl) {
  export_some();
  const auto [out, passed] = simulate();
  EXPECT_TRUE(passed) << out;
  EXPECT_THAT(out, HasSubstr("PASS: "));
}

TEST_F(ExportedVectors, fail_where_a_golden_word_is_wrong) {
  export_some();
  break_golden(3);
  const auto [out, passed] = simulate();
  EXPECT_FALSE(passed) << out;
  EXPECT_THAT(out, HasSubstr("FAIL: "));
  EXPECT_THAT(out, HasSubstr("accumulator, row 0: expected"));
}

TEST_F(ExportedVectors, fail_where_the_rtl_is_wrong) {
  export_some();
  const std::string path = folder_ + "/rtl/array_sequencer.sv";
  std::string text = read("rtl/array_sequencer.sv");
  const std::string original = "drain_pixel_q + 32'd1";
  ASSERT_NE(text.find(original), std::string::npos);
  text.replace(text.find(original), original.size(), "drain_pixel_q + 32'd2");
  std::ofstream(path) << text;
  const auto [out, passed] = simulate();
  EXPECT_FALSE(passed) << out;
  EXPECT_THAT(out, HasSubstr("pixel of a column: expected 1, got 2"));
}

TEST_F(ExportedVectors, repeat_themselves_with_the_same_seed) {
  export_some();
  const std::string first = read("golden.hex");
  export_some();
  EXPECT_EQ(read("golden.hex"), first);
  EXPECT_FALSE(first.empty());
}

TEST_F(ExportedVectors, for_a_folder_that_cannot_be_written_are_refused) {
  VectorOptions options;
  EXPECT_THROW(export_vectors(options, "/proc/none"), VectorError);
  options.tiles = 0;
  EXPECT_THROW(export_vectors(options, folder_), VectorError);
  options = {};
  options.modes = {{3, 8, false, false}};
  EXPECT_THROW(export_vectors(options, folder_), pe::ModeError);
}

}  // namespace
}  // namespace tessera::rtl
