/// Networks with coded weights against the same with weights as they are.

#include <boost/json.hpp>

#include "system/run/networks.hpp"

namespace tessera::test {
namespace {

namespace json = boost::json;

struct Case {
  const char* network;
  const char* chip;

  friend std::ostream& operator<<(std::ostream& out, const Case& c) {
    return out << c.network << " on " << c.chip;
  }
};

class CodedWeights : public testing::TestWithParam<Case> {
 protected:
  /// Deploys and runs; the report. The image stays in the folder as `name`.timg.
  json::object run(const std::string& name, std::vector<std::string> deploy_options = {}) {
    const std::string image = folder_ / (name + ".timg");
    deploy_options.insert(deploy_options.begin(), {"deploy", shipped_network(GetParam().network),
                                                   "--chip", GetParam().chip, "-o", image});
    must_succeed(deploy_options);
    must_succeed({"run", image, "--chip", GetParam().chip, "--count", "2", "--json",
                  folder_ / "report.json"});
    return json::parse(read_file(folder_ / "report.json")).as_object();
  }

  TemporaryFolder folder_;
};

uint64_t number(const json::object& object, const char* name) {
  return object.at(name).to_number<uint64_t>();
}

TEST_P(CodedWeights, give_the_same_logits_from_a_smaller_image_with_less_traffic) {
  const json::object coded = run("coded");
  const json::object dense = run("dense", {"--no-coding"});
  for (const json::object* report : {&coded, &dense}) {
    EXPECT_TRUE(report->at("reference_checked").as_bool());
    EXPECT_EQ(number(*report, "reference_mismatches"), 0U);
  }
  EXPECT_EQ(number(dense, "decoded_bytes"), 0U);
  EXPECT_GT(number(coded, "decoded_bytes"), 0U);
  EXPECT_LT(number(coded, "image_bytes"), number(dense, "image_bytes"));
  EXPECT_LT(number(coded, "dram_bytes_read"), number(dense, "dram_bytes_read"));
  EXPECT_EQ(number(coded, "dram_bytes_written"), number(dense, "dram_bytes_written"));
  const auto decoder_pj = [](const json::object& report) {
    return report.at("energy_pj_by_component").at("decoder").to_number<double>();
  };
  EXPECT_GT(decoder_pj(coded), 0);
  EXPECT_EQ(decoder_pj(dense), 0);

  const std::string inspected = tessera({"inspect", folder_ / "coded.timg"}).out;
  EXPECT_NE(inspected.find(" coded to "), std::string::npos) << inspected;
  EXPECT_EQ(tessera({"inspect", folder_ / "dense.timg"}).out.find(" coded to "), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Shipped, CodedWeights,
                         testing::Values(Case{"lenet5-int8", "reference"},
                                         Case{"lenet5-int8", "edge"}, Case{"lenet5-int8", "large"},
                                         Case{"lenet5-int4", "reference"},
                                         Case{"lenet5-int4", "edge"}, Case{"lenet5-int4", "mesh"},
                                         Case{"lenet5-p4", "reference"}, Case{"lenet5-p4", "edge"},
                                         Case{"lenet5-int16", "edge"}));

TEST(AChipWithoutADecoder, gets_no_coded_weights_and_takes_no_image_that_has_some) {
  const TemporaryFolder folder;
  const std::string edge = read_file(std::string(TESSERA_SOURCE_DIR) + "/models/chips/edge.yaml");
  const std::string path = folder / "plain.yaml";
  write_file(path, replaced(edge, "decoder_lanes: 16", "decoder_lanes: 0"));
  const std::string plain = folder / "plain.timg";
  must_succeed({"deploy", shipped_network("lenet5-int8"), "--chip", path, "-o", plain});
  EXPECT_EQ(tessera({"inspect", plain}).out.find(" coded to "), std::string::npos);
  must_succeed({"run", plain, "--chip", path, "--count", "1"});
  const CommandResult refused =
      tessera({"run", deployed("lenet5-int8", "edge", folder), "--chip", path, "--count", "1"});
  EXPECT_EQ(refused.status, 2) << refused;
  EXPECT_NE(refused.err.find("deploy the network for it"), std::string::npos) << refused;
}

}  // namespace
}  // namespace tessera::test
