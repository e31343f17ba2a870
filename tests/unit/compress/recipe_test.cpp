#include "compress/recipe.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <stdexcept>

namespace tessera::compress {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr const char* kGood =
    "name: test\n"
    "weights: {bits: 8}\n"
    "activations: {bits: 6, threshold: kl}\n"
    "logits_bits: 12\n"
    "radix_point: true\n"
    "rounding: stochastic\n"
    "calibration_images: 99\n"
    "layers:\n"
    "  - {match: first, weight_bits: 16}\n"
    "  - {match: fc1, code: power-of-two, activation_bits: 4}\n"
    "finetune: {epochs: 3, learning_rate: 0.25}\n";

std::string error_of(const std::string& yaml) {
  try {
    parse_recipe(yaml, "r.yaml");
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "no error";
}

/// The good recipe with one piece of text replaced.
std::string with(const std::string& from, const std::string& to) {
  std::string yaml = kGood;
  const size_t at = yaml.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return yaml.replace(at, from.size(), to);
}

TEST(Recipe, every_key_is_read) {
  const Recipe recipe = parse_recipe(kGood, "r.yaml");
  EXPECT_EQ(recipe.name, "test");
  EXPECT_EQ(recipe.weight_bits, 8);
  EXPECT_EQ(recipe.activation_bits, 6);
  EXPECT_EQ(recipe.activation_threshold, Threshold::kKl);
  EXPECT_EQ(recipe.weight_threshold, Threshold::kMse);
  EXPECT_EQ(recipe.logits_bits, 12);
  EXPECT_TRUE(recipe.radix_point);
  EXPECT_EQ(recipe.rounding, graph::Rounding::kStochastic);
  EXPECT_EQ(recipe.calibration_images, 99);
  ASSERT_EQ(recipe.layers.size(), 2U);
  EXPECT_EQ(recipe.layers[0].weight_bits, 16);
  EXPECT_FALSE(recipe.layers[0].activation_bits.has_value());
  EXPECT_EQ(recipe.layers[1].code, graph::WeightCode::kPowerOfTwo);
  EXPECT_EQ(recipe.layers[1].weight_bits, 4);
  EXPECT_EQ(recipe.layers[1].activation_bits, 4);
  EXPECT_EQ(recipe.layers[1].line, 10);
  EXPECT_EQ(recipe.finetune.epochs, 3);
  EXPECT_EQ(recipe.finetune.learning_rate, 0.25);
}

TEST(Recipe, errors_name_file_line_and_key) {
  EXPECT_THAT(error_of(with("logits_bits", "logit_bits")),
              StartsWith("r.yaml:4: logit_bits is not a key here"));
  EXPECT_THAT(error_of(with("{bits: 8}", "{bits: 8, bit: 3}")),
              StartsWith("r.yaml:2: weights.bit is not a key here"));
  EXPECT_THAT(error_of(with("{bits: 8}", "{threshold: max}")),
              StartsWith("r.yaml:2: weights.bits is missing"));
  EXPECT_THAT(error_of(with("activations: {bits: 6, threshold: kl}\n", "")),
              HasSubstr("activations is missing"));
  EXPECT_THAT(error_of(with("{bits: 8}", "{bits: 17}")),
              StartsWith("r.yaml:2: weights.bits must be an integer in 2..16, got 17"));
  EXPECT_THAT(error_of(with("{bits: 8}", "{bits: 8x}")), HasSubstr("got 8x"));
  EXPECT_THAT(error_of(with("{bits: 8}", "{bits: [8]}")), HasSubstr("weights.bits must be"));
  EXPECT_THAT(error_of(with("threshold: kl", "threshold: best")),
              StartsWith("r.yaml:3: activations.threshold must be one of max, mse, kl, got best"));
  EXPECT_THAT(error_of(with("radix_point: true", "radix_point: maybe")),
              StartsWith("r.yaml:5: radix_point must be true or false"));
  EXPECT_THAT(error_of(with("rounding: stochastic", "rounding: random")),
              StartsWith("r.yaml:6: rounding must be one of half-up, stochastic"));
  EXPECT_THAT(error_of(with("images: 99", "images: 0")),
              StartsWith("r.yaml:7: calibration_images"));
  EXPECT_THAT(error_of(with("weight_bits: 16", "weight_bits: 1")),
              StartsWith("r.yaml:9: layers[0].weight_bits must be an integer in 2..16"));
  EXPECT_THAT(error_of(with("code: power-of-two", "code: power-of-two, weight_bits: 8")),
              StartsWith("r.yaml:10: layers[1].weight_bits must be 4 for power-of-two"));
  EXPECT_THAT(error_of(with(", weight_bits: 16", "")),
              StartsWith("r.yaml:9: layers[0].match changes nothing"));
  EXPECT_THAT(error_of(with("rate: 0.25", "rate: -1")),
              StartsWith("r.yaml:11: finetune.learning_rate"));
  EXPECT_THAT(error_of(with("rate: 0.25", "rate: nan")),
              StartsWith("r.yaml:11: finetune.learning_rate"));
  EXPECT_THAT(error_of(with("epochs: 3, ", "")),
              StartsWith("r.yaml:11: finetune.epochs is missing"));
  EXPECT_THAT(error_of(with("name: test", "name: test\nname: again")),
              StartsWith("r.yaml:2: name is given twice"));
}

TEST(Recipe, text_that_is_no_recipe_is_an_error) {
  EXPECT_THAT(error_of("weights: {bits: 8"), StartsWith("r.yaml:"));
  EXPECT_THAT(error_of(""), HasSubstr("must be a map"));
  EXPECT_THAT(error_of("- 1\n- 2\n"), HasSubstr("must be a map"));
  EXPECT_THAT(error_of(with("{bits: 8}", "8")), StartsWith("r.yaml:2: weights must be a map"));
  EXPECT_THAT(error_of("? [a, b]\n: 1\n"), StartsWith("r.yaml:"));
}

TEST(Recipe, the_built_in_recipes_are_good) {
  const std::vector<std::string> names = recipe_names();
  for (const char* name : {"int8", "int16", "int4", "int2", "mix-16-8-4", "mix-16-8-4-2", "p4"}) {
    EXPECT_THAT(names, testing::Contains(name));
  }
  for (const std::string& name : names) EXPECT_EQ(load_recipe(name).name, name);
}

TEST(Recipe, a_file_is_read_and_a_missing_one_lists_the_names) {
  const std::string path = (std::filesystem::temp_directory_path() /
                            ("recipe_test_" + std::to_string(getpid()) + ".yaml"))
                               .string();
  std::ofstream(path) << kGood;
  EXPECT_EQ(load_recipe(path).name, "test");
  std::filesystem::remove(path);
  try {
    load_recipe(path);
    FAIL() << "must be refused";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr(path));
    EXPECT_THAT(error.what(), HasSubstr("int8"));
  }
}

}  // namespace
}  // namespace tessera::compress
