/// Pruned networks from the recipe to logits on the chip.

#include <boost/json.hpp>

#include "system/run/command.hpp"

namespace tessera::test {
namespace {

namespace json = boost::json;

class PrunedNet : public testing::Test {
 protected:
  static constexpr const char* kWidths =
      "name: t\nweights: {bits: 8, threshold: max}\n"
      "activations: {bits: 8, threshold: max}\n"
      "calibration_images: 32\n";

  std::string file(const std::string& name) const { return folder_ / name; }

  json::object compress(const std::string& net, const std::string& data, const std::string& keys) {
    write_file(file("recipe.yaml"), kWidths + keys);
    must_succeed({"compress", net, "--recipe", file("recipe.yaml"), "--data", data, "-o",
                  file("q.onnx"), "--test-images", "300", "--json", file("compress.json")});
    return json::parse(read_file(file("compress.json"))).as_object();
  }
  /// Cycles an image; every output equals the reference's.
  int64_t run(const std::string& data, const std::string& count) {
    must_succeed({"deploy", file("q.onnx"), "-o", file("q.timg")});
    must_succeed(
        {"run", file("q.timg"), "--data", data, "--count", count, "--json", file("run.json")});
    const json::object report = json::parse(read_file(file("run.json"))).as_object();
    EXPECT_EQ(report.at("reference_mismatches").to_number<int>(), 0);
    EXPECT_TRUE(report.at("reference_checked").as_bool());
    return report.at("cycles").to_number<int64_t>();
  }

  static int64_t macs_of(const json::object& report) {
    int64_t macs = 0;
    for (const json::value& layer : report.at("layers").as_array()) {
      macs += layer.at("macs").to_number<int64_t>();
    }
    return macs;
  }

  TemporaryFolder folder_;
};

TEST_F(PrunedNet, lenet5_gets_smaller_and_faster_and_still_classifies) {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist")) {
    GTEST_SKIP() << "needs the package dataset-fashion-mnist";
  }
  const std::string net = shipped_network("lenet5");
  const json::object whole = compress(net, "fashion-mnist", "");
  const int64_t whole_cycles = run("fashion-mnist", "5");
  const json::object pruned =
      compress(net, "fashion-mnist", "prune: {ratio: 0.3, images: 128, steps: 2}\n");
  const int64_t pruned_cycles = run("fashion-mnist", "5");
  EXPECT_EQ(whole.at("pruned_parameters"), whole.at("parameters"));
  EXPECT_TRUE(whole.at("pruned_top1_percent").is_null());
  EXPECT_EQ(pruned.at("parameters"), whole.at("parameters"));
  EXPECT_LT(pruned.at("pruned_parameters").to_number<int64_t>(),
            0.55 * whole.at("parameters").to_number<double>());
  EXPECT_LT(pruned.at("integer_bytes").to_number<double>(),
            0.6 * whole.at("integer_bytes").to_number<double>());
  EXPECT_LT(pruned_cycles, whole_cycles);
  EXPECT_GT(pruned.at("integer_top1_percent").to_number<double>(), 85);
}

TEST_F(PrunedNet, merged_poolings_leave_the_chip_less_to_do) {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist")) {
    GTEST_SKIP() << "needs the package dataset-fashion-mnist";
  }
  const std::string net = shipped_network("lenet5");
  const json::object whole = compress(net, "fashion-mnist", "");
  const int64_t whole_macs = macs_of(whole);
  run("fashion-mnist", "2");
  const json::object merged = compress(net, "fashion-mnist", "merge: {max_pool: approximate}\n");
  run("fashion-mnist", "2");
  EXPECT_TRUE(whole.at("merged_layers").as_array().empty());
  EXPECT_EQ(merged.at("merged_layers").as_array().size(), 2U);
  EXPECT_LT(macs_of(merged), whole_macs / 2);
}

TEST_F(PrunedNet, residual_and_depthwise_networks_deploy_at_half_their_channels) {
  for (const char* name : {"resnet20-cifar10", "mobilenet-v1-cifar10"}) {
    must_succeed({"net", name, "-o", file("net.onnx"), "--seed", "3"});
    const json::object report = compress(file("net.onnx"), "noise",
                                         "prune: {criterion: l2, ratio: 0.5, compensate: false}\n");
    EXPECT_LT(report.at("pruned_parameters").to_number<double>(),
              0.3 * report.at("parameters").to_number<double>())
        << name;
    run("noise", "1");
  }
}

}  // namespace
}  // namespace tessera::test
