/// A chip whose network is a mesh.

#include <boost/json.hpp>

#include "system/run/networks.hpp"

namespace tessera::test {
namespace {

namespace json = boost::json;

TEST(Mesh, changes_no_value_and_reports_its_links) {
  const TemporaryFolder folder;
  const std::string image = deployed("lenet5-mix2", "mesh", folder);
  uint64_t flits[2] = {};
  for (const char* timing : {"at", "lt"}) {
    SCOPED_TRACE(timing);
    const CommandResult run = tessera({"run", image, "--chip", "mesh", "--count", "3", "--timing",
                                       timing, "--json", folder / "report.json"});
    EXPECT_EQ(run.status, 0) << run;
    EXPECT_NE(run.out.find("busiest NoC link  ("), std::string::npos) << run;
    const json::object report = json::parse(read_file(folder / "report.json")).as_object();
    EXPECT_EQ(report.at("reference_mismatches").to_number<uint64_t>(), 0U);
    const json::object& noc = report.at("noc").as_object();
    EXPECT_EQ(noc.at("topology").as_string(), "mesh");
    EXPECT_GT(noc.at("transactions").to_number<uint64_t>(), 0U);
    for (const json::value& link : noc.at("links").as_array()) {
      const auto packets = link.at("packets").to_number<uint64_t>();
      EXPECT_GT(packets, 0U);
      EXPECT_GE(link.at("flits").to_number<uint64_t>(), packets);
      flits[timing == std::string("lt")] += link.at("flits").to_number<uint64_t>();
    }
  }
  EXPECT_GT(flits[0], 0U);
  EXPECT_NEAR(static_cast<double>(flits[1]), static_cast<double>(flits[0]),
              0.05 * static_cast<double>(flits[0]))
      << "the same data over the same routes";
}

TEST(Mesh, a_crossbar_has_no_links_to_report) {
  const TemporaryFolder folder;
  const std::string image = deployed("lenet5-int8", "reference", folder);
  const CommandResult run =
      tessera({"run", image, "--count", "1", "--json", folder / "report.json"});
  EXPECT_EQ(run.status, 0) << run;
  EXPECT_EQ(run.out.find("busiest NoC link"), std::string::npos) << run;
  const json::object report = json::parse(read_file(folder / "report.json")).as_object();
  const json::object& noc = report.at("noc").as_object();
  EXPECT_EQ(noc.at("topology").as_string(), "crossbar");
  EXPECT_TRUE(noc.at("links").as_array().empty());
  EXPECT_GT(noc.at("bytes").to_number<uint64_t>(), 0U);
}

}  // namespace
}  // namespace tessera::test
