#include "mutant_table.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

namespace tessera::mutation {
namespace {

using testing::HasSubstr;

constexpr char kTable[] =
    "# A comment.\n"
    "checked a.sv pe array\n"
    "\n"
    "mutant first_one\n"
    "file a.sv\n"
    "kind wrong shift\n"
    "-   x << 1;\n"
    "- y\n"
    "+   x << 2;\n"
    "+ y\n"
    "\n"
    "mutant second\n"
    "file a.sv\n"
    "kind missing enable\n"
    "- en &\n"
    "+\n"
    "equivalent en is always 1.\n";

std::string content(const std::string& path) {
  std::ifstream file(std::string(TESSERA_SOURCE_DIR) + "/" + path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string error_of(const std::string& text) {
  try {
    MutantTable table(text);
  } catch (const MutantError& error) {
    return error.what();
  }
  return "";
}

TEST(MutantTable, is_read_as_it_is_written) {
  const MutantTable table(kTable);
  ASSERT_EQ(table.mutants().size(), 2U);
  const Mutant& first = table.named("first_one");
  EXPECT_EQ(first.file, "a.sv");
  EXPECT_EQ(first.kind, "wrong shift");
  EXPECT_EQ(first.original, "  x << 1;\ny");
  EXPECT_EQ(first.mutated, "  x << 2;\ny");
  EXPECT_EQ(first.equivalent, "");
  EXPECT_EQ(table.named("second").mutated, "");
  EXPECT_EQ(table.named("second").equivalent, "en is always 1.");
  EXPECT_THAT(table.checked_by("a.sv"), testing::ElementsAre("pe", "array"));
  EXPECT_THROW(table.named("third"), MutantError);
  EXPECT_THROW(table.checked_by("b.sv"), MutantError);
}

TEST(MutantTable, that_makes_no_sense_is_an_error_that_names_the_line) {
  const std::string start = "checked a.sv pe\nmutant m\nfile a.sv\n";
  EXPECT_THAT(error_of("mutant M\n"), HasSubstr("line 1 of the mutants: 'M' is no name"));
  EXPECT_THAT(error_of("file a.sv\n"), HasSubstr("outside of a mutant"));
  EXPECT_THAT(error_of("- a\n"), HasSubstr("outside of a mutant"));
  EXPECT_THAT(error_of("checked a.sv gate\n"), HasSubstr("not 'gate'"));
  EXPECT_THAT(error_of("checked a.sv\n"), HasSubstr("needs a file and a model"));
  EXPECT_THAT(error_of("checked a.sv pe\nchecked a.sv pe\n"), HasSubstr("twice"));
  EXPECT_THAT(error_of(start + "sort s\n"), HasSubstr("line 4 of the mutants: 'sort'"));
  EXPECT_THAT(error_of(start + "file b.sv\n"), HasSubstr("twice"));
  EXPECT_THAT(error_of(start + "- a\n+ b\n"), HasSubstr("needs a file and a kind (mutant m)"));
  EXPECT_THAT(error_of(start + "kind k\n- a\n"), HasSubstr("needs lines with - and +"));
  EXPECT_THAT(error_of(start + "kind k\n- a\n+ a\n"), HasSubstr("changes nothing"));
  EXPECT_THAT(error_of(start + "kind k\n- a\n+ b\n\nmutant m\nfile a.sv\nkind k\n- c\n+ d\n"),
              HasSubstr("two mutants of this name"));
  EXPECT_THAT(error_of("mutant m\nfile a.sv\nkind k\n- a\n+ b\n"), HasSubstr("'checked' by"));
}

TEST(MutantTable, edits_a_text_that_occurs_once_and_no_other) {
  const MutantTable table(kTable);
  EXPECT_EQ(mutated(table.named("second"), "a = en & b;"), "a =  b;");
  EXPECT_THROW(mutated(table.named("second"), "a = b;"), MutantError);
  EXPECT_THROW(mutated(table.named("second"), "a = en & en & b;"), MutantError);
}

TEST(MutantTable, samples_differ_by_seed_and_repeat_with_it) {
  const MutantTable table(content("tests/mutation/rtl/mutants.txt"));
  const auto names = [&table](uint64_t seed) {
    std::set<std::string> chosen;
    for (const Mutant& mutant : sample(table.mutants(), 6, seed)) chosen.insert(mutant.name);
    return chosen;
  };
  EXPECT_EQ(names(1).size(), 6U);
  EXPECT_EQ(names(1), names(1));
  EXPECT_NE(names(1), names(2));
  EXPECT_EQ(sample(table.mutants(), 100'000, 1).size(), table.mutants().size());
}

TEST(Mutants, fit_the_rtl_and_leave_no_part_of_it_out) {
  const MutantTable table(content("tests/mutation/rtl/mutants.txt"));
  EXPECT_GE(table.mutants().size(), 80U);
  std::set<std::string> files;
  for (const Mutant& mutant : table.mutants()) {
    EXPECT_NO_THROW(mutated(mutant, content("rtl/" + mutant.file))) << mutant.name;
    files.insert(mutant.file);
  }
  for (const char* file :
       {"array_sequencer.sv", "column_buffer.sv", "compute_array.sv", "output_path.sv",
        "output_path_hash.sv", "output_path_lane.sv", "pe.sv", "pe_align_activation.sv",
        "pe_align_weight.sv", "pe_array.sv", "pe_brick.sv", "pe_core.sv", "pe_fuse_add.sv",
        "pe_multiplier.sv", "pe_nonzero.sv", "pe_octet.sv", "pe_plane_add.sv", "pe_planes.sv",
        "pe_shift_add.sv"}) {
    EXPECT_EQ(files.count(file), 1U) << file;
  }
}

}  // namespace
}  // namespace tessera::mutation
