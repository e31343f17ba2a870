/// Files that are no whole ONNX model.

#include "system/malformed/malformed_model.hpp"

namespace tessera::test {
namespace {

class MalformedFile : public MalformedModel {};

TEST_F(MalformedFile, starts_from_a_model_that_deploys_within_the_bounds) {
  expect_model_deployed(GoodModel());
  expect_model_deployed(ExportedModel());
}

TEST_F(MalformedFile, of_no_bytes_is_refused) { expect_bytes_refused("", {"no ONNX file"}); }

TEST_F(MalformedFile, with_another_magic_is_refused) {
  for (const std::string& head : {std::string("TIMG"),
                                  std::string("\x7f"
                                              "ELF\x01\x01"),
                                  std::string("PK\x03\x04"), std::string(64, '\0')}) {
    expect_bytes_refused(head + std::string(100, 'x'), {"no ONNX file"});
  }
}

TEST_F(MalformedFile, that_is_a_folder_is_refused) {
  expect_file_refused(folder_ / ".", {folder_ / ".", "folder"});
}

TEST_F(MalformedFile, that_is_a_device_or_a_pipe_is_refused) {
  expect_file_refused("/dev/zero", {"/dev/zero", "no regular file"});
}

TEST_F(MalformedFile, that_does_not_exist_is_refused) {
  expect_file_refused(folder_ / "none.onnx", {"none.onnx", "no such file"});
}

TEST_F(MalformedFile, that_ends_early_is_refused_wherever_it_is_cut) {
  const std::string bytes = GoodModel().bytes();
  for (size_t size = 1; size < bytes.size(); size += 23) {
    expect_bytes_refused(bytes.substr(0, size), {});
  }
}

TEST_F(MalformedFile, whose_fields_claim_more_than_the_file_holds_is_refused) {
  // Field 7 (the graph), length-delimited, of 2^31 - 1 bytes.
  expect_bytes_refused(std::string("\x3a\xff\xff\xff\xff\x07", 6) + "abc", {"no ONNX file"});
}

TEST_F(MalformedFile, of_messages_nested_without_end_is_refused) {
  const auto wrapped = [](const char* tag, const std::string& message) {
    std::string length;
    size_t size = message.size();
    for (; size > 0x7f; size >>= 7) length += static_cast<char>((size & 0x7f) | 0x80);
    return tag + length + static_cast<char>(size) + message;
  };
  // A graph whose node (1) has an attribute (5) that holds a graph (6) whose node ..
  std::string nested;
  for (int i = 0; i < 1000; ++i) {
    nested = wrapped("\x0a", wrapped("\x2a", wrapped("\x32", nested)));
  }
  expect_bytes_refused(GoodModel().bytes() + wrapped("\x3a", nested), {"no ONNX file"});
}

TEST_F(MalformedFile, in_place_of_an_image_is_refused_by_inspect_and_run) {
  const std::string net = given("net.onnx", GoodModel().bytes());
  const Bounds bounds;
  expect_refused({"inspect", net}, {"net.onnx", "not a Tessera image"});
}

}  // namespace
}  // namespace tessera::test
