/// The firmware's own errors, provoked by images that are well-formed files with a program that
/// the NPU or the firmware must refuse.

#include <gmock/gmock.h>

#include <cstddef>
#include <cstring>
#include <functional>

#include "abi/image.hpp"
#include "system/run/networks.hpp"

namespace tessera::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;

/// CRC-32C (Castagnoli; RFC 3720, appendix B.4), bit by bit.
uint32_t crc32c(const std::string& bytes) {
  uint32_t crc = 0xFFFF'FFFF;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F6'3B78U : 0U);
  }
  return ~crc;
}

template <typename T>
T get(const std::string& bytes, size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value;
}

template <typename T>
void put(std::string& bytes, size_t offset, const T& value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(T));
}

size_t offset_of(const std::string& image, abi::Section section) {
  const auto header = get<abi::ImageHeader>(image, 0);
  for (uint32_t i = 0; i < header.section_count; ++i) {
    const auto entry =
        get<abi::SectionEntry>(image, sizeof(abi::ImageHeader) + i * sizeof(abi::SectionEntry));
    if (entry.id == static_cast<uint32_t>(section)) return entry.offset;
  }
  throw std::runtime_error("the image lacks a section");
}

class FirmwareError : public testing::Test {
 protected:
  /// LeNet-5 in 8 bit with its bytes changed and the CRC made right again.
  std::string changed_image(const std::function<void(std::string&)>& change) {
    const std::string path = deployed("lenet5-int8", "reference", folder_);
    std::string bytes = read_file(path);
    change(bytes);
    put(bytes, offsetof(abi::ImageHeader, crc32c), uint32_t{0});
    put(bytes, offsetof(abi::ImageHeader, crc32c), crc32c(bytes));
    write_file(path, bytes);
    return path;
  }

  /// The same with layer `index` changed.
  std::string image_with(uint32_t index, const std::function<void(abi::LayerProgram&)>& change) {
    return changed_image([&](std::string& bytes) {
      const size_t at =
          offset_of(bytes, abi::Section::kProgram) + index * sizeof(abi::LayerProgram);
      auto layer = get<abi::LayerProgram>(bytes, at);
      change(layer);
      put(bytes, at, layer);
    });
  }

  CommandResult run(const std::string& image, const std::string& core = "iss") {
    return tessera({"run", image, "--count", "1", "--core", core, "--max-cycles", "10000000",
                    "--json", folder_ / "report.json"});
  }

  bool wrote_a_report() const {
    return std::filesystem::exists(folder_ / "report.json") ||
           std::filesystem::exists(folder_ / "report.json.partial");
  }

  TemporaryFolder folder_;
};

TEST_F(FirmwareError, an_image_that_was_not_changed_runs) {
  const CommandResult result = run(image_with(0, [](abi::LayerProgram&) {}));
  EXPECT_EQ(result.status, 0) << result;
  EXPECT_TRUE(wrote_a_report());
}

TEST_F(FirmwareError, a_layer_of_an_illegal_width_is_named_with_its_cause) {
  const std::string image =
      image_with(1, [](abi::LayerProgram& l) { l.config.activation_bits = 3; });
  for (const char* core : {"iss", "native"}) {
    const CommandResult result = run(image, core);
    EXPECT_EQ(result.status, 1) << result;
    EXPECT_THAT(result.err, AllOf(HasSubstr("NPU error: layer 1 (conv2): illegal mode"),
                                  HasSubstr("compute engine")));
    EXPECT_FALSE(wrote_a_report());
  }
}

TEST_F(FirmwareError, a_layer_that_leaves_the_scratchpad_is_named_with_its_cause) {
  const CommandResult result =
      run(image_with(1, [](abi::LayerProgram& l) { l.config.input_row_pitch = 0x10'0000; }));
  EXPECT_EQ(result.status, 1) << result;
  EXPECT_THAT(result.err, HasSubstr("NPU error: layer 1 (conv2): scratchpad address out of range"));
  EXPECT_FALSE(wrote_a_report());
}

TEST_F(FirmwareError, a_layer_that_leaves_its_memory_is_refused_before_the_chip_sees_it) {
  const auto many_channels = [](abi::LayerProgram& l) { l.channels = 0x8000; };
  const CommandResult weights = run(image_with(0, many_channels));
  EXPECT_EQ(weights.status, 2) << weights;
  EXPECT_THAT(weights.err, AllOf(HasSubstr("layer conv1"), HasSubstr("weights lie beyond")));

  const CommandResult coded = run(image_with(2, many_channels));
  EXPECT_EQ(coded.status, 2) << coded;
  EXPECT_THAT(coded.err, AllOf(HasSubstr("layer fc1"), HasSubstr("coded weights lies beyond")));

  const CommandResult output =
      run(image_with(4, [](abi::LayerProgram& l) { l.output_offset = 0x7000'0000; }));
  EXPECT_EQ(output.status, 2) << output;
  EXPECT_THAT(output.err, AllOf(HasSubstr("layer fc3"), HasSubstr("output lies beyond")));
  EXPECT_FALSE(wrote_a_report());
}

TEST_F(FirmwareError, one_wrong_bias_on_the_chip_is_a_mismatch_with_the_reference) {
  const std::string image = changed_image([](std::string& bytes) {
    const auto layer = get<abi::LayerProgram>(
        bytes, offset_of(bytes, abi::Section::kProgram) + 4 * sizeof(abi::LayerProgram));
    const size_t at = offset_of(bytes, abi::Section::kParameters) + layer.parameter_offset +
                      3 * sizeof(abi::ChannelParameters);
    auto parameters = get<abi::ChannelParameters>(bytes, at);
    parameters.bias += 1 << parameters.shift / 2;
    put(bytes, at, parameters);
  });
  const CommandResult result = run(image);
  EXPECT_EQ(result.status, 1) << result;
  EXPECT_THAT(result.out, AllOf(HasSubstr("1 images differ"), HasSubstr("output 3: expected")));
  EXPECT_THAT(read_file(folder_ / "report.json"), HasSubstr("\"reference_mismatches\": 1"));
}

TEST_F(FirmwareError, a_run_cut_short_says_what_the_chip_was_doing) {
  const std::string image = image_with(0, [](abi::LayerProgram&) {});
  const CommandResult result = tessera({"run", image, "--count", "1", "--max-cycles", "20000"});
  EXPECT_EQ(result.status, 1) << result;
  EXPECT_THAT(result.err, AllOf(HasSubstr("no end after 20000 cycles"), HasSubstr("at pc 0x80"),
                                HasSubstr("load:"), HasSubstr("store:")));
}

}  // namespace
}  // namespace tessera::test
