#include "deploy/image.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "chip/chip.hpp"
#include "deploy/deploy.hpp"
#include "fuzz/network/random_graph.hpp"

namespace tessera::deploy {
namespace {

using abi::Section;
using testing::HasSubstr;

/// CRC-32C (Castagnoli), a bit at a time, from its reflected polynomial.
uint32_t crc32c(const std::vector<uint8_t>& bytes) {
  uint32_t crc = ~0U;
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int i = 0; i < 8; ++i) crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82F6'3B78U : 0);
  }
  return ~crc;
}

const chip::Chip& edge() {
  static const chip::Chip chip = chip::load_chip("edge");
  return chip;
}

std::vector<uint8_t> random_image_file(uint64_t seed) {
  return deploy(fuzz::random_graph(seed), edge()).image;
}

/// The message that refuses the bytes.
std::string refusal(const std::vector<uint8_t>& bytes) {
  try {
    Image::parse(bytes, "net.timg");
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "accepted";
}

/// Overwrites a word and makes the CRC right again.
std::vector<uint8_t> forged(std::vector<uint8_t> bytes, size_t offset, uint32_t value) {
  std::memcpy(bytes.data() + offset, &value, sizeof(value));
  const uint32_t zero = 0;
  constexpr size_t kCrc = offsetof(abi::ImageHeader, crc32c);
  std::memcpy(bytes.data() + kCrc, &zero, sizeof(zero));
  const uint32_t crc = crc32c(bytes);
  std::memcpy(bytes.data() + kCrc, &crc, sizeof(crc));
  return bytes;
}

/// Two layers of 4 channels on 2x3 maps of 8 bits: input -> arena -> output, the second with the
/// arena's tensor as residual.
ImageContents small_contents() {
  ImageContents c;
  c.network_name = "net";
  c.chip_name = "tiny";
  c.chip_yaml = "name: tiny\n";
  c.chip_fingerprint = 0x1234;
  c.arena_bytes = 64;
  c.input = {add_name(c.names, "x"), 4, 2, 3, 8, 0, 4, 12, 0, 255, 0x3F80'0000, 0};
  c.output = {add_name(c.names, "y"), 4, 2, 3, 8, 1, 4, 12, -128, 127, 0x3F00'0000, 0};
  c.normalization.mean = {0.5F, 0.25F};
  c.normalization.std = {0.125F, 2.0F};
  for (uint32_t i = 0; i < 2; ++i) {
    abi::LayerProgram l = {};
    l.name = add_name(c.names, "layer" + std::to_string(i));
    l.rows = 2;
    l.columns = 3;
    l.channels = 4;
    l.rows_per_tile = 2;
    l.columns_per_tile = 3;
    l.channels_per_tile = 4;
    l.input_space = i == 0 ? abi::TensorSpace::kInput : abi::TensorSpace::kArena;
    l.output_space = i == 0 ? abi::TensorSpace::kArena : abi::TensorSpace::kOutput;
    l.input_rows = 2;
    l.input_columns = 3;
    l.input_pixel_bytes = l.config.input_pixel_pitch = 4;
    l.input_row_step = l.input_row_window = 1;
    l.input_column_step = l.input_column_window = 1;
    l.config.input_row_pitch = 12;
    l.output_pixel_bytes = 4;
    l.output_row_bytes = 12;
    l.weight_offset = i * 64;
    l.weight_channel_bytes = 16;
    l.parameter_offset = i * 32;
    l.config.activation_bits = l.config.weight_bits = l.config.output_bits = 8;
    l.config.segment_elements = 4;
    l.config.segments_y = l.config.segments_x = 1;
    l.config.pixel_step_y = l.config.pixel_step_x = 1;
    l.config.spread_y = l.config.spread_x = 1;
    l.config.pool_h = l.config.pool_w = l.config.pool_stride_y = l.config.pool_stride_x = 1;
    l.config.convolution_width = 3;
    l.config.output_pixel_pitch = 4;
    l.config.output_row_pitch = 12;
    c.layers.push_back(l);
  }
  abi::LayerProgram& second = c.layers[1];
  second.config.residual_bits = 8;
  second.config.residual_pixel_pitch = 4;
  second.config.residual_row_pitch = 12;
  second.config.add_shift = 1;
  second.residual_space = abi::TensorSpace::kArena;
  second.residual_pixel_bytes = 4;
  second.residual_row_bytes = 12;
  c.weights.assign(128, 7);
  c.parameters.assign(64, 9);
  return c;
}

TEST(Image, what_was_built_is_read_back) {
  const ImageContents c = small_contents();
  const auto bytes = build_image(c);
  const Image image = Image::parse(bytes, "net.timg");
  EXPECT_EQ(image.bytes(), bytes);
  EXPECT_EQ(image.network_name(), "net");
  EXPECT_EQ(image.chip_name(), "tiny");
  EXPECT_EQ(image.section(Section::kChip), c.chip_yaml);
  EXPECT_EQ(image.header().arena_bytes, 64U);
  EXPECT_EQ(image.section(Section::kWeights), std::string(128, 7));
  EXPECT_EQ(image.section(Section::kParameters), std::string(64, 9));
  EXPECT_TRUE(image.section(Section::kGraph).empty());
  ASSERT_EQ(image.layers().size(), 2U);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(std::memcmp(&image.layers()[i], &c.layers[i], sizeof(abi::LayerProgram)), 0);
    EXPECT_EQ(image.name(image.layers()[i].name), "layer" + std::to_string(i));
  }
  EXPECT_EQ(std::memcmp(&image.input(), &c.input, sizeof(abi::IoTensor)), 0);
  EXPECT_EQ(std::memcmp(&image.output(), &c.output, sizeof(abi::IoTensor)), 0);
  const auto input = image.input_network();
  EXPECT_EQ(input.normalization.mean, c.normalization.mean);
  EXPECT_EQ(input.normalization.std, c.normalization.std);
  EXPECT_EQ(input.input_high, 255);
}

TEST(Image, the_checksum_is_crc32c_of_the_file_with_its_own_word_zero) {
  const std::string digits = "123456789";
  ASSERT_EQ(crc32c({digits.begin(), digits.end()}), 0xE306'9283U) << "the oracle itself";
  auto bytes = build_image(small_contents());
  abi::ImageHeader header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  std::memset(bytes.data() + offsetof(abi::ImageHeader, crc32c), 0, 4);
  EXPECT_EQ(header.crc32c, crc32c(bytes));
}

TEST(Image, a_deployed_network_is_an_image_with_its_layers_and_its_graph) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    const auto graph = fuzz::random_graph(seed);
    const Deployment d = deploy(graph, edge());
    const Image image = Image::parse(d.image, "net.timg");
    ASSERT_EQ(image.layers().size(), d.layers.size());
    EXPECT_EQ(image.chip_name(), "edge");
    EXPECT_FALSE(image.section(Section::kGraph).empty());
    EXPECT_LE(image.header().device_bytes, image.header().total_bytes);
    const Image stripped = Image::parse(deploy(graph, edge(), {true}).image, "net.timg");
    EXPECT_TRUE(stripped.section(Section::kGraph).empty());
    EXPECT_EQ(stripped.section(Section::kWeights), image.section(Section::kWeights));
  }
}

TEST(Image, every_corrupted_header_byte_is_refused) {
  const auto bytes = random_image_file(1);
  for (size_t i = 0; i < sizeof(abi::ImageHeader); ++i) {
    for (int bit = 0; bit < 8; ++bit) {
      auto damaged = bytes;
      damaged[i] = static_cast<uint8_t>(damaged[i] ^ 1U << bit);
      ASSERT_NE(refusal(damaged), "accepted") << "byte " << i << ", bit " << bit;
    }
  }
}

TEST(Image, flipped_bits_anywhere_are_refused) {
  const auto bytes = build_image(small_contents());
  for (size_t i = 0; i < bytes.size() * 8; ++i) {
    auto damaged = bytes;
    damaged[i / 8] = static_cast<uint8_t>(damaged[i / 8] ^ 1U << i % 8);
    ASSERT_NE(refusal(damaged), "accepted") << "bit " << i;
  }
}

TEST(Image, every_truncation_and_every_extension_is_refused) {
  const auto bytes = build_image(small_contents());
  for (size_t size = 0; size < bytes.size(); ++size) {
    ASSERT_NE(refusal({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}),
              "accepted")
        << size << " bytes";
  }
  auto longer = bytes;
  longer.push_back(0);
  EXPECT_THAT(refusal(longer), HasSubstr("truncated or damaged"));
}

TEST(Image, files_of_another_kind_or_version_say_so) {
  EXPECT_THAT(refusal(std::vector<uint8_t>(500, 'a')), HasSubstr("is not a Tessera image"));
  EXPECT_THAT(refusal({}), HasSubstr("too short"));
  const auto other = forged(build_image(small_contents()), offsetof(abi::ImageHeader, version), 9);
  EXPECT_THAT(refusal(other), HasSubstr("version 9"));
  EXPECT_THAT(refusal(other), HasSubstr("net.timg"));
}

TEST(Image, sections_that_leave_the_file_are_refused_even_with_a_right_checksum) {
  const auto bytes = build_image(small_contents());
  constexpr size_t kTable = sizeof(abi::ImageHeader);
  ASSERT_EQ(refusal(forged(bytes, kTable + 12, 0)), "accepted") << "the forger itself";
  const auto count = Image::parse(bytes, "").sections().size();
  for (size_t i = 0; i < count; ++i) {
    const size_t entry = kTable + i * sizeof(abi::SectionEntry);
    for (const uint32_t offset : {uint32_t{1}, 0xFFFF'FFC0U, 0x8000'0000U}) {
      EXPECT_THAT(refusal(forged(bytes, entry + 4, offset)), HasSubstr("section"));
    }
    for (const uint32_t size : {0xFFFF'FFFFU, static_cast<uint32_t>(bytes.size())}) {
      EXPECT_NE(refusal(forged(bytes, entry + 8, size)), "accepted") << "section " << i;
    }
  }
  EXPECT_THAT(refusal(forged(bytes, offsetof(abi::ImageHeader, section_count), 1 << 20)),
              HasSubstr("section table"));
  EXPECT_NE(refusal(forged(bytes, offsetof(abi::ImageHeader, layer_count), 3)), "accepted");
  EXPECT_NE(refusal(forged(bytes, offsetof(abi::ImageHeader, layer_count), 0)), "accepted");
  EXPECT_NE(refusal(forged(bytes, offsetof(abi::ImageHeader, device_bytes), 0xFFFF'FFFF)),
            "accepted");
  EXPECT_NE(refusal(forged(bytes, offsetof(abi::ImageHeader, device_bytes), 64)), "accepted");
}

/// A change to the contents, and what the refusal must mention.
struct BadContents {
  const char* what;
  std::function<void(ImageContents&)> change;
  const char* mention;
};

TEST(Image, offsets_of_layers_are_checked) {
  const auto first = [](ImageContents& c) -> abi::LayerProgram& { return c.layers[0]; };
  const auto second = [](ImageContents& c) -> abi::LayerProgram& { return c.layers[1]; };
  const auto space = [](uint32_t value) { return static_cast<abi::TensorSpace>(value); };
  const BadContents cases[] = {
      {"name", [&](auto& c) { first(c).name = 10'000; }, "name"},
      {"weights", [&](auto& c) { second(c).weight_offset = 65; }, "layer1"},
      {"weights wrap", [&](auto& c) { second(c).weight_channel_bytes = 0x4000'0000; }, "layer1"},
      {"parameters", [&](auto& c) { second(c).parameter_offset = 33; }, "layer1"},
      {"empty", [&](auto& c) { first(c).rows = 0; }, "layer0"},
      {"tile", [&](auto& c) { first(c).channels_per_tile = 0; }, "layer0"},
      {"channels without slices", [&](auto& c) { first(c).map_by_channels = 1; }, "layer0"},
      {"arena input", [&](auto& c) { second(c).input_offset = 41; }, "layer1"},
      {"arena output", [&](auto& c) { first(c).output_offset = 41; }, "layer0"},
      {"wide output", [&](auto& c) { first(c).output_pixel_bytes = 30; }, "layer0"},
      {"residual", [&](auto& c) { second(c).residual_offset = 41; }, "layer1"},
      {"input beyond the input", [&](auto& c) { first(c).input_rows = 3; }, "layer0"},
      {"output beyond the output", [&](auto& c) { second(c).output_offset = 1; }, "layer1"},
      {"input space", [&](auto& c) { first(c).input_space = space(4); }, "layer0"},
      {"output space", [&](auto& c) { first(c).output_space = space(7); }, "layer0"},
      {"residual space", [&](auto& c) { second(c).residual_space = space(4); }, "layer1"},
      {"beyond the scratchpad",
       [&](auto& c) {
         first(c).output_space = abi::TensorSpace::kActivations;
         first(c).output_offset = abi::kLocalRegionBytes - 23;
       },
       "layer0"},
      {"residual pixel", [&](auto& c) { second(c).residual_pixel_bytes = 0; }, "layer1"},
  };
  ASSERT_EQ(refusal(build_image(small_contents())), "accepted");
  for (const BadContents& bad : cases) {
    ImageContents c = small_contents();
    bad.change(c);
    EXPECT_THAT(refusal(build_image(c)), HasSubstr(bad.mention)) << bad.what;
  }
}

/// The first layer's weights coded in two blocks of 2 channels: a table of 3 symbols, then words.
ImageContents coded_contents() {
  ImageContents c = small_contents();
  c.layers[0].channels_per_tile = 2;
  c.layers[0].weight_tables = 1;
  c.layers[0].weight_pieces = 1;
  c.layers[1].weight_offset = 64;
  c.weight_pieces = {99, 0, 28, 34, 44};
  std::fill(c.weights.begin(), c.weights.begin() + 28, uint8_t{0});
  c.weights[0] = 1;  // a code of a bit, two of 2 bits
  c.weights[2] = 2;
  return c;
}

TEST(Image, coded_weights_are_read_back) {
  const Image image = Image::parse(build_image(coded_contents()), "net.timg");
  EXPECT_EQ(image.weight_pieces(), coded_contents().weight_pieces);
  EXPECT_EQ(image.weight_bytes(image.layers()[0]), 44U + 4 * 4U);
  EXPECT_EQ(image.weight_bytes(image.layers()[1]), 64U);
}

TEST(Image, coded_weights_are_checked) {
  const auto first = [](ImageContents& c) -> abi::LayerProgram& { return c.layers[0]; };
  const BadContents cases[] = {
      {"tables", [&](auto& c) { first(c).weight_tables = 3; }, "3 tables"},
      {"index", [&](auto& c) { first(c).weight_pieces = 2; }, "index"},
      {"index wraps", [&](auto& c) { first(c).weight_pieces = 0xFFFF'FFFF; }, "index"},
      {"no index", [&](auto& c) { c.weight_pieces.clear(); }, "index"},
      {"more blocks than pieces", [&](auto& c) { first(c).channels_per_tile = 1; }, "index"},
      {"order", [&](auto& c) { c.weight_pieces[2] = 36; }, "order"},
      {"empty block", [&](auto& c) { c.weight_pieces[3] = 28; }, "order"},
      {"odd", [&](auto& c) { c.weight_pieces[3] = 35; }, "order"},
      {"beyond", [&](auto& c) { c.weight_pieces[4] = 130; }, "beyond"},
      {"offset", [&](auto& c) { first(c).weight_offset = 86; }, "beyond"},
      {"offset wraps", [&](auto& c) { first(c).weight_offset = 0xFFFF'FFF0; }, "beyond"},
      {"no prefix code", [&](auto& c) { c.weights[0] = 2; }, "no prefix code"},
      {"short table", [&](auto& c) { c.weight_pieces[2] = 26; }, "another size"},
      {"bytes wrap", [&](auto& c) { first(c).weight_channel_bytes = 0x4000'0000; }, "bytes"},
      {"long index", [&](auto& c) { c.weight_pieces.resize(abi::kMaxWeightPieces + 1); }, "index"},
  };
  ASSERT_EQ(refusal(build_image(coded_contents())), "accepted");
  for (const BadContents& bad : cases) {
    ImageContents c = coded_contents();
    bad.change(c);
    EXPECT_THAT(refusal(build_image(c)), HasSubstr(bad.mention)) << bad.what;
  }
}

TEST(Image, a_deployed_network_with_coded_weights_is_an_image) {
  DeployOptions options;
  options.coding = Coding::kEverywhere;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    const Deployment d = deploy(fuzz::random_graph(seed), edge(), options);
    const Image image = Image::parse(d.image, "net.timg");
    for (size_t i = 0; i < d.layers.size(); ++i) {
      EXPECT_NE(image.layers()[i].weight_tables, 0U);
      EXPECT_EQ(image.weight_bytes(image.layers()[i]), d.layers[i].coded_bytes);
    }
  }
}

TEST(Image, input_and_output_tensors_are_checked) {
  const BadContents cases[] = {
      {"bits", [](auto& c) { c.input.bits = 3; }, "input"},
      {"no bits", [](auto& c) { c.output.bits = 0; }, "output"},
      {"many bits", [](auto& c) { c.output.bits = 32; }, "output"},
      {"channels", [](auto& c) { c.input.channels = 0; }, "input"},
      {"pixel", [](auto& c) { c.output.pixel_bytes = 3; }, "output"},
      {"row", [](auto& c) { c.output.row_bytes = 11; }, "output"},
      {"huge", [](auto& c) { c.input.height = 0x4000'0000; }, "input"},
      {"range", [](auto& c) { c.input.low = 300; }, "input"},
  };
  for (const BadContents& bad : cases) {
    ImageContents c = small_contents();
    bad.change(c);
    EXPECT_THAT(refusal(build_image(c)), HasSubstr(bad.mention)) << bad.what;
  }
}

TEST(Image, an_image_for_another_chip_names_both) {
  const Image image = Image::parse(random_image_file(2), "net.timg");
  EXPECT_NO_THROW(image.require_chip(chip::fingerprint(edge()), "edge"));
  try {
    image.require_chip(chip::fingerprint(chip::load_chip("reference")), "reference");
    FAIL() << "it fits another chip";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("chip edge"));
    EXPECT_THAT(error.what(), HasSubstr("chip reference"));
    EXPECT_THAT(error.what(), HasSubstr("net.timg"));
  }
}

TEST(Image, files_come_back_and_missing_ones_are_named) {
  const auto bytes = build_image(small_contents());
  const std::string path = testing::TempDir() + "/image_test.timg";
  write_file(path, bytes.data(), bytes.size());
  EXPECT_EQ(Image::read(path).bytes(), bytes);
  std::remove(path.c_str());
  try {
    Image::read(path);
    FAIL() << "it was removed";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr(path));
  }
  EXPECT_THROW(write_file("/nowhere/net.timg", bytes.data(), bytes.size()), std::runtime_error);
}

}  // namespace
}  // namespace tessera::deploy
