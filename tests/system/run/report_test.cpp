/// What `tessera run --json` promises: its members, sums that add up, and the same bytes twice.

#include <boost/json.hpp>
#include <sstream>

#include "system/run/networks.hpp"

namespace tessera::test {
namespace {

namespace json = boost::json;

class Report : public testing::Test {
 protected:
  Report() : image_(deployed("lenet5-int8", "reference", folder_)) {}

  std::string run_text(const std::vector<std::string>& more = {}) {
    const std::string path = folder_ / "report.json";
    std::filesystem::remove(path);
    std::vector<std::string> arguments = {"run", image_, "--json", path};
    if (more.empty() || more[0].rfind("--count", 0) != 0) arguments.push_back("--count=3");
    arguments.insert(arguments.end(), more.begin(), more.end());
    const CommandResult result = tessera(arguments);
    EXPECT_EQ(result.status, 0) << result;
    return read_file(path);
  }
  json::object run(const std::vector<std::string>& more = {}) {
    return json::parse(run_text(more)).as_object();
  }

  TemporaryFolder folder_;
  std::string image_;
};

uint64_t number(const json::object& object, const char* name) {
  return object.at(name).to_number<uint64_t>();
}

uint64_t sum_of_integers(const json::object& object) {
  uint64_t sum = 0;
  for (const auto& member : object) sum += member.value().to_number<uint64_t>();
  return sum;
}

/// The text without the lines of members that depend on the machine: times, rates, memory of the
/// process.
std::string without_wall_clock(const std::string& text) {
  std::istringstream lines(text);
  std::string kept;
  for (std::string line; std::getline(lines, line);) {
    const bool wall_clock = line.find("_seconds\":") != std::string::npos ||
                            line.find("_per_second\":") != std::string::npos ||
                            line.find("peak_memory_bytes\":") != std::string::npos;
    if (!wall_clock) kept += line + "\n";
  }
  return kept;
}

TEST_F(Report, has_the_promised_members) {
  const json::object report = run();
  for (const char* name :
       {"images", "correct", "top1_percent", "reference_mismatches", "cycles", "clock_hz",
        "latency_ms", "macs", "array_utilization", "dram_bytes_read", "dram_bytes_written",
        "energy_pj", "host_instructions", "simulation_seconds"}) {
    ASSERT_TRUE(report.contains(name)) << name;
    EXPECT_TRUE(report.at(name).is_number()) << name;
  }
  EXPECT_TRUE(report.at("cycles_by_cause").is_object());
  EXPECT_TRUE(report.at("layers").is_array());
  EXPECT_EQ(number(report, "images"), 3U);
  EXPECT_EQ(report.at("clock_hz").to_number<double>(), 500e6);
  for (const char* name : {"energy_pj", "latency_ms", "array_utilization", "simulation_seconds"}) {
    EXPECT_GT(report.at(name).to_number<double>(), 0) << name;
  }
  EXPECT_LE(report.at("array_utilization").to_number<double>(), 1);
  EXPECT_GT(number(report, "host_instructions"), 0U);
}

TEST_F(Report, derived_figures_follow_from_the_counted_ones) {
  const json::object report = run();
  const auto images = report.at("images").to_number<double>();
  EXPECT_DOUBLE_EQ(report.at("top1_percent").to_number<double>(),
                   100 * report.at("correct").to_number<double>() / images);
  EXPECT_DOUBLE_EQ(report.at("latency_ms").to_number<double>(),
                   report.at("cycles").to_number<double>() / images /
                       report.at("clock_hz").to_number<double>() * 1e3);
  // LeNet-5 at 28x28 with a padded first convolution: 117600 + 240000 + 48000 + 10080 + 840.
  EXPECT_EQ(number(report, "macs"), 3 * 416520U);
}

TEST_F(Report, every_cycle_has_a_cause_in_the_total_and_in_each_layer) {
  const json::object report = run();
  EXPECT_EQ(sum_of_integers(report.at("cycles_by_cause").as_object()), number(report, "cycles"));
  for (const json::value& value : report.at("layers").as_array()) {
    const json::object& layer = value.as_object();
    EXPECT_EQ(sum_of_integers(layer.at("cycles_by_cause").as_object()), number(layer, "cycles"))
        << layer.at("name");
  }
}

TEST_F(Report, layers_add_up_to_the_total) {
  const json::object report = run();
  const json::array& layers = report.at("layers").as_array();
  ASSERT_EQ(layers.size(), 5U);
  for (const char* name :
       {"cycles", "macs", "gated_macs", "saturations", "dram_bytes_read", "dram_bytes_written"}) {
    uint64_t sum = 0;
    for (const json::value& layer : layers) sum += number(layer.as_object(), name);
    EXPECT_EQ(sum, number(report, name)) << name;
  }
  for (const auto& cause : report.at("cycles_by_cause").as_object()) {
    uint64_t sum = 0;
    for (const json::value& layer : layers) {
      sum += layer.at("cycles_by_cause").at(cause.key()).to_number<uint64_t>();
    }
    EXPECT_EQ(sum, cause.value().to_number<uint64_t>()) << cause.key();
  }
}

TEST_F(Report, energy_is_the_sum_of_its_components) {
  const json::object report = run();
  double sum = 0;
  for (const auto& part : report.at("energy_pj_by_component").as_object()) {
    EXPECT_GE(part.value().to_number<double>(), 0) << part.key();
    sum += part.value().to_number<double>();
  }
  const auto total = report.at("energy_pj").to_number<double>();
  EXPECT_NEAR(sum, total, 1e-9 * total);
}

TEST_F(Report, two_runs_differ_in_wall_clock_members_only) {
  for (const char* core : {"iss", "native"}) {
    for (const char* timing : {"at", "lt"}) {
      const std::vector<std::string> way = {"--core", core, "--timing", timing};
      const std::string first = run_text(way);
      EXPECT_EQ(without_wall_clock(first), without_wall_clock(run_text(way)));
      EXPECT_LT(without_wall_clock(first).size(), first.size());
    }
  }
}

TEST_F(Report, the_reference_is_not_claimed_where_it_was_not_checked) {
  const json::object report = run({"--no-check"});
  EXPECT_FALSE(report.at("reference_checked").as_bool());
  EXPECT_TRUE(report.at("reference_mismatches").is_null());
}

TEST_F(Report, more_images_take_more_cycles_and_the_counts_scale) {
  const json::object one = run({"--count=1"});
  const json::object three = run();
  EXPECT_EQ(3 * number(one, "macs"), number(three, "macs"));
  EXPECT_GT(number(three, "cycles"), 2 * number(one, "cycles"));
  EXPECT_EQ(number(one, "image_bytes"), number(three, "image_bytes"));
}

}  // namespace
}  // namespace tessera::test
