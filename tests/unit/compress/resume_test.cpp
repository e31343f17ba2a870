/// Compression that is cut off anywhere goes on and ends with the same bits.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <set>
#include <stdexcept>

#include "compress/compress.hpp"
#include "compress/stages.hpp"
#include "compress/train.hpp"
#include "graph/onnx_io.hpp"
#include "support/error_of.hpp"
#include "unit/compress/tiny_problem.hpp"

namespace tessera::compress {
namespace {

namespace fs = std::filesystem;
using test::error_of;
using testing::HasSubstr;

constexpr const char* kTuning = "epochs: 2, batch_size: 16, shift_pixels: 0, flip: false";

std::string yaml(const std::string& ratio = "0.5") {
  return std::string("name: t\nweights: {bits: 8}\nactivations: {bits: 8}\n") +
         "prune: {ratio: " + ratio + ", steps: 2, images: 32, retrain: {" + kTuning + "}}\n" +
         "allocate: {weight_bits: [2, 4, 8], activation_bits: [4, 8], budget: {size: 14}, " +
         "images: 16, probes: 2}\n" + "finetune: {" + kTuning + "}\n";
}

struct Cut : std::exception {};

class Resume : public testing::Test {
 protected:
  /// The bytes of the result, or nothing if it is cut off at call number `cut` of the progress.
  std::string run(const std::string& recipe, int cut = 0, const std::string& settings = "") {
    TorchFineTuner tuner(1);
    CompressOptions options;
    options.fine_tuner = &tuner;
    options.threads = 1;
    options.checkpoint = checkpoint_;
    options.settings = settings;
    calls_ = 0;
    stages_.clear();
    options.on_progress = [&](const std::string& stage, double) {
      stages_.insert(stage);
      if (++calls_ == cut) throw Cut();
    };
    try {
      return graph::serialize_onnx(
          compress(net_, parse_recipe(recipe, "r.yaml"), train_, test_, options).graph);
    } catch (const Cut&) {
      return "";
    }
  }

  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("resume_" + std::to_string(getpid()));
    fs::create_directories(folder_);
    checkpoint_ = (folder_ / "checkpoint").string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_;
  std::string checkpoint_;
  graph::Graph net_ = [] {
    graph::Graph net = tiny_residual_net(3);
    net.normalization = {{0.1F}, {0.3F}};
    return net;
  }();
  data::Dataset train_ = corner_images(96, 1), test_ = corner_images(40, 2);
  int calls_ = 0;
  std::set<std::string> stages_;
};

TEST_F(Resume, a_run_cut_off_anywhere_ends_with_the_same_bits) {
  const std::string whole = run(yaml());
  ASSERT_FALSE(whole.empty());
  const int calls = calls_;
  remove_stages(checkpoint_);
  ASSERT_TRUE(fs::is_empty(folder_));
  for (int cut = 1; cut <= calls; cut += 7) {
    ASSERT_EQ(run(yaml(), cut), "");
    EXPECT_TRUE(run(yaml()) == whole) << "cut off at call " << cut;
    EXPECT_LE(calls_, calls);
    remove_stages(checkpoint_);
  }
}

TEST_F(Resume, a_run_cut_off_again_and_again_ends_with_the_same_bits) {
  const std::string whole = run(yaml());
  run(yaml());
  const int calls_at_least = calls_;
  remove_stages(checkpoint_);
  std::string result;
  int runs = 0;
  for (; result.empty() && runs < 100; ++runs) result = run(yaml(), calls_at_least + 10);
  EXPECT_GT(runs, 2);
  EXPECT_TRUE(result == whole);
}

TEST_F(Resume, finished_stages_are_not_computed_again) {
  run(yaml());
  EXPECT_EQ(stages_.count("measure widths"), 1U);
  const int calls = calls_;
  run(yaml());
  EXPECT_EQ(stages_.count("measure widths"), 0U);
  EXPECT_LT(calls_, calls / 2);
}

TEST_F(Resume, a_checkpoint_of_another_run_is_refused_in_one_line) {
  run(yaml(), 30);
  EXPECT_THAT(error_of([&] { run(yaml("0.25")); }), HasSubstr("is of another network, recipe"));
  EXPECT_THAT(error_of([&] { run(yaml(), 0, "precision bfloat16"); }), HasSubstr("is of another"));
  train_.images[5] ^= 1;
  const std::string message = error_of([&] { run(yaml()); });
  EXPECT_THAT(message, HasSubstr(checkpoint_));
  EXPECT_EQ(message.find('\n'), std::string::npos);
  train_.images[5] ^= 1;
  net_.weights.at("fc2.weight").data[0] += 1;
  EXPECT_THAT(error_of([&] { run(yaml()); }), HasSubstr("is of another"));
}

}  // namespace
}  // namespace tessera::compress
