#include "compress/checkpoint.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace tessera::compress {
namespace {

namespace fs = std::filesystem;

class CheckpointFile : public testing::Test {
 protected:
  void SetUp() override {
    path_ = (fs::temp_directory_path() / ("checkpoint_" + std::to_string(getpid()))).string();
  }
  void TearDown() override { fs::remove(path_); }

  std::string bytes() const {
    std::ifstream file(path_, std::ios::binary);
    return {(std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>()};
  }
  void put(const std::string& bytes) const { std::ofstream(path_, std::ios::binary) << bytes; }

  std::string path_;
  const Checkpoint sample_{"run 1",
                           7,
                           {{"a", {1.5F, -2}}, {"empty", {}}, {"b", {3}}},
                           {{"stage", "two\nlines"}, {"none", ""}}};
};

TEST_F(CheckpointFile, what_is_written_is_read) {
  write_checkpoint(sample_, path_);
  const auto back = read_checkpoint(path_);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->fingerprint, sample_.fingerprint);
  EXPECT_EQ(back->epochs_done, 7);
  EXPECT_EQ(back->tensors, sample_.tensors);
  EXPECT_FALSE(fs::exists(path_ + ".part"));
}

TEST_F(CheckpointFile, no_file_is_no_checkpoint) { EXPECT_FALSE(read_checkpoint(path_)); }

TEST_F(CheckpointFile, every_truncation_and_every_flipped_bit_is_noticed) {
  write_checkpoint(sample_, path_);
  const std::string good = bytes();
  for (size_t size = 0; size < good.size(); ++size) {
    put(good.substr(0, size));
    EXPECT_THROW(read_checkpoint(path_), std::runtime_error) << size;
  }
  for (size_t i = 0; i < good.size(); ++i) {
    if (i >= 20 && i < 24) continue;  // the header's padding
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    put(bad);
    EXPECT_THROW(read_checkpoint(path_), std::runtime_error) << i;
  }
}

TEST_F(CheckpointFile, a_folder_that_does_not_exist_is_an_error) {
  EXPECT_THROW(write_checkpoint(sample_, path_ + "/x/y"), std::runtime_error);
}

}  // namespace
}  // namespace tessera::compress
