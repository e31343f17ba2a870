/// `tessera compress` with recipes that learn, choose and are killed, on LeNet-5 and a small data
/// set.

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <chrono>
#include <random>
#include <thread>

#include "system/run/command.hpp"

namespace tessera::test {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;
using testing::HasSubstr;

constexpr const char* kRecipe =
    "name: t\n"
    "weights: {bits: 8, threshold: max}\n"
    "activations: {bits: 8, threshold: max}\n"
    "calibration_images: 32\n"
    "prune:\n"
    "  target: {macs: 2}\n"
    "  images: 32\n"
    "  steps: 2\n"
    "  retrain: {epochs: 2}\n"
    "allocate:\n"
    "  weight_bits: [2, 4, 8]\n"
    "  activation_bits: [4, 8]\n"
    "  budget: {size: 20}\n"
    "  images: 32\n"
    "  probes: 2\n"
    "finetune: {epochs: 2}\n";

class CompressCommand : public testing::Test {
 protected:
  void SetUp() override {
    write_file(folder_ / "shape.txt", "1 28 28\n");
    write_file(folder_ / "train.bin", images(600, 1));
    write_file(folder_ / "test.bin", images(200, 2));
    write_file(folder_ / "recipe.yaml", kRecipe);
  }

  /// Ten classes: a bright square whose place tells the class, in noise.
  static std::string images(int count, unsigned seed) {
    std::mt19937 random(seed);
    std::string bytes;
    for (int i = 0; i < count; ++i) {
      const auto label = static_cast<unsigned>(random() % 10);
      bytes.push_back(static_cast<char>(label));
      for (unsigned y = 0; y < 28; ++y) {
        for (unsigned x = 0; x < 28; ++x) {
          const bool bright = y / 7 == label / 4 && x / 7 == label % 4;
          bytes.push_back(static_cast<char>((bright ? 130 : 0) + random() % 100));
        }
      }
    }
    return bytes;
  }

  std::vector<std::string> arguments(const std::string& output) const {
    return {"compress",  shipped_network("lenet5"),
            "--recipe",  folder_ / "recipe.yaml",
            "--data",    folder_ / ".",
            "-o",        folder_ / output,
            "--threads", "1",
            "--json",    folder_ / (output + ".json")};
  }
  json::object report(const std::string& name) const {
    return json::parse(read_file(folder_ / name)).as_object();
  }

  /// Starts the command and kills it as soon as a file is there. False if it ended before.
  bool run_until(const std::string& file, const std::string& output) const {
    const pid_t child = fork();
    if (child < 0) throw std::runtime_error("fork failed");
    if (child == 0) {
      detail::become_command(arguments(output), {}, (folder_ / "out").c_str(),
                             (folder_ / "err").c_str());
    }
    int status = 0;
    while (!fs::exists(folder_ / file)) {
      if (waitpid(child, &status, WNOHANG) == child) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return WIFSIGNALED(status);
  }

  /// Of q.onnx with weights that are not coded, into e.json.
  void estimate_dense(const std::string& chip) {
    must_succeed(
        {"deploy", folder_ / "q.onnx", "--chip", chip, "--no-coding", "-o", folder_ / "q.timg"});
    must_succeed({"estimate", folder_ / "q.timg", "--chip", chip, "--json", folder_ / "e.json"});
  }

  TemporaryFolder folder_;
};

TEST_F(CompressCommand, killed_in_every_stage_it_goes_on_to_the_same_file) {
  must_succeed(arguments("whole.onnx"));
  for (const char* file : {"q.onnx.checkpoint", "q.onnx.checkpoint.prune-1",
                           "q.onnx.checkpoint.prune-2", "q.onnx.checkpoint.fine-tune-1"}) {
    EXPECT_TRUE(run_until(file, "q.onnx")) << file;
    EXPECT_FALSE(fs::exists(folder_ / "q.onnx"));
  }
  must_succeed(arguments("q.onnx"));
  EXPECT_TRUE(read_file(folder_ / "q.onnx") == read_file(folder_ / "whole.onnx"));
  for (const std::string& name : folder_.list()) {
    EXPECT_EQ(name.find("checkpoint"), std::string::npos) << name;
  }
}

TEST_F(CompressCommand, a_checkpoint_of_another_recipe_is_refused_until_told_to_restart) {
  ASSERT_TRUE(run_until("q.onnx.checkpoint.prune-1", "q.onnx"));
  write_file(folder_ / "recipe.yaml", replaced(kRecipe, "macs: 2", "macs: 3"));
  const CommandResult refused = tessera(arguments("q.onnx"));
  EXPECT_EQ(refused.status, 2) << refused;
  EXPECT_EQ(refused.err_lines(), 1) << refused;
  EXPECT_THAT(refused.err, HasSubstr("q.onnx.checkpoint: is of another"));
  std::vector<std::string> again = arguments("q.onnx");
  again.push_back("--restart");
  must_succeed(again);
}

TEST_F(CompressCommand, prints_the_plan_and_reports_what_the_file_is) {
  const CommandResult result = tessera(arguments("q.onnx"));
  ASSERT_EQ(result.status, 0) << result;
  EXPECT_LT(result.out.find("plan "), result.out.find("layer "));
  const json::object r = report("q.onnx.json");
  EXPECT_LE(r.at("integer_bytes").to_number<int64_t>(), 4 * 61706 / 20);
  const json::object& plan = r.at("plan").as_object();
  EXPECT_EQ(plan.at("cost"), r.at("integer_bytes"));
  EXPECT_EQ(plan.at("budget").to_number<int64_t>(), 4 * 61706 / 20);
  const json::array& planned = plan.at("layers").as_array();
  const json::array& layers = r.at("layers").as_array();
  ASSERT_EQ(planned.size(), layers.size());
  for (size_t i = 0; i < layers.size(); ++i) {
    for (const char* key : {"name", "weight_bits", "activation_bits"}) {
      EXPECT_EQ(planned[i].at(key), layers[i].at(key)) << key;
    }
    EXPECT_LE(layers[i].at("channels").to_number<int>(),
              layers[i].at("channels_given").to_number<int>());
  }
  EXPECT_EQ(layers[0].at("channels_given").to_number<int>(), 6);
  EXPECT_EQ(layers.back().at("channels").to_number<int>(), 10);
  EXPECT_EQ(r.at("seeds").as_object().size(), 3U);
  EXPECT_EQ(r.at("training_epochs").to_number<int>(), 2 * 2 + 2);

  estimate_dense("reference");
  const json::object& latency = r.at("latency").as_object();
  EXPECT_EQ(latency.at("cycles"), report("e.json").at("cycles"));
  EXPECT_EQ(latency.at("dram_bytes"), report("e.json").at("dram_bytes"));
  EXPECT_LE(latency.at("cycles").to_number<int64_t>(),
            latency.at("pruned_16_bit_cycles").to_number<int64_t>());
  EXPECT_LT(latency.at("pruned_16_bit_cycles").to_number<int64_t>(),
            latency.at("given_16_bit_cycles").to_number<int64_t>());
}

TEST_F(CompressCommand, epochs_are_multiplied_to_no_fewer_than_one) {
  std::vector<std::string> command = arguments("q.onnx");
  command.insert(command.end(), {"--epochs-factor", "0.1"});
  must_succeed(command);
  EXPECT_EQ(report("q.onnx.json").at("training_epochs").to_number<int>(), 2 * 1 + 1);
  for (const char* factor : {"0", "-1", "nan", "1001"}) {
    command.back() = factor;
    const CommandResult refused = tessera(command);
    EXPECT_EQ(refused.status, 2) << refused;
    EXPECT_THAT(refused.err, HasSubstr("--epochs-factor must be above 0")) << refused;
  }
}

TEST_F(CompressCommand, keys_of_the_recipe_are_set) {
  std::vector<std::string> command = arguments("q.onnx");
  command.insert(command.end(), {"--set", "finetune.epochs=1", "--set", "prune.steps=1"});
  must_succeed(command);
  EXPECT_EQ(report("q.onnx.json").at("training_epochs").to_number<int>(), 1 * 2 + 1);
  EXPECT_EQ(report("q.onnx.json").at("settings"),
            json::value({"finetune.epochs=1", "prune.steps=1"}));
  command.back() = "prune.step=1";
  const CommandResult refused = tessera(command);
  EXPECT_EQ(refused.status, 2) << refused;
  EXPECT_THAT(refused.err, HasSubstr("prune.step is not a key here")) << refused;
}

TEST_F(CompressCommand, latency_is_budgeted_on_the_chip_named) {
  write_file(folder_ / "recipe.yaml",
             "name: t\nweights: {bits: 8}\nactivations: {bits: 8}\ncalibration_images: 32\n"
             "allocate:\n  weight_bits: [2, 4, 8, 16]\n  activation_bits: [8, 16]\n"
             "  sensitivity: mse\n  images: 16\n  budget: {latency: 1.5}\n");
  std::vector<std::string> command = arguments("q.onnx");
  command.insert(command.end(), {"--chip", "edge"});
  must_succeed(command);
  estimate_dense("edge");
  const json::object r = report("q.onnx.json");
  const auto cycles = report("e.json").at("cycles").to_number<int64_t>();
  EXPECT_EQ(r.at("plan").at("cost").to_number<int64_t>(), cycles);
  EXPECT_LE(cycles, r.at("latency").at("given_16_bit_cycles").to_number<int64_t>() * 2 / 3);

  write_file(folder_ / "recipe.yaml",
             replaced(read_file(folder_ / "recipe.yaml"), "latency: 1.5", "latency: 1000"));
  const CommandResult refused = tessera(command);
  EXPECT_EQ(refused.status, 2) << refused;
  EXPECT_EQ(refused.err_lines(), 1) << refused;
  EXPECT_THAT(refused.err, HasSubstr("recipe.yaml:10: allocate.budget.latency allows"));
}

/// The shipped recipe with a sixth of its epochs, on the whole of Fashion-MNIST (91.3 % in float).
TEST_F(CompressCommand, stream_merge_of_lenet5_reaches_its_floor_on_a_reduced_budget) {
  if (!fs::exists("/usr/share/datasets/fashion-mnist")) {
    GTEST_SKIP() << "needs the package dataset-fashion-mnist";
  }
  write_file(folder_ / "short.yaml",
             "name: short\n"
             "weights: {bits: 4, threshold: mse}\n"
             "activations: {bits: 8, threshold: mse}\n"
             "layers:\n  - {match: first, weight_bits: 8, activation_bits: 8}\n"
             "prune:\n  criterion: reconstruction\n  target: {size: 2.8}\n  steps: 2\n"
             "  retrain: {epochs: 1, learning_rate: 0.02}\n"
             "merge: {max_pool: approximate, identity_threshold: 0.05}\n"
             "finetune: {epochs: 3, scale_learning_rate: 0.005}\n");
  must_succeed({"compress", shipped_network("lenet5"), "--recipe", folder_ / "short.yaml", "--data",
                "fashion-mnist", "-o", folder_ / "q.onnx", "--json", folder_ / "r.json"});
  const json::object r = report("r.json");
  EXPECT_EQ(r.at("test_images").to_number<int>(), 10000);
  EXPECT_GE(r.at("file_ratio").to_number<double>(), 20);
  EXPECT_GE(r.at("coded_file_ratio").to_number<double>(), 20);
  EXPECT_GE(r.at("integer_top1_percent").to_number<double>(), 87);
  EXPECT_EQ(r.at("merged_layers").as_array().size(), 2U);
  must_succeed({"deploy", folder_ / "q.onnx", "-o", folder_ / "q.timg"});
  must_succeed({"run", folder_ / "q.timg", "--data", "fashion-mnist", "--count", "20", "--json",
                folder_ / "run.json"});
  const json::object run = report("run.json");
  EXPECT_EQ(run.at("reference_mismatches").to_number<int>(), 0);
  EXPECT_LT(run.at("cycles").to_number<double>() / 20,
            r.at("latency").at("given_16_bit_cycles").to_number<double>());
}

}  // namespace
}  // namespace tessera::test
