/// Images that `run` and `inspect` must refuse.

#include "abi/image.hpp"

#include <cstddef>

#include "system/cli/bad_input.hpp"

namespace tessera::test {
namespace {

class BadImage : public BadInput {
 protected:
  BadImage() : image_(folder_ / "net.timg") {
    must_succeed({"deploy", shipped_network("lenet5-int8"), "-o", image_});
    good_ = read_file(image_);
  }

  void expect_refused_everywhere(const std::string& bytes, const std::vector<std::string>& clues) {
    given("net.timg", bytes);
    expect_refused({"run", image_, "--count", "1", "--json", output("report.json")}, clues);
    expect_refused({"inspect", image_, "--export", "hex", "-o", output("hex")}, clues);
  }

  std::string image_;
  std::string good_;
};

TEST_F(BadImage, truncated_anywhere_is_refused) {
  for (const size_t bytes : {good_.size() - 1, good_.size() / 2, sizeof(abi::ImageHeader)}) {
    SCOPED_TRACE(bytes);
    given("net.timg", good_.substr(0, bytes));
    expect_refused({"run", image_, "--count", "1", "--json", output("report.json")},
                   {"net.timg", "truncated"});
  }
  expect_refused_everywhere(good_.substr(0, 20), {"net.timg", "too short"});
}

TEST_F(BadImage, with_bytes_after_its_end_is_refused) {
  expect_refused_everywhere(good_ + "x", {"net.timg", "damaged"});
}

TEST_F(BadImage, with_one_bit_flipped_is_refused) {
  for (const size_t at : {good_.size() - 1, good_.size() / 3, offsetof(abi::ImageHeader, crc32c)}) {
    SCOPED_TRACE(at);
    std::string bytes = good_;
    bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
    given("net.timg", bytes);
    expect_refused({"run", image_, "--count", "1", "--json", output("report.json")},
                   {"net.timg", "damaged", "CRC"});
  }
}

TEST_F(BadImage, of_another_version_is_refused_with_both_versions) {
  std::string bytes = good_;
  bytes[offsetof(abi::ImageHeader, version)] = 9;
  expect_refused_everywhere(bytes, {"net.timg", "version 9", "version 5", "deploy"});
}

TEST_F(BadImage, for_another_chip_is_refused_with_both_chips) {
  expect_refused({"run", image_, "--chip", "edge", "--json", output("report.json")},
                 {"net.timg", "chip reference", "chip edge", "deploy"});
}

TEST_F(BadImage, that_is_no_image_is_refused) {
  expect_refused({"run", shipped_network("lenet5-int8"), "--json", output("report.json")},
                 {"lenet5-int8.onnx", "not a Tessera image"});
  expect_refused_everywhere("", {"net.timg", "too short"});
}

TEST_F(BadImage, that_does_not_exist_is_named) {
  expect_refused({"run", folder_ / "none.timg"}, {"none.timg", "cannot be opened"});
}

TEST_F(BadImage, that_is_a_folder_is_named) {
  std::filesystem::create_directory(folder_ / "folder.timg");
  expect_refused({"run", folder_ / "folder.timg"}, {"folder.timg"});
}

}  // namespace
}  // namespace tessera::test
