/// Chip files and recipes: what is wrong is named with file, line and key.

#include "system/cli/bad_input.hpp"

namespace tessera::test {
namespace {

class ChipFile : public BadInput {
 protected:
  ChipFile() : good_(read_file(std::string(TESSERA_SOURCE_DIR) + "/models/chips/edge.yaml")) {}

  /// Line of the text's only line that begins with `start`, counted from 1, as messages show it.
  static std::string place(const std::string& text, const std::string& start) {
    const size_t at = text.find("\n" + start);
    if (at == std::string::npos) throw std::runtime_error("no line begins with " + start);
    const auto before = text.begin() + static_cast<std::ptrdiff_t>(at) + 1;
    return "chip.yaml:" + std::to_string(1 + std::count(text.begin(), before, '\n')) + ":";
  }

  void expect_chip_refused(const std::string& text, const std::vector<std::string>& clues) {
    const std::string chip = given("chip.yaml", text);
    expect_refused({"chip", chip}, clues);
    expect_refused(
        {"deploy", shipped_network("lenet5-int8"), "--chip", chip, "-o", output("net.timg")},
        clues);
  }

  std::string good_;
};

TEST_F(ChipFile, with_an_unknown_key_is_refused) {
  const std::string text = replaced(good_, "  columns: 8\n", "  columns: 8\n  turbo: 1\n");
  expect_chip_refused(text, {place(text, "  turbo"), "npu.turbo", "not a known key"});
}

TEST_F(ChipFile, without_a_key_is_refused) {
  const std::string text = replaced(good_, "  columns: 8\n", "");
  expect_chip_refused(text, {"chip.yaml:", "npu.columns", "missing", "2..64"});
}

TEST_F(ChipFile, with_an_impossible_value_is_refused) {
  const std::string text = replaced(good_, "  rows: 8\n", "  rows: 12\n");
  expect_chip_refused(text, {place(text, "  rows"), "npu.rows", "power of two", "got 12"});
}

TEST_F(ChipFile, with_a_word_for_a_number_is_refused) {
  const std::string text = replaced(good_, "clock_mhz: 200\n", "clock_mhz: fast\n");
  expect_chip_refused(text, {place(text, "clock_mhz"), "clock_mhz", "got fast"});
}

TEST_F(ChipFile, with_a_key_twice_is_refused) {
  const std::string text = replaced(good_, "  columns: 8\n", "  columns: 8\n  columns: 16\n");
  expect_chip_refused(text, {place(text, "  columns: 16"), "npu.columns", "twice"});
}

TEST_F(ChipFile, that_is_not_yaml_is_refused) {
  expect_chip_refused("name: [", {"chip.yaml:1", "not YAML"});
}

TEST_F(ChipFile, that_is_empty_is_refused) { expect_chip_refused("", {"chip.yaml"}); }

TEST_F(ChipFile, with_an_unknown_preset_is_refused_with_those_there_are) {
  const std::string text = replaced(good_, "preset: lpddr4-3200", "preset: sdram");
  expect_chip_refused(text, {place(text, "  preset"), "dram.preset", "lpddr4-3200", "got sdram"});
}

TEST_F(ChipFile, that_does_not_exist_is_named) {
  expect_refused({"chip", "colossus"}, {"colossus", "no such file"});
  expect_refused({"chip", folder_ / "none.yaml"}, {"none.yaml", "cannot be read"});
}

TEST_F(ChipFile, as_printed_reads_back_to_itself) {
  for (const char* chip : {"reference", "edge"}) {
    const CommandResult printed = tessera({"chip", chip});
    ASSERT_EQ(printed.status, 0) << printed;
    const CommandResult again = tessera({"chip", given("chip.yaml", printed.out)});
    EXPECT_EQ(again.status, 0) << again;
    EXPECT_EQ(again.out, printed.out);
  }
}

TEST_F(ChipFile, as_printed_takes_images_of_the_chip_it_was_printed_from) {
  const std::string chip = given("chip.yaml", tessera({"chip", "edge"}).out);
  const std::string image = folder_ / "net.timg";
  must_succeed({"deploy", shipped_network("lenet5-int8"), "--chip", chip, "-o", image});
  const CommandResult result = tessera({"run", image, "--chip", "edge", "--count", "1"});
  EXPECT_EQ(result.status, 0) << result;
}

class RecipeFile : public BadInput {
 protected:
  void expect_recipe_refused(const std::string& text, const std::vector<std::string>& clues) {
    const std::string recipe = given("recipe.yaml", text);
    expect_refused({"compress", shipped_network("lenet5"), "--recipe", recipe, "-o",
                    output("q.onnx"), "--json", output("report.json"), "--test-images", "10"},
                   clues);
  }
};

TEST_F(RecipeFile, that_does_not_exist_is_refused_with_those_there_are) {
  expect_refused(
      {"compress", shipped_network("lenet5"), "--recipe", "magic", "-o", output("q.onnx")},
      {"magic", "no such file", "int8"});
}

TEST_F(RecipeFile, with_an_unknown_key_is_refused) {
  expect_recipe_refused("name: a\nweights: {bits: 8}\nactivations: {bits: 8}\nmagic: 3\n",
                        {"recipe.yaml:4:", "magic"});
  expect_recipe_refused("name: a\nweights:\n  bits: 8\n  spice: 1\nactivations: {bits: 8}\n",
                        {"recipe.yaml:4:", "weights.spice"});
}

TEST_F(RecipeFile, without_a_key_is_refused) {
  expect_recipe_refused("name: a\nweights: {bits: 8}\n",
                        {"recipe.yaml:", "activations", "missing"});
}

TEST_F(RecipeFile, with_an_impossible_value_is_refused) {
  expect_recipe_refused("name: a\nweights: {bits: 8}\nactivations: {bits: 33}\n",
                        {"recipe.yaml:3:", "activations.bits", "2..16", "got 33"});
  expect_recipe_refused("name: a\nweights: {bits: 8, code: power-of-two}\nactivations: {bits: 8}\n",
                        {"recipe.yaml:2:", "weights.bits", "got 8"});
}

TEST_F(RecipeFile, with_a_key_twice_is_refused) {
  expect_recipe_refused("name: a\nname: b\nweights: {bits: 8}\nactivations: {bits: 8}\n",
                        {"recipe.yaml:2:", "name", "twice"});
}

TEST_F(RecipeFile, for_a_layer_that_the_network_has_not_is_refused) {
  expect_recipe_refused(
      "name: a\nweights: {bits: 8}\nactivations: {bits: 8}\nlayers:\n"
      "  - {match: conv9, weight_bits: 4}\n",
      {"recipe.yaml:5:", "conv9", "conv1"});
}

}  // namespace
}  // namespace tessera::test
