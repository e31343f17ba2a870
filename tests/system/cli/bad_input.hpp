#pragma once

/// What every refusal of bad input has in common.

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "system/run/command.hpp"

namespace tessera::test {

/// Runs the command and expects: exit status 2; nothing on stdout; one or two lines on stderr, the
/// first of which begins with the command's name, that hold each of `clues` (what, where).
inline void expect_refusal(const std::vector<std::string>& arguments,
                           const std::vector<std::string>& clues,
                           const Environment& environment = {}) {
  const CommandResult result = tessera(arguments, environment);
  EXPECT_EQ(result.status, 2) << result;
  EXPECT_EQ(result.out, "");
  EXPECT_GE(result.err_lines(), 1) << result;
  EXPECT_LE(result.err_lines(), 2) << result;
  EXPECT_THAT(result.err, testing::StartsWith("tessera"));
  for (const std::string& clue : clues) EXPECT_THAT(result.err, testing::HasSubstr(clue));
}

/// A folder in which the inputs of a refused command lie, and nothing else may.
class BadInput : public testing::Test {
 protected:
  /// Writes an input; its path.
  std::string given(const std::string& name, const std::string& bytes) {
    write_file(folder_ / name, bytes);
    return folder_ / name;
  }
  /// A path for a result that must not come to be.
  std::string output(const std::string& name) const { return folder_ / name; }

  /// expect_refusal, and no file appeared or vanished: no output, no partial one.
  void expect_refused(const std::vector<std::string>& arguments,
                      const std::vector<std::string>& clues, const Environment& environment = {}) {
    const std::vector<std::string> before = folder_.list();
    expect_refusal(arguments, clues, environment);
    EXPECT_EQ(folder_.list(), before) << "files were left behind";
  }

  TemporaryFolder folder_;
};

}  // namespace tessera::test
