#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

#include "chip/chip.hpp"
#include "temporary_file.hpp"

namespace tessera::chip {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

/// The reference chip's YAML with `before` replaced by `after`, and what load_chip says to it.
struct Edited {
  std::string message;  ///< without the folder
  size_t line = 0;      ///< of `before`
};

std::string error_of(const std::string& file) {
  try {
    load_chip(file);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "no error";
}

Edited edit(const std::string& before, const std::string& after) {
  const test::TemporaryFolder folder;
  std::string text = to_yaml(load_chip("reference"));
  const size_t at = text.find(before);
  EXPECT_NE(at, std::string::npos) << before;
  Edited result;
  result.line = static_cast<size_t>(std::count(text.begin(), text.begin() + long(at), '\n')) + 1;
  text.replace(at, before.size(), after);
  const std::string file = folder.write("c.yaml", text);
  result.message = error_of(file);
  if (result.message.rfind(file, 0) == 0) {
    result.message = "c.yaml" + result.message.substr(file.size());
  }
  return result;
}

/// Expects "c.yaml:<line of before>: <expected>".
void expect_refused(const std::string& before, const std::string& after,
                    const std::string& expected) {
  const Edited edited = edit(before, after);
  EXPECT_EQ(edited.message.substr(0, edited.message.find(": ") + 2 + expected.size()),
            "c.yaml:" + std::to_string(edited.line) + ": " + expected)
      << edited.message;
  EXPECT_EQ(edited.message.find('\n'), std::string::npos) << edited.message;
}

TEST(ChipErrors, of_the_network_name_its_topology_and_its_nodes) {
  expect_refused("topology: crossbar", "topology: torus",
                 "noc.topology must be crossbar or mesh, got torus");
  const auto expect_at = [](const std::string& after, std::size_t lines, const char* expected) {
    const Edited edited = edit("topology: crossbar", after);
    EXPECT_THAT(edited.message,
                StartsWith("c.yaml:" + std::to_string(edited.line + lines) + ": " + expected));
  };
  expect_at("topology: crossbar\n  columns: 2", 1, "noc.columns is for noc.topology mesh only");
  expect_at("topology: mesh\n  columns: 2\n  rows: 0", 2,
            "noc.rows must be an integer in 1..16, got 0");
  expect_at("topology: mesh\n  columns: 1\n  rows: 1", 1,
            "noc.columns times noc.rows must be at least 2, a node for each DRAM channel and each "
            "cluster, got 1");
  const Edited missing = edit("topology: crossbar", "topology: mesh\n  columns: 2");
  EXPECT_THAT(missing.message, HasSubstr("noc.rows"));
}

TEST(ChipErrors, an_impossible_value_names_file_line_key_value_and_range) {
  expect_refused("decoder_lanes: 32", "decoder_lanes: 12",
                 "npu.decoder_lanes must be 0 (no decoder) or a power of two in 2..64, got 12");
  expect_refused("decoder_lanes: 32", "decoder_lanes: 1",
                 "npu.decoder_lanes must be 0 (no decoder) or a power of two in 2..64, got 1");
  expect_refused("decoder_lanes: 32", "decoder_lanes: 128",
                 "npu.decoder_lanes must be an integer in 0..64, got 128");
  expect_refused("rows: 16", "rows: 12", "npu.rows must be a power of two in 2..64, got 12");
  expect_refused("rows: 16", "rows: 128", "npu.rows must be a power of two in 2..64, got 128");
  expect_refused("clock_mhz: 500", "clock_mhz: 0", "clock_mhz must be a number in 1..5000, got 0");
  expect_refused("outstanding: 8", "outstanding: 33",
                 "dma.outstanding must be an integer in 1..32, got 33");
  expect_refused("weight_kib: 512", "weight_kib: 0",
                 "npu.scratchpads.weight_kib must be an integer in 1..65536, got 0");
}

TEST(ChipErrors, text_that_is_not_a_number_is_refused) {
  for (const char* value : {"many", "-16", "16x", "0x10", "1.5", "''", "99999999999"}) {
    expect_refused("rows: 16", std::string("rows: ") + value,
                   "npu.rows must be a power of two in 2..64, got ");
  }
  for (const char* value : {"fast", "nan", "inf", "5e", "-500"}) {
    expect_refused("clock_mhz: 500", std::string("clock_mhz: ") + value,
                   "clock_mhz must be a number in 1..5000, got ");
  }
}

TEST(ChipErrors, an_unknown_key_is_named_with_those_allowed) {
  const std::string message = edit("rows: 16", "rows: 16\n  rowz: 3").message;
  EXPECT_THAT(message, HasSubstr("npu.rowz is not a known key; allowed: clusters, columns"));
  expect_refused("name: reference", "colour: red\nname: reference", "colour is not a known key");
}

TEST(ChipErrors, a_missing_key_is_named_with_what_it_must_be) {
  const std::string message = edit("  rows: 16\n", "").message;
  EXPECT_THAT(message, HasSubstr("npu.rows is missing; it must be a power of two in 2..64"));
  EXPECT_THAT(edit("name: reference\n", "").message, HasSubstr("c.yaml:1: name is missing"));
}

TEST(ChipErrors, a_key_given_twice_is_refused_at_the_second) {
  const Edited edited = edit("rows: 16", "rows: 16\n  rows: 8");
  EXPECT_EQ(edited.message,
            "c.yaml:" + std::to_string(edited.line + 1) + ": npu.rows is given twice; remove one");
}

TEST(ChipErrors, a_section_that_is_a_word_and_a_word_that_is_a_section_are_refused) {
  EXPECT_THAT(edit("dma:\n  burst_bytes: 64\n  outstanding: 8\n", "dma: big\n").message,
              HasSubstr("dma must be a mapping of keys, got big"));
  EXPECT_THAT(edit("rows: 16", "rows: [16]").message,
              HasSubstr("npu.rows must be a power of two in 2..64, got a list"));
}

TEST(ChipErrors, unknown_presets_and_technologies_are_refused) {
  expect_refused("preset: ddr4-2400", "preset: ddr9",
                 "dram.preset must be one of ddr4-2400, lpddr4-3200, custom, got ddr9");
  const test::TemporaryFolder folder;
  std::string text = to_yaml(load_chip("reference"));
  text = text.substr(0, text.find("technology:")) + "technology: vacuum_tubes\n";
  EXPECT_THAT(error_of(folder.write("c.yaml", text)),
              HasSubstr("technology must name a file of models/tech"));
}

TEST(ChipErrors, a_custom_dram_has_no_defaults) {
  const test::TemporaryFolder folder;
  std::string text = to_yaml(load_chip("reference"));
  const std::string preset = "preset: ddr4-2400";
  text.replace(text.find(preset), preset.size(), "preset: custom");
  EXPECT_EQ(load_chip(folder.write("c.yaml", text)).dram.preset, "custom");
  const std::string key = "  t_ras_ns: 32\n";
  text.erase(text.find(key), key.size());
  EXPECT_THAT(error_of(folder.write("c.yaml", text)), HasSubstr("dram.t_ras_ns is missing"));
}

TEST(ChipErrors, memory_sizes_that_contradict_each_other_are_refused) {
  expect_refused(
      "size_mib: 256\n  channels: 1\n  banks: 16\n  row_bytes: 8192",
      "size_mib: 3\n  channels: 1\n  banks: 64\n  row_bytes: 65536",
      "dram.size_mib must be a multiple of channels * banks * row_bytes = 4194304 bytes");
  const test::TemporaryFolder folder;
  std::string text = to_yaml(load_chip("reference"));
  text.replace(text.find("size_mib: 256"), 13, "size_mib: 2047");
  EXPECT_EQ(error_of(folder.write("fits.yaml", text)), "no error");
  text.replace(text.find("ram_kib: 1024"), 13, "ram_kib: 2048");
  EXPECT_THAT(error_of(folder.write("c.yaml", text)),
              HasSubstr("dram.size_mib must leave room for core.local_ram_kib"));
}

TEST(ChipErrors, dram_timings_that_contradict_each_other_are_refused) {
  expect_refused("t_ras_ns: 32", "t_ras_ns: 10",
                 "dram.t_ras_ns must be at least t_rcd_ns = 13.32 ns");
  expect_refused("t_refi_ns: 7800", "t_refi_ns: 350", "dram.t_refi_ns must be above t_rfc_ns");
}

TEST(ChipErrors, a_row_shorter_than_a_burst_is_refused) {
  const std::string rest = "\n  data_rate_mtps: 2400\n  burst_length: ";
  EXPECT_EQ(edit("row_bytes: 8192", "row_bytes: 256").message, "no error");
  EXPECT_THAT(edit("row_bytes: 8192\n  bus_bytes: 8" + rest + "8",
                   "row_bytes: 256\n  bus_bytes: 32" + rest + "16")
                  .message,
              HasSubstr("dram.row_bytes must hold a burst of bus_bytes * burst_length = 512"));
}

TEST(ChipErrors, a_file_that_is_not_yaml_names_the_line) {
  EXPECT_THAT(edit("rows: 16", "rows: [16").message, HasSubstr(": not YAML: "));
  const test::TemporaryFolder folder;
  EXPECT_THAT(error_of(folder.write("c.yaml", "")), HasSubstr("c.yaml:1: must hold one YAML"));
  EXPECT_THAT(error_of(folder.write("c.yaml", "- 1\n")),
              HasSubstr("c.yaml:1: the file must be a mapping of keys, got a list"));
  EXPECT_THAT(error_of(folder.write("c.yaml", "a: 1\n---\nb: 2\n")), HasSubstr("got 2"));
}

TEST(ChipErrors, a_chip_that_does_not_exist_is_refused) {
  EXPECT_THAT(error_of("no-such-chip"), HasSubstr("chip 'no-such-chip': no such file"));
  EXPECT_THAT(error_of("/no/such.yaml"), HasSubstr("/no/such.yaml: cannot be read"));
}

}  // namespace
}  // namespace tessera::chip
