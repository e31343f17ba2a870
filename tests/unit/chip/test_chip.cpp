#include <gtest/gtest.h>

#include <regex>

#include "chip/chip.hpp"
#include "chip/models_dir.hpp"
#include "temporary_file.hpp"

namespace tessera::chip {
namespace {

TEST(Chip, reference_is_read_with_its_units) {
  const Chip chip = load_chip("reference");
  EXPECT_EQ(chip.name, "reference");
  EXPECT_EQ(chip.clock_mhz, 500);
  EXPECT_EQ(chip.period_ps(), 2000U);
  EXPECT_EQ(chip.core.local_ram_bytes, 1024U * 1024);
  EXPECT_EQ(chip.npu.rows, 16U);
  EXPECT_EQ(chip.npu.columns, 16U);
  EXPECT_EQ(chip.npu.fifo_words, 512U);
  EXPECT_EQ(chip.npu.scratchpads.activation_bytes, 256U * 1024);
  EXPECT_EQ(chip.npu.scratchpads.weight_bytes, 512U * 1024);
  EXPECT_EQ(chip.npu.scratchpads.output_bytes, 128U * 1024);
  EXPECT_EQ(chip.npu.scratchpads.parameter_bytes, 32U * 1024);
  EXPECT_EQ(chip.npu.scratchpads.banks, 16U);
  EXPECT_EQ(chip.dma.burst_bytes, 64U);
  EXPECT_EQ(chip.dma.outstanding, 8U);
  EXPECT_EQ(chip.noc.width_bytes, 16U);
  EXPECT_EQ(chip.noc.latency_cycles, 4U);
}

TEST(Chip, a_dram_preset_fills_the_keys_that_the_file_leaves_out) {
  const Dram dram = load_chip("reference").dram;
  EXPECT_EQ(dram.preset, "ddr4-2400");
  EXPECT_EQ(dram.size_bytes, 256U * 1024 * 1024);
  EXPECT_EQ(dram.banks, 16U);
  EXPECT_EQ(dram.bus_bytes * dram.burst_length, 64U);
  EXPECT_EQ(dram.t_rcd_ns, 13.32);
  EXPECT_EQ(load_chip("edge").dram.t_refi_ns, 3904);
}

TEST(Chip, without_a_key_has_a_decoder_of_twice_the_bytes_of_a_link) {
  const test::TemporaryFolder folder;
  std::string text = to_yaml(load_chip("edge"));
  text = std::regex_replace(text, std::regex("  decoder_lanes: [0-9]+\n"), "");
  EXPECT_EQ(load_chip(folder.write("c.yaml", text)).npu.decoder_lanes, 16U);
  text = std::regex_replace(text, std::regex("width_bytes: 8"), "width_bytes: 128");
  EXPECT_EQ(load_chip(folder.write("d.yaml", text)).npu.decoder_lanes, 64U);
  text = std::regex_replace(text, std::regex("fifo_words"), "decoder_lanes: 0\n  fifo_words");
  EXPECT_EQ(load_chip(folder.write("e.yaml", text)).npu.decoder_lanes, 0U);
}

TEST(Chip, a_key_of_the_file_overrides_the_dram_preset) {
  const test::TemporaryFolder folder;
  std::string text = to_yaml(load_chip("reference"));
  const std::string before = "t_cas_ns: 13.32";
  text.replace(text.find(before), before.size(), "t_cas_ns: 20.5");
  const Dram dram = load_chip(folder.write("c.yaml", text)).dram;
  EXPECT_EQ(dram.t_cas_ns, 20.5);
  EXPECT_EQ(dram.t_rcd_ns, 13.32);
}

TEST(Chip, energies_of_the_technology_are_positive_and_grow_with_distance) {
  const Technology t = load_chip("edge").technology;
  EXPECT_EQ(t.name, "cmos45");
  for (const PeEnergy& pe : t.fused_pe) {
    EXPECT_GT(pe.step_pj, 0);
    EXPECT_GT(pe.mac_pj, 0);
  }
  EXPECT_GT(t.fused_pe[pe_mode_index({8, 8, false, false})].step_pj, t.fixed_pe[1].step_pj);
  EXPECT_LT(t.fused_pe[pe_mode_index({8, 4, false, true})].mac_pj,
            t.fused_pe[pe_mode_index({8, 4, false, false})].mac_pj)
      << "a shift costs less than a multiplication";
  EXPECT_LT(t.scratchpad_pj_per_byte, t.noc_pj_per_byte);
  EXPECT_LT(t.noc_pj_per_byte, t.dram_pj_per_byte);
  EXPECT_GT(t.dram_activate_pj, t.dram_pj_per_byte);
  EXPECT_GT(t.static_mw, 0);
}

class ShippedChip : public testing::TestWithParam<const char*> {};

TEST_P(ShippedChip, comes_back_the_same_through_its_yaml) {
  const Chip chip = load_chip(GetParam());
  const test::TemporaryFolder folder;
  const std::string text = to_yaml(chip);
  const Chip again = load_chip(folder.write("again.yaml", text));
  EXPECT_EQ(to_yaml(again), text);
  EXPECT_EQ(fingerprint(again), fingerprint(chip));
  for (std::size_t mode = 0; mode < kPeModeCount; ++mode) {
    EXPECT_EQ(again.technology.fused_pe[mode].mac_pj, chip.technology.fused_pe[mode].mac_pj);
  }
  EXPECT_EQ(again.technology.fixed_area[7].row_um2, chip.technology.fixed_area[7].row_um2);
  EXPECT_EQ(again.dram.t_cas_ns, chip.dram.t_cas_ns);
  EXPECT_EQ(again.dram.size_bytes, chip.dram.size_bytes);
}

INSTANTIATE_TEST_SUITE_P(All, ShippedChip, testing::Values("reference", "edge", "large", "mesh"));

TEST(Chip, fingerprint_depends_on_each_thing_the_deployer_sees) {
  const Chip chip = load_chip("reference");
  Chip other = chip;
  other.clock_mhz = 100;
  other.dram.t_cas_ns = 1;
  EXPECT_EQ(fingerprint(other), fingerprint(chip));
  const auto changed = [&](auto change) {
    Chip copy = chip;
    change(copy);
    return fingerprint(copy) != fingerprint(chip);
  };
  EXPECT_TRUE(changed([](Chip& c) { c.npu.clusters = 2; }));
  EXPECT_TRUE(changed([](Chip& c) { c.npu.rows = 8; }));
  EXPECT_TRUE(changed([](Chip& c) { c.npu.columns = 8; }));
  EXPECT_TRUE(changed([](Chip& c) { std::swap(c.npu.rows = 8, c.npu.columns = 32); }));
  EXPECT_TRUE(changed([](Chip& c) { c.npu.fifo_words = 64; }));
  EXPECT_TRUE(changed([](Chip& c) { c.npu.decoder_lanes = 0; }));
  EXPECT_TRUE(changed([](Chip& c) { c.npu.scratchpads.activation_bytes /= 2; }));
  EXPECT_TRUE(changed([](Chip& c) { c.npu.scratchpads.weight_bytes /= 2; }));
  EXPECT_TRUE(changed([](Chip& c) { c.npu.scratchpads.output_bytes /= 2; }));
  EXPECT_TRUE(changed([](Chip& c) { c.npu.scratchpads.parameter_bytes /= 2; }));
  EXPECT_TRUE(changed([](Chip& c) { c.npu.scratchpads.banks /= 2; }));
}

TEST(Chip, a_technology_file_beside_the_chip_file_is_found_by_relative_path) {
  const test::TemporaryFolder folder;
  std::string technology = to_yaml(load_chip("reference"));
  technology = technology.substr(technology.find("technology:\n") + 12);
  technology = std::regex_replace(technology, std::regex("(^|\n)  "), "$1");
  technology = std::regex_replace(technology, std::regex("dram_activate_pj: [0-9.]+"),
                                  "dram_activate_pj: 7");
  folder.write("tech/mine.yaml", technology);
  std::string text = to_yaml(load_chip("reference"));
  text = text.substr(0, text.find("technology:")) + "technology: ./tech/mine\n";
  EXPECT_EQ(load_chip(folder.write("c.yaml", text)).technology.dram_activate_pj, 7);
}

TEST(Chip, the_models_folder_can_be_chosen_by_environment) {
  const test::TemporaryFolder folder;
  folder.write("chips/only.yaml", to_yaml(load_chip("edge")));
  setenv("TESSERA_MODELS_DIR", folder.path().c_str(), 1);
  EXPECT_EQ(load_chip("only").name, "edge");
  EXPECT_THROW(load_chip("reference"), std::runtime_error);
  setenv("TESSERA_MODELS_DIR", "/no/such/folder", 1);
  EXPECT_THROW(models_dir(), std::runtime_error);
  unsetenv("TESSERA_MODELS_DIR");
}

}  // namespace
}  // namespace tessera::chip
