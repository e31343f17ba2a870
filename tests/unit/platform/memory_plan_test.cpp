#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "abi/memory_map.hpp"
#include "chip/chip.hpp"
#include "deploy/image.hpp"
#include "platform/loader.hpp"

namespace tessera::platform {
namespace {

using testing::HasSubstr;

/// One layer from an input of `side` x `side` pixels to an output of 1x1, with `weight_bytes`.
deploy::Image image_of(uint32_t side, uint32_t arena_bytes, uint32_t weight_bytes) {
  deploy::ImageContents c;
  c.network_name = "net";
  c.chip_name = "edge";
  c.arena_bytes = arena_bytes;
  c.input = {deploy::add_name(c.names, "x"), 3, side, side, 8, 0, 3, side * 3, 0, 255, 0, 0};
  c.output = {deploy::add_name(c.names, "y"), 10, 1, 1, 16, 1, 20, 20, -32768, 32767, 0, 0};
  abi::LayerProgram l = {};
  l.name = deploy::add_name(c.names, "layer");
  l.rows = l.columns = 1;
  l.channels = l.channels_per_tile = 10;
  l.rows_per_tile = l.columns_per_tile = 1;
  l.input_space = abi::TensorSpace::kInput;
  l.output_space = abi::TensorSpace::kOutput;
  l.input_rows = l.input_row_window = side;
  l.input_columns = l.input_column_window = side;
  l.input_pixel_bytes = l.config.input_pixel_pitch = 3;
  l.config.input_row_pitch = side * 3;
  l.output_pixel_bytes = l.output_row_bytes = 20;
  l.config.output_bits = 16;
  c.layers = {l};
  c.weights.assign(weight_bytes, 0);
  c.parameters.assign(80, 0);
  return deploy::Image::parse(deploy::build_image(c), "net.timg");
}

struct Region {
  std::string name;
  uint64_t address;
  uint64_t bytes;
};

std::vector<Region> regions(const MemoryPlan& plan, const deploy::Image& image) {
  const abi::BootInfo& b = plan.boot;
  std::vector<Region> all = {
      {"boot information", plan.boot_info_address, sizeof(abi::BootInfo)},
      {"image", b.image_address, image.header().device_bytes},
      {"arena", b.arena_address, image.header().arena_bytes},
      {"command lists", b.list_address, b.list_bytes},
      {"results", b.result_address, b.image_count * sizeof(abi::InferenceResult)}};
  for (uint64_t i = 0; i < b.image_count; ++i) {
    const auto n = std::to_string(i);
    all.push_back({"input " + n, b.input_address + i * b.input_stride,
                   uint64_t{image.input().row_bytes} * image.input().height});
    all.push_back({"output " + n, b.output_address + i * b.output_stride,
                   uint64_t{image.output().row_bytes} * image.output().height});
  }
  return all;
}

TEST(MemoryPlan, regions_lie_in_dram_one_after_the_other) {
  const chip::Chip chip = chip::load_chip("edge");
  const uint64_t base = uint64_t{abi::kRamBase} + chip.core.local_ram_bytes;
  for (const uint32_t side : {1U, 5U, 37U, 224U}) {
    for (const uint32_t count : {1U, 2U, 63U}) {
      for (const uint32_t arena : {0U, 64U, 100'032U}) {
        const deploy::Image image = image_of(side, arena, side * 64);
        const MemoryPlan plan = plan_memory(chip, image, count);
        auto all = regions(plan, image);
        std::sort(all.begin(), all.end(),
                  [](const Region& a, const Region& b) { return a.address < b.address; });
        uint64_t end = base;
        for (const Region& r : all) {
          if (r.bytes == 0) continue;
          EXPECT_GE(r.address, end) << r.name;
          EXPECT_EQ(r.address % 64, 0U) << r.name;
          end = r.address + r.bytes;
        }
        EXPECT_LE(end, base + chip.dram.size_bytes);
      }
    }
  }
}

TEST(MemoryPlan, boot_information_describes_chip_and_batch) {
  const chip::Chip chip = chip::load_chip("reference");
  const MemoryPlan plan = plan_memory(chip, image_of(5, 64, 64), 7);
  EXPECT_EQ(plan.boot.magic, abi::kBootMagic);
  EXPECT_EQ(plan.boot.image_count, 7U);
  EXPECT_EQ(plan.boot.cluster_count, chip.npu.clusters);
  EXPECT_EQ(plan.boot.clock_hz, 500'000'000U);
}

std::string refusal(const chip::Chip& chip, const deploy::Image& image, uint32_t count) {
  try {
    plan_memory(chip, image, count);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "it fits";
}

TEST(MemoryPlan, too_little_dram_names_need_size_chip_and_way_out) {
  chip::Chip chip = chip::load_chip("edge");
  const deploy::Image image = image_of(100, 0, 64);  // 30,000 bytes an input
  EXPECT_EQ(refusal(chip, image, 4000), "it fits");
  const std::string message = refusal(chip, image, 5000);
  EXPECT_THAT(message, HasSubstr("5000 inputs"));
  EXPECT_THAT(message, HasSubstr("143 MiB"));
  EXPECT_THAT(message, HasSubstr("chip edge has 128 MiB"));
  EXPECT_THAT(message, HasSubstr("--count"));
}

TEST(MemoryPlan, command_lists_count_in_what_is_needed) {
  chip::Chip chip = chip::load_chip("edge");
  const deploy::Image image = image_of(5, 0, 64);
  const MemoryPlan plan = plan_memory(chip, image, 1);
  // The least for one layer of one tile: CONFIGURE, three loads, RUN, store.
  EXPECT_GE(plan.boot.list_bytes, (33U + 3 * 11 + 13 + 11) * 4);
  EXPECT_EQ(plan.boot.list_address % 64, 0U);
  const uint64_t base = uint64_t{abi::kRamBase} + chip.core.local_ram_bytes;
  chip.dram.size_bytes = static_cast<uint32_t>(plan.boot.result_address + 4096 - base);
  EXPECT_EQ(refusal(chip, image, 1), "it fits");
  chip.npu.clusters = 16;  // each has lists of its own: more than the page they had
  EXPECT_THAT(refusal(chip, image, 1), HasSubstr("of DRAM"));
}

TEST(MemoryPlan, needs_beyond_the_address_space_do_not_wrap_around) {
  const chip::Chip chip = chip::load_chip("edge");
  const deploy::Image image = image_of(1000, 0, 64);  // 3 MB an input
  // 4 GiB and little more: 32 bits would see the little.
  EXPECT_THAT(refusal(chip, image, 1432), HasSubstr("1432 inputs"));
  EXPECT_THAT(refusal(chip, image, 4'000'000), HasSubstr("4000000 inputs"));
}

}  // namespace
}  // namespace tessera::platform
