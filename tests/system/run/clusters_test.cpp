/// Several clusters share every layer: same values, same work, and each one's cycles have causes.

#include <boost/json.hpp>
#include <map>
#include <regex>

#include "system/run/networks.hpp"

namespace tessera::test {
namespace {

namespace json = boost::json;

/// The reference chip with that many clusters, whose scratchpads are so small that layers have
/// many tiles.
std::string chip_of(int clusters, const TemporaryFolder& folder) {
  std::string text = tessera({"chip", "reference"}).out;
  const auto set = [&](const std::string& key, int value) {
    text =
        std::regex_replace(text, std::regex(key + ": [0-9]+"), key + ": " + std::to_string(value));
  };
  set("clusters", clusters);
  set("activation_kib", 4);
  set("weight_kib", 16);
  set("output_kib", 1);
  set("parameter_kib", 1);
  const std::string file = folder / ("chip" + std::to_string(clusters) + ".yaml");
  write_file(file, text);
  return file;
}

json::object run(int clusters, const std::string& timing, const std::string& core,
                 const TemporaryFolder& folder) {
  const std::string chip = chip_of(clusters, folder);
  const std::string image = folder / "net.timg";
  must_succeed({"deploy", shipped_network("lenet5-mix2"), "--chip", chip, "-o", image});
  const std::string report = folder / "report.json";
  const CommandResult result = tessera({"run", image, "--chip", chip, "--count", "2", "--timing",
                                        timing, "--core", core, "--json", report});
  EXPECT_EQ(result.status, 0) << result;
  return json::parse(read_file(report)).as_object();
}

class Clusters : public testing::TestWithParam<int> {};

TEST_P(Clusters, share_a_network_without_changing_a_value_or_the_work) {
  const TemporaryFolder folder;
  const json::object one = run(1, "lt", "native", folder);
  std::map<std::string, double> cycles;
  for (const char* timing : {"at", "lt"}) {
    for (const char* core : {"iss", "native"}) {
      SCOPED_TRACE(std::string(timing) + ", " + core);
      const json::object report = run(GetParam(), timing, core, folder);
      EXPECT_TRUE(report.at("reference_checked").as_bool());
      EXPECT_EQ(report.at("reference_mismatches").to_number<int64_t>(), 0);
      EXPECT_EQ(report.at("macs"), one.at("macs"));
      EXPECT_EQ(report.at("gated_macs"), one.at("gated_macs"));
      cycles[std::string(core) + timing] = report.at("cycles").to_number<double>();
      const json::array& clusters = report.at("cycles_by_cause_of_clusters").as_array();
      ASSERT_EQ(clusters.size(), static_cast<std::size_t>(GetParam()));
      for (const json::value& causes : clusters) {
        // No layer has eight tiles.
        if (GetParam() > 3) break;
        EXPECT_GT(causes.at("compute").to_number<int64_t>(), 0) << "a cluster had nothing to do";
      }
    }
  }
  for (const char* core : {"iss", "native"}) {
    const double at = cycles[std::string(core) + "at"];
    EXPECT_NEAR(cycles[std::string(core) + "lt"], at, 0.03 * at) << core;
  }
}

INSTANTIATE_TEST_SUITE_P(Counts, Clusters, testing::Values(2, 3, 8));

}  // namespace
}  // namespace tessera::test
