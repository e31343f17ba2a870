#include "compress/recipe.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>

#include "compress/builtin_recipes.hpp"
#include "compress/yaml_map.hpp"

namespace tessera::compress {
namespace {

using graph::WeightCode;

constexpr int kMinBits = 2, kMaxBits = 16;
constexpr int kPowerOfTwoBits = 4;
const std::vector<std::string> kCodes = {"twos-complement", "power-of-two"};
const std::vector<std::string> kThresholds = {"max", "mse", "kl"};
const std::vector<std::string> kCriteria = {"l1", "l2", "taylor", "similarity", "reconstruction"};
constexpr double kMaxRatio = 0.999;
constexpr double kMaxBudget = 1e12;
const std::vector<std::string> kBudgets = {"size", "bytes", "bops", "latency"};
constexpr double kRetrainRate = 0.01;
constexpr double kMaxAverage = 0.999999;
constexpr double kMaxJointRatio = 1e6;

int bits(YamlMap& map, const std::string& name, const std::optional<int64_t>& otherwise = {}) {
  return static_cast<int>(map.integer(name, kMinBits, kMaxBits, otherwise));
}

void check_code_bits(YamlMap& map, const std::string& key, WeightCode code, int weight_bits) {
  if (code == WeightCode::kPowerOfTwo && weight_bits != kPowerOfTwoBits) {
    map.fail(key, "must be 4 for power-of-two weights, got " + std::to_string(weight_bits));
  }
}

void read_weights(YamlMap map, Recipe& recipe) {
  recipe.weight_bits = bits(map, "bits");
  recipe.weight_code = static_cast<WeightCode>(map.choice("code", kCodes, 0));
  check_code_bits(map, "bits", recipe.weight_code, recipe.weight_bits);
  recipe.weight_threshold = static_cast<Threshold>(map.choice("threshold", {"max", "mse"}, 1));
  recipe.per_channel = map.boolean("per_channel", true);
  map.finish();
}

void read_activations(YamlMap map, Recipe& recipe) {
  recipe.activation_bits = bits(map, "bits");
  recipe.activation_threshold = static_cast<Threshold>(map.choice("threshold", kThresholds, 1));
  map.finish();
}

LayerRule read_rule(YamlMap map) {
  LayerRule rule;
  rule.line = map.line();
  rule.match = map.text("match");
  if (map.has("weight_bits")) rule.weight_bits = bits(map, "weight_bits");
  if (map.has("activation_bits")) rule.activation_bits = bits(map, "activation_bits");
  if (map.has("code")) {
    rule.code = static_cast<WeightCode>(map.choice("code", kCodes));
    if (rule.code == WeightCode::kPowerOfTwo) {
      rule.weight_bits = rule.weight_bits.value_or(kPowerOfTwoBits);
      check_code_bits(map, "weight_bits", *rule.code, *rule.weight_bits);
    }
  }
  map.finish();
  if (!rule.weight_bits && !rule.activation_bits && !rule.code) {
    map.fail("match", "changes nothing: give weight_bits, activation_bits or code");
  }
  return rule;
}

MergeOptions read_merge(YamlMap map) {
  MergeOptions options;
  options.lrn = map.boolean("lrn", false);
  options.average_pool =
      static_cast<Merging>(map.choice("average_pool", {"none", "exact", "approximate"}, 0));
  options.max_pool = map.choice("max_pool", {"none", "approximate"}, 0) == 1;
  options.identity_threshold = map.number("identity_threshold", 0, 1, 0);
  map.finish();
  return options;
}

/// The keys that fine-tuning and retraining share.
void read_tuning(YamlMap& map, FineTuneOptions& options) {
  options.epochs = static_cast<int>(map.integer("epochs", 1, 10000));
  options.batch_size = static_cast<int>(map.integer("batch_size", 1, 65536, options.batch_size));
  options.learning_rate = map.number("learning_rate", 1e-9, 10, options.learning_rate);
  options.distillation = map.number("distillation", 0, 1, options.distillation);
  options.average = map.number("average", 0, kMaxAverage, options.average);
  options.shift_pixels = static_cast<int>(map.integer("shift_pixels", 0, 64, options.shift_pixels));
  options.flip = map.boolean("flip", options.flip);
  options.seed = static_cast<uint64_t>(map.integer("seed", 0, INT64_MAX, 1));
}

FreezeOptions read_freeze(YamlMap map) {
  FreezeOptions options;
  options.steps = map.numbers("steps", 0, 1);
  options.rest = static_cast<Unfrozen>(map.choice("rest", {"float", "rounded"}, 0));
  map.finish();
  if (options.steps.empty() || !std::is_sorted(options.steps.begin(), options.steps.end())) {
    map.fail("steps", "must be shares of the weights, none below the one before it");
  }
  if (options.rest == Unfrozen::kFloat && options.steps.back() != 1) {
    map.fail("steps", "must end with 1: all weights end on the grid");
  }
  return options;
}

FineTuneOptions read_finetune(YamlMap map) {
  FineTuneOptions options;
  read_tuning(map, options);
  options.scale_learning_rate =
      map.number("scale_learning_rate", 0, 10, options.scale_learning_rate);
  if (map.has("freeze")) options.freeze = read_freeze(map.map("freeze"));
  map.finish();
  return options;
}

WidthChoice read_width(YamlMap& map, const std::string& key, const std::string& word, bool codes) {
  if (codes && word == "p4") return {kPowerOfTwoBits, WeightCode::kPowerOfTwo};
  const bool number = !word.empty() && word.size() <= 2 &&
                      word.find_first_not_of("0123456789") == std::string::npos;
  if (!number || std::stoi(word) < kMinBits || std::stoi(word) > kMaxBits) {
    map.fail(key, std::string("must hold integers in 2..16") + (codes ? " or p4" : "") + ", got " +
                      word);
  }
  return {std::stoi(word), WeightCode::kTwosComplement};
}

Budget read_budget(YamlMap map) {
  Budget budget;
  budget.line = map.line();
  int given = 0;
  for (size_t i = 0; i < kBudgets.size(); ++i) {
    if (!map.has(kBudgets[i])) continue;
    budget.kind = static_cast<BudgetKind>(i);
    const double low = budget.kind == BudgetKind::kLatency ? 0.01 : 1;
    budget.amount = map.number(kBudgets[i], low, kMaxBudget);
    ++given;
  }
  if (given != 1) map.fail("size", "or one other of bytes, bops and latency must be given");
  if (map.has("against")) {
    if (budget.kind != BudgetKind::kLatency) map.fail("against", "goes with latency only");
    budget.against_bits = bits(map, "against");
  }
  map.finish();
  return budget;
}

AllocateOptions read_allocate(YamlMap map) {
  AllocateOptions options;
  for (const std::string& word : map.words("weight_bits")) {
    options.weights.push_back(read_width(map, "weight_bits", word, true));
  }
  if (map.has("activation_bits")) {
    for (const std::string& word : map.words("activation_bits")) {
      options.activation_bits.push_back(read_width(map, "activation_bits", word, false).bits);
    }
  }
  options.budget = read_budget(map.map("budget"));
  options.sensitivity = static_cast<Sensitivity>(map.choice("sensitivity", {"hessian", "mse"}, 0));
  options.images = map.integer("images", 1, 1000000, options.images);
  if (options.sensitivity == Sensitivity::kHessian) {
    options.probes = static_cast<int>(map.integer("probes", 1, 100000, options.probes));
    options.seed = static_cast<uint64_t>(map.integer("seed", 0, INT64_MAX, 1));
  }
  map.finish();
  return options;
}

void read_joint_budget(YamlMap map, JointOptions& options) {
  const bool bits = map.has("weight_bits"), bops = map.has("bops");
  if (bits == bops) map.fail("weight_bits", "or bops must be given, one of both");
  options.cost = bits ? JointCost::kWeightBits : JointCost::kBops;
  options.ratio = map.number(bits ? "weight_bits" : "bops", 1, kMaxJointRatio);
  map.finish();
}

JointOptions read_joint(YamlMap map) {
  JointOptions options;
  read_tuning(map, options.training);
  options.training.scale_learning_rate =
      map.number("scale_learning_rate", 0, 10, options.training.scale_learning_rate);
  options.gate_learning_rate =
      map.number("gate_learning_rate", 1e-9, 10, options.gate_learning_rate);
  options.dual_learning_rate =
      map.number("dual_learning_rate", 1e-9, 10, options.dual_learning_rate);
  options.channels = map.boolean("channels", options.channels);
  read_joint_budget(map.map("budget"), options);
  if (map.has("bits")) {
    options.bits.clear();
    for (const double bits : map.numbers("bits", kMinBits, kMaxBits)) {
      options.bits.push_back(static_cast<int>(bits));
      const bool stored = bits == 2 || bits == 4 || bits == 8 || bits == 16;
      const size_t count = options.bits.size();
      if (!stored || (count > 1 && options.bits[count - 2] >= options.bits[count - 1])) {
        map.fail("bits", "must be an ascending list of 2, 4, 8, 16");
      }
    }
  }
  if (options.bits.empty() || (options.bits.size() == 1 && !options.channels)) {
    map.fail("bits", "must be two widths or more, unless channels are learned");
  }
  map.finish();
  return options;
}

/// Joint learning decides the weights' formats alone.
void check_joint(YamlMap& map, const Recipe& recipe) {
  const bool ruled =
      std::any_of(recipe.layers.begin(), recipe.layers.end(),
                  [](const LayerRule& rule) { return rule.weight_bits || rule.code; });
  if (recipe.allocate) map.fail("joint", "learns the widths itself: give no allocate");
  if (ruled || recipe.weight_code != WeightCode::kTwosComplement) {
    map.fail("joint", "learns the weights' formats: give no code, and no weight_bits in layers");
  }
}

PruneRule read_prune_rule(YamlMap map) {
  PruneRule rule;
  rule.line = map.line();
  rule.match = map.text("match");
  rule.ratio = map.number("ratio", 0, kMaxRatio);
  map.finish();
  return rule;
}

PruneTarget read_target(YamlMap map) {
  const std::vector<std::string> goals = {"size", "macs", "latency"};
  PruneTarget target;
  target.line = map.line();
  int given = 0;
  for (size_t i = 0; i < goals.size(); ++i) {
    if (!map.has(goals[i])) continue;
    target.goal = static_cast<PruneGoal>(i);
    target.ratio = map.number(goals[i], 1, kMaxBudget);
    ++given;
  }
  if (given != 1) map.fail("size", "or one other of macs and latency must be given");
  map.finish();
  return target;
}

PruneOptions read_prune(YamlMap map) {
  PruneOptions options;
  options.criterion = static_cast<Criterion>(
      map.choice("criterion", kCriteria, static_cast<size_t>(options.criterion)));
  if (map.has("target")) options.target = read_target(map.map("target"));
  if (options.target && map.has("ratio")) map.fail("ratio", "does not go with target");
  options.ratio = map.number("ratio", 0, kMaxRatio, 0);
  for (const YamlMap& rule : map.maps("layers")) options.layers.push_back(read_prune_rule(rule));
  options.min_channels = map.integer("min_channels", 1, 1 << 20, options.min_channels);
  options.multiple = map.integer("multiple", 1, 1024, options.multiple);
  options.compensate = map.boolean("compensate", options.compensate);
  options.fc_sparsity = map.number("fc_sparsity", 0, 1, 0);
  options.steps = static_cast<int>(map.integer("steps", 1, 1000, options.steps));
  options.images = map.integer("images", 1, 1000000, options.images);
  if (map.has("retrain")) {
    YamlMap retrain = map.map("retrain");
    options.retrain.learning_rate = kRetrainRate;
    read_tuning(retrain, options.retrain);
    retrain.finish();
  }
  map.finish();
  if (options.ratio == 0 && !options.target && options.layers.empty() && options.fc_sparsity == 0) {
    map.fail("ratio",
             "is 0, and nothing else is pruned: give ratio, target, layers or fc_sparsity");
  }
  options.retrain.keep_zeros = options.fc_sparsity > 0;
  return options;
}

Recipe read_recipe(const YAML::Node& yaml, const std::string& file) {
  YamlMap map(yaml, file, "");
  Recipe recipe;
  recipe.file = file;
  recipe.name = map.text("name");
  read_weights(map.map("weights"), recipe);
  read_activations(map.map("activations"), recipe);
  recipe.logits_bits = bits(map, "logits_bits", recipe.logits_bits);
  recipe.radix_point = map.boolean("radix_point", false);
  recipe.rounding =
      static_cast<graph::Rounding>(map.choice("rounding", {"half-up", "stochastic"}, 0));
  recipe.calibration_images =
      map.integer("calibration_images", 1, 1000000, recipe.calibration_images);
  if (map.has("merge")) recipe.merge = read_merge(map.map("merge"));
  for (const YamlMap& rule : map.maps("layers")) recipe.layers.push_back(read_rule(rule));
  if (map.has("allocate")) recipe.allocate = read_allocate(map.map("allocate"));
  if (map.has("prune")) recipe.prune = read_prune(map.map("prune"));
  if (map.has("joint")) {
    recipe.joint = read_joint(map.map("joint"));
    check_joint(map, recipe);
  }
  if (map.has("finetune")) recipe.finetune = read_finetune(map.map("finetune"));
  recipe.finetune.keep_zeros = recipe.prune && recipe.prune->fc_sparsity > 0;
  map.finish();
  return recipe;
}

/// "a.b=VALUE": key b of map a.
void set_key(YAML::Node node, const std::string& setting) {
  const size_t equals = setting.find('=');
  if (equals == std::string::npos) throw std::runtime_error("must be KEY.KEY=VALUE");
  std::istringstream path(setting.substr(0, equals));
  std::string key, before;
  while (std::getline(path, key, '.')) {
    if (node.IsDefined() && !node.IsMap()) throw std::runtime_error(before + " has no keys");
    node.reset(node[key]);
    before += (before.empty() ? "" : ".") + key;
  }
  if (before.empty()) throw std::runtime_error("must be KEY.KEY=VALUE");
  node = parse_yaml(setting.substr(equals + 1), "value");
}

/// The message without the place in the file, which is not where the mistake is.
std::string without_place(const std::string& message, const std::string& file) {
  if (message.rfind(file + ":", 0) != 0) return message;
  return message.substr(message.find(": ", file.size()) + 2);
}

}  // namespace

Recipe parse_recipe(const std::string& yaml, const std::string& file,
                    const std::vector<std::string>& settings) {
  YAML::Node node = parse_yaml(yaml, file);
  Recipe recipe = read_recipe(node, file);  // the mistakes of the file itself have their places
  std::string option;
  for (const std::string& setting : settings) {
    option += (option.empty() ? "--set " : " --set ") + setting;
    try {
      set_key(node, setting);
    } catch (const std::runtime_error& error) {
      throw std::runtime_error("--set " + setting + ": " + error.what());
    }
  }
  try {
    recipe = read_recipe(node, file);
  } catch (const std::runtime_error& error) {
    throw std::runtime_error(option + ": " + without_place(error.what(), file));
  }
  recipe.text = yaml + option;
  return recipe;
}

std::vector<std::string> recipe_names() {
  std::vector<std::string> names;
  for (const BuiltinRecipe& recipe : builtin_recipes()) names.emplace_back(recipe.name);
  return names;
}

Recipe load_recipe(const std::string& name_or_path, const std::vector<std::string>& settings) {
  for (const BuiltinRecipe& recipe : builtin_recipes()) {
    if (name_or_path == recipe.name) {
      return parse_recipe(recipe.yaml, name_or_path + ".yaml", settings);
    }
  }
  if (std::filesystem::is_regular_file(name_or_path)) {
    std::ifstream file(name_or_path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return parse_recipe(text.str(), name_or_path, settings);
  }
  std::string known;
  for (const std::string& name : recipe_names()) known += (known.empty() ? "" : ", ") + name;
  throw std::runtime_error("recipe " + name_or_path + ": no such file, and not one of " + known);
}

void set_seed(Recipe& recipe, uint64_t seed) {
  if (recipe.prune) recipe.prune->retrain.seed = seed;
  if (recipe.joint) recipe.joint->training.seed = seed;
  if (recipe.allocate) recipe.allocate->seed = seed;
  recipe.finetune.seed = seed;
}

void scale_epochs(Recipe& recipe, double factor) {
  const auto scale = [factor](FineTuneOptions& options) {
    if (options.epochs == 0) return;
    options.epochs = static_cast<int>(std::clamp(std::round(factor * options.epochs), 1.0, 1e6));
  };
  if (recipe.prune) scale(recipe.prune->retrain);
  if (recipe.joint) scale(recipe.joint->training);
  scale(recipe.finetune);
}

int training_epochs(const Recipe& recipe) {
  return (recipe.prune ? recipe.prune->steps * recipe.prune->retrain.epochs : 0) +
         (recipe.joint ? recipe.joint->training.epochs : 0) + recipe.finetune.epochs;
}

}  // namespace tessera::compress
