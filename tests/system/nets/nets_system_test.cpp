/// From a network's name to logits on the chip, without a data set.

#include <boost/json.hpp>
#include <cmath>

#include "system/run/command.hpp"

namespace tessera::test {
namespace {

namespace json = boost::json;

class Net : public testing::TestWithParam<const char*> {
 protected:
  std::string file(const std::string& suffix) const { return folder_ / (GetParam() + suffix); }
  json::object report(const std::string& suffix) const {
    return json::parse(read_file(file(suffix))).as_object();
  }

  TemporaryFolder folder_;
};

TEST_P(Net, with_random_weights_runs_on_the_chip_as_on_the_reference) {
  must_succeed({"net", GetParam(), "-o", file(".onnx"), "--seed", "11"});
  must_succeed({"compress", file(".onnx"), "--recipe", "int8-max", "--data", "noise", "-o",
                file("-int8.onnx"), "--json", file("-compress.json")});
  must_succeed({"deploy", file("-int8.onnx"), "-o", file(".timg")});
  const CommandResult run = tessera(
      {"run", file(".timg"), "--data", "noise", "--count", "1", "--json", file("-run.json")});
  EXPECT_EQ(run.status, 0) << run;
  EXPECT_NE(run.out.find("0 images differ"), std::string::npos) << run;
  EXPECT_NE(run.out.find("without labels"), std::string::npos) << run;

  const json::object result = report("-run.json");
  EXPECT_TRUE(result.at("reference_checked").as_bool());
  EXPECT_EQ(result.at("reference_mismatches").to_number<int>(), 0);
  EXPECT_TRUE(result.at("top1_percent").is_null());
  EXPECT_TRUE(result.at("correct").is_null());
  const json::object compressed = report("-compress.json");
  EXPECT_TRUE(compressed.at("integer_top1_percent").is_null());
  EXPECT_TRUE(compressed.at("float_top1_percent").is_null());
  int64_t macs = 0;
  for (const json::value& layer : compressed.at("layers").as_array()) {
    macs += layer.as_object().at("macs").to_number<int64_t>();
  }
  EXPECT_GE(result.at("macs").to_number<int64_t>(), macs);

  must_succeed({"estimate", file(".timg"), "--json", file("-estimate.json")});
  const auto cycles = result.at("cycles").to_number<double>();
  const auto estimated = report("-estimate.json").at("cycles").to_number<double>();
  EXPECT_LE(std::abs(estimated - cycles), 0.03 * cycles) << estimated << " for " << cycles;
}

INSTANTIATE_TEST_SUITE_P(Nets, Net, testing::Values("resnet20-cifar10", "mobilenet-v1-cifar10"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(NetCommand, writes_the_same_file_for_the_same_seed_only) {
  const TemporaryFolder folder;
  const auto written = [&](const std::string& seed) {
    must_succeed({"net", "resnet20-cifar10", "-o", folder / "net.onnx", "--seed", seed});
    return read_file(folder / "net.onnx");
  };
  const std::string first = written("1");
  EXPECT_EQ(written("1"), first);
  EXPECT_NE(written("2"), first);
}

TEST(NetCommand, refuses_what_it_does_not_know_and_writes_nothing) {
  const TemporaryFolder folder;
  const CommandResult unknown = tessera({"net", "resnet19", "-o", folder / "net.onnx"});
  EXPECT_EQ(unknown.status, 2) << unknown;
  EXPECT_NE(unknown.err.find("resnet20-cifar10"), std::string::npos) << unknown;
  const CommandResult nowhere = tessera({"net", "resnet20-cifar10"});
  EXPECT_EQ(nowhere.status, 2) << nowhere;
  EXPECT_NE(nowhere.err.find("-o"), std::string::npos) << nowhere;
  EXPECT_TRUE(folder.list().empty());
}

TEST(Noise, is_refused_by_a_recipe_that_fine_tunes) {
  const TemporaryFolder folder;
  const std::string output = folder / "out.onnx";
  const CommandResult result = tessera(
      {"compress", shipped_network("lenet5"), "--recipe", "int4", "--data", "noise", "-o", output});
  EXPECT_EQ(result.status, 2) << result;
  EXPECT_NE(result.err.find("int4.yaml: finetune needs labels"), std::string::npos) << result;
  EXPECT_TRUE(folder.list().empty());
}

}  // namespace
}  // namespace tessera::test
