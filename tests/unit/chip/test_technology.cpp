#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <set>
#include <stdexcept>

#include "chip/chip.hpp"
#include "chip/models_dir.hpp"
#include "temporary_file.hpp"

namespace tessera::chip {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(Technology, every_mode_has_an_index_of_its_own_and_a_name) {
  std::set<std::string> names;
  for (std::size_t index = 0; index < kPeModeCount; ++index) {
    EXPECT_EQ(pe_mode_index(pe_mode(index)), index);
    names.insert(pe_mode_name(index));
  }
  EXPECT_EQ(names.size(), kPeModeCount);
  EXPECT_EQ(names.count("8x8") + names.count("16x2") + names.count("2xp4"), 3U);
  EXPECT_EQ(pe_mode_index({8, 4, true, true}), pe_mode_index({8, 4, false, true}));
}

TEST(Technology, a_fixed_pe_is_as_wide_as_the_wider_operand_or_shifts_the_same_activations) {
  const auto fixed = [](const abi::PeMode& mode) {
    return fixed_pe_name(fixed_pe_of(pe_mode_index(mode)));
  };
  EXPECT_EQ(fixed({8, 8, false, false}), "fixed_8");
  EXPECT_EQ(fixed({8, 4, false, false}), "fixed_8");
  EXPECT_EQ(fixed({2, 16, false, false}), "fixed_16");
  EXPECT_EQ(fixed({2, 2, false, false}), "fixed_2");
  EXPECT_EQ(fixed({16, 4, false, true}), "shift_add_16");
  EXPECT_EQ(fixed({4, 4, false, true}), "shift_add_4");
}

TEST(Technology, an_array_is_its_pes_and_the_edges_of_its_rows_and_columns) {
  EXPECT_EQ((PeArea{100, 10, 1}.array_um2(4, 8)), 4 * 8 * 100 + 4 * 10 + 8 * 1);
}

TEST(Technology, fused_pes_take_more_area_than_any_fixed_ones) {
  const Technology t = load_chip("reference").technology;
  for (const PeArea& fixed : t.fixed_area) {
    EXPECT_GT(t.fused_area.array_um2(16, 16), fixed.array_um2(16, 16));
  }
}

/// cmos45.yaml with `before` replaced by `after`: the error, "t.yaml:LINE: ...", and the line of
/// `before`.
struct Edited {
  std::string message;
  std::size_t line = 0;
};

Edited edit(const std::string& before, const std::string& after) {
  std::ifstream in(models_dir() + "/tech/cmos45.yaml");
  std::string text((std::istreambuf_iterator<char>(in)), {});
  const std::size_t at = text.find(before);
  EXPECT_NE(at, std::string::npos) << before;
  Edited result;
  const auto end = text.begin() + static_cast<std::ptrdiff_t>(at);
  result.line = static_cast<std::size_t>(std::count(text.begin(), end, '\n')) + 1;
  text.replace(at, before.size(), after);
  const test::TemporaryFolder folder;
  const std::string file = folder.write("t.yaml", text);
  try {
    read_technology_file(file);
    result.message = "no error";
  } catch (const std::runtime_error& e) {
    result.message = std::string(e.what()).substr(file.size() - 6);
  }
  return result;
}

std::string at_line(const Edited& edited, const std::string& message) {
  return "t.yaml:" + std::to_string(edited.line) + ": " + message;
}

TEST(TechnologyErrors, the_shipped_file_has_none) {
  EXPECT_EQ(edit("name: cmos45", "name: other").message, "no error");
}

TEST(TechnologyErrors, an_unknown_key_is_refused_wherever_it_stands) {
  const Edited top = edit("fused_pe_pj:\n", "brick_pj: 1\nfused_pe_pj:\n");
  EXPECT_THAT(top.message, StartsWith(at_line(top, "brick_pj is not a known key")));
  const Edited mode = edit("  16x16: {", "  32x32: {step: 1}\n  16x16: {");
  EXPECT_THAT(mode.message, StartsWith(at_line(mode, "fused_pe_pj.32x32 is not a known key")));
  const Edited inner = edit("  2xp4: {", "  2xp4: {steps: 1, ");
  EXPECT_THAT(inner.message, StartsWith(at_line(inner, "fused_pe_pj.2xp4.steps is not a known")));
  const Edited area = edit("  fused: {", "  fused: {clock: 1, ");
  EXPECT_THAT(area.message, StartsWith(at_line(area, "area_um2.fused.clock is not a known key")));
}

TEST(TechnologyErrors, a_missing_key_is_refused_wherever_it_belongs) {
  EXPECT_THAT(edit("  8xp4: {", "  7xp4: {").message,
              HasSubstr("fused_pe_pj.8xp4 is missing; it must be a mapping of keys"));
  EXPECT_THAT(edit("{step: ", "{stop: ").message, HasSubstr("fused_pe_pj.16x16.step is missing"));
  EXPECT_THAT(edit("  shift_add_2: {", "  shift_add_1: {").message,
              HasSubstr("area_um2.shift_add_2 is missing"));
  EXPECT_THAT(edit("fixed_pe_pj:", "fixed_pj:").message, HasSubstr("fixed_pe_pj is missing"));
  EXPECT_THAT(edit("area_um2:", "area:").message, HasSubstr("area_um2 is missing"));
}

TEST(TechnologyErrors, a_value_out_of_range_or_no_number_is_refused) {
  const Edited negative = edit("  16x16: {step: ", "  16x16: {step: -");
  EXPECT_THAT(negative.message,
              StartsWith(at_line(negative, "fused_pe_pj.16x16.step must be a number in 0..")));
  const Edited word = edit("  fused: {pe: ", "  fused: {pe: x");
  EXPECT_THAT(word.message, StartsWith(at_line(word, "area_um2.fused.pe must be a number in 1..")));
  EXPECT_THAT(edit("static_mw: 20", "static_mw: [20]").message,
              HasSubstr("static_mw must be a number in 0..1e+06, got a list"));
}

}  // namespace
}  // namespace tessera::chip
