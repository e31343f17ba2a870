#pragma once

/// Sweeps in a folder of the test's own.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>

#include "explore/sweep.hpp"

namespace tessera::explore {

inline std::string shipped_network(const std::string& name) {
  return std::string(TESSERA_SOURCE_DIR) + "/models/nets/" + name + ".onnx";
}

class SweepFiles : public testing::Test {
 protected:
  SweepFiles() {
    std::string pattern = (std::filesystem::temp_directory_path() / "tessera-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary folder");
    folder_ = pattern;
  }
  ~SweepFiles() override {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  std::string given(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
    return path(name);
  }

  std::string text_of(const std::string& name) const {
    std::ifstream file(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  /// The sweep of a file whose first lines name a chip and two networks; `rest` follows on line 5.
  Sweep sweep(const std::string& rest, const std::string& chip = "reference") const {
    return read_sweep(given("sweep.yaml", "chip: " + chip + "\nnetworks:\n  - " +
                                              shipped_network("lenet5-int8") + "\n  - " +
                                              shipped_network("lenet5-int4") + "\n" + rest));
  }

  void expect_refused(const std::string& rest, const std::string& message) const {
    try {
      sweep(rest);
      ADD_FAILURE() << "accepted: " << rest;
    } catch (const std::runtime_error& e) {
      EXPECT_THAT(e.what(), testing::HasSubstr("sweep.yaml:" + message));
    }
  }

 private:
  std::filesystem::path folder_;
};

}  // namespace tessera::explore
