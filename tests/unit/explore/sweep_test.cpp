/// Sweep files: what they mean, and what is wrong with them named with file and line.

#include "explore/sweep.hpp"

#include <set>

#include "unit/explore/sweep_files.hpp"

namespace tessera::explore {
namespace {

using testing::ElementsAre;
using testing::Pair;

using SweepFile = SweepFiles;

TEST_F(SweepFile, without_axes_is_a_point_a_network_on_the_base_chip) {
  const Sweep s = sweep("");
  EXPECT_EQ(s.chip, "reference");
  EXPECT_EQ(s.point_count(), 2U);
  EXPECT_EQ(s.chip_count(), 1U);
  EXPECT_EQ(s.networks[1].path, shipped_network("lenet5-int4"));
  EXPECT_EQ(s.widths[0].text, "file");
  EXPECT_EQ(s.widths[0].activation_bits, 0);
  EXPECT_THAT(s.objectives, ElementsAre("seconds", "energy_pj", "array_mm2"));
  EXPECT_FALSE(s.one_front);
}

TEST_F(SweepFile, is_a_cartesian_product_with_the_last_axis_fastest) {
  const Sweep s =
      sweep("widths: [file, 8x4]\naxes:\n  npu.rows: [4, 8, 16]\n  dram.preset: [a, b]\n");
  ASSERT_EQ(s.point_count(), 24U);
  EXPECT_THAT(s.settings(0), ElementsAre(Pair("npu.rows", "4"), Pair("dram.preset", "a")));
  EXPECT_THAT(s.settings(1), ElementsAre(Pair("npu.rows", "4"), Pair("dram.preset", "b")));
  EXPECT_THAT(s.settings(5), ElementsAre(Pair("npu.rows", "16"), Pair("dram.preset", "b")));
  std::set<std::tuple<size_t, size_t, size_t>> points;
  for (size_t i = 0; i < 24; ++i) {
    const Point p = s.point(i);
    EXPECT_EQ(i, (p.network * 2 + p.widths) * 6 + p.chip);
    points.emplace(p.network, p.widths, p.chip);
  }
  EXPECT_EQ(points.size(), 24U);
}

TEST_F(SweepFile, knows_widths_of_both_operands_and_p4) {
  const Sweep s = sweep("widths: [16x2, 8xp4]\n");
  EXPECT_EQ(s.widths[0].activation_bits, 16);
  EXPECT_EQ(s.widths[0].weight_bits, 2);
  EXPECT_FALSE(s.widths[0].power_of_two);
  EXPECT_EQ(s.widths[1].activation_bits, 8);
  EXPECT_EQ(s.widths[1].weight_bits, 4);
  EXPECT_TRUE(s.widths[1].power_of_two);
}

TEST_F(SweepFile, finds_chip_files_beside_itself) {
  EXPECT_EQ(sweep("", "mine.yaml").chip, path("mine.yaml"));
  EXPECT_EQ(sweep("", "chips/mine").chip, path("chips/mine"));
}

TEST_F(SweepFile, that_is_wrong_is_refused_with_file_line_and_key) {
  expect_refused("axis: {}\n", "5: axis is not a known key");
  expect_refused("axes:\n  npu.rows: 8\n", "6: axes.npu.rows must be a list");
  expect_refused("axes:\n  npu.rows: []\n", "6: axes.npu.rows must be a list");
  expect_refused("axes:\n  npu.rows: [4, [8]]\n",
                 "6: axes.npu.rows must be a list of plain values");
  expect_refused("axes:\n  npu.rows: [4, 8, 4]\n", "6: axes.npu.rows lists 4 twice");
  expect_refused("axes:\n  npu.rows: [4]\n  npu.rows: [8]\n", "7: axes.npu.rows is given twice");
  expect_refused("axes:\n  npu..rows: [4]\n", "6: axes.npu..rows must be a dotted key");
  expect_refused("axes: 3\n", "5: axes must be a mapping");
  expect_refused("widths: [8]\n", "5: widths must be `file` or ACTIVATIONSxWEIGHTS");
  expect_refused("widths: [8x3]\n", "5: widths must be");
  expect_refused("widths: [8x4x2]\n", "5: widths must be");
  expect_refused("objectives: [beauty]\n", "5: objectives must be of cycles, seconds,");
  expect_refused("front: none\n", "5: front must be each or all, got none");
  expect_refused("axes: {npu.rows: [\n", "6: not YAML");
}

TEST_F(SweepFile, names_networks_that_do_not_exist) {
  given("sweep.yaml", "chip: edge\nnetworks:\n  - none.onnx\n");
  try {
    read_sweep(path("sweep.yaml"));
    ADD_FAILURE() << "accepted";
  } catch (const std::runtime_error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("sweep.yaml:3: networks: there is no file"));
    EXPECT_THAT(e.what(), testing::HasSubstr("none.onnx"));
  }
}

TEST_F(SweepFile, without_networks_is_refused) {
  given("sweep.yaml", "chip: edge\n");
  EXPECT_THROW(read_sweep(path("sweep.yaml")), std::runtime_error);
}

TEST_F(SweepFile, of_too_many_points_is_refused_before_they_are_made) {
  std::string axes = "axes:\n";
  for (const char* key : {"npu.rows", "npu.columns", "npu.fifo_words", "dma.outstanding"}) {
    axes += "  " + std::string(key) + ": [0";
    for (int i = 1; i < 100; ++i) axes += ", " + std::to_string(i);
    axes += "]\n";
  }
  expect_refused(axes, "5: axes make more than 100000 points");
}

}  // namespace
}  // namespace tessera::explore
