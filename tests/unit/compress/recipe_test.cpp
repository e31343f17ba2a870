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
    "finetune: {epochs: 3, average: 0.5, learning_rate: 0.25}\n";

std::string error_of(const std::string& yaml, const std::vector<std::string>& settings = {}) {
  try {
    parse_recipe(yaml, "r.yaml", settings);
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

TEST(Recipe, freezing_is_part_of_fine_tuning) {
  const auto freezing = [](const std::string& freeze) {
    return with("epochs: 3,", "epochs: 3, freeze: " + freeze + ",");
  };
  const FreezeOptions freeze =
      parse_recipe(freezing("{steps: [0.5, 0.75, 1, 1], rest: rounded}"), "r.yaml").finetune.freeze;
  EXPECT_EQ(freeze.steps, (std::vector<double>{0.5, 0.75, 1, 1}));
  EXPECT_EQ(freeze.rest, Unfrozen::kRounded);
  EXPECT_TRUE(parse_recipe(kGood, "r.yaml").finetune.freeze.steps.empty());
  EXPECT_THAT(error_of(freezing("{steps: [0.5, 1.5]}")),
              StartsWith("r.yaml:11: finetune.freeze.steps must be a list of numbers in 0..1"));
  EXPECT_THAT(error_of(freezing("{steps: 1}")), HasSubstr("must be a list"));
  EXPECT_THAT(error_of(freezing("{steps: [a]}")), HasSubstr("must be a list"));
  EXPECT_THAT(error_of(freezing("{steps: []}")), HasSubstr("shares"));
  EXPECT_THAT(error_of(freezing("{steps: [0.5, 0.4, 1]}")), HasSubstr("none below"));
  EXPECT_THAT(error_of(freezing("{steps: [0.5]}")), HasSubstr("end with 1"));
  EXPECT_EQ(error_of(freezing("{steps: [0.5], rest: rounded}")), "no error");
}

TEST(Recipe, joint_learning_has_a_budget_and_widths) {
  const std::string ruled = with(
      "layers:\n  - {match: first, weight_bits: 16}\n"
      "  - {match: fc1, code: power-of-two, activation_bits: 4}\n",
      "layers: [{match: fc1, activation_bits: 4}]\n");
  const auto joint = [&](const std::string& keys) {
    return ruled + "joint: {epochs: 2, " + keys + "}\n";
  };
  const JointOptions options =
      *parse_recipe(joint("budget: {bops: 40}, bits: [4, 8], gate_learning_rate: 0.5"), "r.yaml")
           .joint;
  EXPECT_EQ(options.training.epochs, 2);
  EXPECT_EQ(options.cost, JointCost::kBops);
  EXPECT_EQ(options.ratio, 40);
  EXPECT_EQ(options.bits, (std::vector<int>{4, 8}));
  EXPECT_EQ(options.gate_learning_rate, 0.5);
  EXPECT_TRUE(options.channels);
  EXPECT_FALSE(parse_recipe(kGood, "r.yaml").joint.has_value());
  EXPECT_THAT(error_of(joint("bits: [2]")), HasSubstr("joint.budget is missing"));
  EXPECT_THAT(error_of(joint("budget: {weight_bits: 9, bops: 9}")), HasSubstr("one of both"));
  EXPECT_THAT(error_of(joint("budget: {weight_bits: 0.5}")),
              StartsWith("r.yaml:10: joint.budget.weight_bits must be a number in 1.."));
  EXPECT_THAT(error_of(joint("budget: {bops: 9}, bits: [2, 3]")), HasSubstr("2, 4, 8, 16"));
  EXPECT_THAT(error_of(joint("budget: {bops: 9}, bits: [8, 4]")), HasSubstr("ascending"));
  EXPECT_THAT(error_of(joint("budget: {bops: 9}, bits: [8], channels: false")),
              HasSubstr("two widths"));
  EXPECT_THAT(error_of(std::string(kGood) + "joint: {epochs: 2, budget: {bops: 9}}\n"),
              HasSubstr("joint learns the weights' formats"));
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
  EXPECT_EQ(recipe.finetune.average, 0.5);
}

TEST(Recipe, epochs_are_scaled_wherever_they_train) {
  const char* const all =
      "name: t\nweights: {bits: 8}\nactivations: {bits: 8}\n"
      "prune: {criterion: l1, ratio: 0.5, steps: 3, retrain: {epochs: 4}}\n"
      "joint: {epochs: 5, budget: {weight_bits: 8}}\nfinetune: {epochs: 10}\n";
  Recipe recipe = parse_recipe(all, "r.yaml");
  EXPECT_EQ(training_epochs(recipe), 3 * 4 + 5 + 10);
  scale_epochs(recipe, 0.5);
  EXPECT_EQ(recipe.prune->retrain.epochs, 2);
  EXPECT_EQ(recipe.joint->training.epochs, 3);
  EXPECT_EQ(recipe.finetune.epochs, 5);
  scale_epochs(recipe, 0.01);
  EXPECT_EQ(training_epochs(recipe), 3 + 1 + 1);
  recipe.finetune.epochs = 0;
  scale_epochs(recipe, 9);
  EXPECT_EQ(recipe.finetune.epochs, 0) << "what does not train stays so";
}

TEST(Recipe, keys_are_set_over_those_of_the_file) {
  const std::string yaml =
      "name: t\nweights: {bits: 8}\nactivations: {bits: 8}\nallocate:\n  weight_bits: [2, 4]\n"
      "  budget: {size: 8}\n  sensitivity: mse\n";
  const Recipe plain = parse_recipe(yaml, "r.yaml");
  const Recipe recipe = parse_recipe(
      yaml, "r.yaml",
      {"allocate.budget.size=5", "weights.bits=4", "finetune.epochs=3", "finetune.average=0.5",
       "layers=[{match: first, weight_bits: 16}]", "allocate.budget.size=6"});
  EXPECT_EQ(plain.allocate->budget.amount, 8);
  EXPECT_EQ(recipe.allocate->budget.amount, 6) << "the last one wins";
  EXPECT_EQ(recipe.allocate->budget.line, 6) << "places in the file stay";
  EXPECT_EQ(recipe.weight_bits, 4);
  EXPECT_EQ(recipe.finetune.epochs, 3);
  EXPECT_EQ(recipe.finetune.average, 0.5);
  EXPECT_EQ(recipe.layers.at(0).weight_bits, 16);
  EXPECT_NE(recipe.text, plain.text) << "a checkpoint of the one is none of the other";

  const auto error = [&](const std::string& setting) { return error_of(yaml, {setting}); };
  EXPECT_EQ(error("weights.bits=40"),
            "--set weights.bits=40: weights.bits must be an integer in 2..16, got 40");
  EXPECT_THAT(error("weights.bit=4"), StartsWith("--set weights.bit=4: weights.bit is not a key"));
  EXPECT_EQ(error("weights.bits.x=4"), "--set weights.bits.x=4: weights.bits has no keys");
  EXPECT_THAT(error("layers=[{"), StartsWith("--set layers=[{: value:1: "));
  for (const char* nothing : {"weights.bits", "=4", ""}) {
    EXPECT_EQ(error(nothing), std::string("--set ") + nothing + ": must be KEY.KEY=VALUE");
  }
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
  EXPECT_THAT(error_of(with("average: 0.5", "average: 1")),
              StartsWith("r.yaml:11: finetune.average"));
  EXPECT_THAT(error_of(with("rate: 0.25", "rate: nan")),
              StartsWith("r.yaml:11: finetune.learning_rate"));
  EXPECT_THAT(error_of(with("epochs: 3, ", "")),
              StartsWith("r.yaml:11: finetune.epochs is missing"));
  EXPECT_THAT(error_of(with("name: test", "name: test\nname: again")),
              StartsWith("r.yaml:2: name is given twice"));
}

std::string with_allocate(const std::string& keys) {
  return std::string(kGood) + "allocate:\n  " + keys + "\n";
}

TEST(Recipe, the_keys_of_allocate_are_read) {
  const Recipe recipe = parse_recipe(
      with_allocate("{weight_bits: [2, p4, 16], activation_bits: [4, 8], budget: {latency: 2.5, "
                    "against: 8}, sensitivity: hessian, images: 7, probes: 3, seed: 11}"),
      "r.yaml");
  ASSERT_TRUE(recipe.allocate);
  const AllocateOptions& options = *recipe.allocate;
  ASSERT_EQ(options.weights.size(), 3U);
  EXPECT_EQ(to_string(options.weights[1]), "p4");
  EXPECT_EQ(options.weights[2].bits, 16);
  EXPECT_EQ(options.activation_bits, (std::vector<int>{4, 8}));
  EXPECT_EQ(options.budget.kind, BudgetKind::kLatency);
  EXPECT_EQ(options.budget.amount, 2.5);
  EXPECT_EQ(options.budget.against_bits, 8);
  EXPECT_EQ(options.images, 7);
  EXPECT_EQ(options.probes, 3);
  EXPECT_EQ(options.seed, 11U);
  const Recipe mse = parse_recipe(
      with_allocate("{weight_bits: [8], budget: {bytes: 900}, sensitivity: mse}"), "r.yaml");
  EXPECT_EQ(mse.allocate->sensitivity, Sensitivity::kMse);
  EXPECT_EQ(mse.allocate->budget.kind, BudgetKind::kBytes);
  EXPECT_TRUE(mse.allocate->activation_bits.empty());
}

TEST(Recipe, errors_in_allocate_name_file_line_and_key) {
  const auto error = [](const std::string& keys) { return error_of(with_allocate(keys)); };
  EXPECT_THAT(error("{budget: {size: 2}}"),
              StartsWith("r.yaml:13: allocate.weight_bits is missing"));
  EXPECT_THAT(error("{weight_bits: [8]}"), StartsWith("r.yaml:13: allocate.budget is missing"));
  EXPECT_THAT(error("{weight_bits: 8, budget: {size: 2}}"),
              StartsWith("r.yaml:13: allocate.weight_bits must be a list"));
  EXPECT_THAT(
      error("{weight_bits: [8, 1], budget: {size: 2}}"),
      StartsWith("r.yaml:13: allocate.weight_bits must hold integers in 2..16 or p4, got 1"));
  EXPECT_THAT(error("{weight_bits: [8], activation_bits: [p4], budget: {size: 2}}"),
              HasSubstr("allocate.activation_bits must hold integers in 2..16, got p4"));
  EXPECT_THAT(error("{weight_bits: [8], budget: {}}"), HasSubstr("allocate.budget.size or one"));
  EXPECT_THAT(error("{weight_bits: [8], budget: {size: 2, bops: 3}}"),
              HasSubstr("allocate.budget.size or one"));
  EXPECT_THAT(error("{weight_bits: [8], budget: {size: 0.5}}"),
              HasSubstr("allocate.budget.size must be a number in 1.."));
  EXPECT_THAT(error("{weight_bits: [8], budget: {size: 2, against: 8}}"),
              HasSubstr("allocate.budget.against goes with latency only"));
  EXPECT_THAT(error("{weight_bits: [8], budget: {size: 2}, sensitivity: mse, probes: 3}"),
              HasSubstr("allocate.probes is not a key here"));
}

TEST(Recipe, a_target_of_pruning_takes_the_place_of_a_ratio) {
  const auto prune = [](const std::string& keys) {
    return std::string(kGood) + "prune:\n  " + keys;
  };
  const Recipe recipe = parse_recipe(prune("{target: {latency: 2.5}}\n"), "r.yaml");
  ASSERT_TRUE(recipe.prune && recipe.prune->target);
  EXPECT_EQ(recipe.prune->target->goal, PruneGoal::kLatency);
  EXPECT_EQ(recipe.prune->target->ratio, 2.5);
  EXPECT_THAT(error_of(prune("{target: {macs: 2}, ratio: 0.5}\n")),
              StartsWith("r.yaml:13: prune.ratio does not go with target"));
  EXPECT_THAT(error_of(prune("{target: {macs: 2, size: 2}}\n")),
              HasSubstr("prune.target.size or one other"));
  EXPECT_THAT(error_of(prune("{target: {macs: 0.5}}\n")),
              HasSubstr("prune.target.macs must be a number in 1.."));
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
