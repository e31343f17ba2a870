/// tessera explore: what it prints, writes and refuses, on real deployments and estimates.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>
#include <set>
#include <sstream>

#include "system/cli/bad_input.hpp"

namespace tessera::test {
namespace {

using testing::HasSubstr;

const std::string kShipped =
    std::string(TESSERA_SOURCE_DIR) + "/models/sweeps/lenet-array-sizes.yaml";

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream stream(line + ",");
  for (std::string cell; std::getline(stream, cell, ',');) cells.push_back(cell);
  return cells;
}

class Explore : public BadInput {
 protected:
  /// A sweep over one network, with more lines.
  std::string sweep(const std::string& rest) {
    return given("sweep.yaml",
                 "chip: edge\nnetworks:\n  - " + shipped_network("lenet5-int8") + "\n" + rest);
  }

  /// Runs a sweep into r.jsonl; the points' lines in the order of the points.
  std::vector<boost::json::object> results(const std::string& sweep) {
    must_succeed({"explore", sweep, "-o", output("r.jsonl")});
    std::map<int64_t, boost::json::object> points;
    for (const std::string& line : lines_of(read_file(output("r.jsonl")))) {
      const auto o = boost::json::parse(line).as_object();
      points[o.at("point").to_number<int64_t>()] = o;
    }
    std::vector<boost::json::object> sorted;
    for (auto& point : points) sorted.push_back(point.second);
    return sorted;
  }

  static double number(const boost::json::object& o, const char* name) {
    return o.at(name).to_number<double>();
  }
};

TEST_F(Explore, runs_the_shipped_sweep_and_resumes_it_where_it_was_cut_off) {
  const std::string csv = output("all.csv");
  const std::string pareto = output("front.csv");
  const CommandResult first =
      tessera({"explore", kShipped, "-o", output("r.jsonl"), "--csv", csv, "--pareto", pareto});
  ASSERT_EQ(first.status, 0) << first;
  EXPECT_EQ(first.err, "");
  EXPECT_THAT(first.out, HasSubstr("48 points, 0 of them impossible"));
  const std::string all = read_file(csv);
  const std::string front = read_file(pareto);
  const std::string text = read_file(output("r.jsonl"));
  EXPECT_EQ(lines_of(all).size(), 49U);
  EXPECT_EQ(lines_of(text).size(), 48U);

  write_file(output("r.jsonl"), text.substr(0, text.size() / 2));
  const auto kept =
      std::count(text.begin(), text.begin() + static_cast<long>(text.size() / 2), '\n');
  const CommandResult second = tessera({"explore", kShipped, "-o", output("r.jsonl"), "--jobs", "1",
                                        "--csv", csv, "--pareto", pareto});
  ASSERT_EQ(second.status, 0) << second;
  EXPECT_THAT(second.err, HasSubstr(std::to_string(kept) + " of 48 points are there, " +
                                    std::to_string(48 - kept) + " to do"));
  EXPECT_EQ(second.out, first.out);
  EXPECT_EQ(read_file(csv), all);
  EXPECT_EQ(read_file(pareto), front);
  EXPECT_EQ(lines_of(read_file(output("r.jsonl"))).size(), 48U);
}

TEST_F(Explore, writes_a_front_that_nothing_in_the_csv_dominates) {
  must_succeed({"explore", kShipped, "-o", output("r.jsonl"), "--csv", output("all.csv"),
                "--pareto", output("front.csv")});
  const auto lines = lines_of(read_file(output("all.csv")));
  const auto heading = cells_of(lines[0]);
  const auto column = [&](const std::string& name) {
    return static_cast<size_t>(std::find(heading.begin(), heading.end(), name) - heading.begin());
  };
  const size_t objectives[] = {column("seconds"), column("array_mm2")};
  std::string expected = lines[0] + "\n";
  for (size_t i = 1; i < lines.size(); ++i) {
    const auto mine = cells_of(lines[i]);
    bool dominated = false;
    for (size_t j = 1; j < lines.size(); ++j) {
      const auto other = cells_of(lines[j]);
      if (other[column("network")] != mine[column("network")]) continue;
      bool larger = false;
      bool smaller = false;
      for (const size_t k : objectives) {
        larger = larger || std::stod(other[k]) > std::stod(mine[k]);
        smaller = smaller || std::stod(other[k]) < std::stod(mine[k]);
      }
      dominated = dominated || (smaller && !larger);
    }
    if (!dominated) expected += lines[i] + "\n";
  }
  EXPECT_EQ(read_file(output("front.csv")), expected);
  EXPECT_GT(lines_of(expected).size(), 4U);
  EXPECT_LT(lines_of(expected).size(), lines.size());
}

TEST_F(Explore, measures_what_the_chip_and_the_widths_are) {
  const auto points =
      results(sweep("widths: [16x16, 4x4]\naxes:\n  npu.rows: [4, 16]\n  clock_mhz: [100, 200]\n"));
  ASSERT_EQ(points.size(), 8U);
  for (const auto& p : points) {
    EXPECT_EQ(p.at("schema").as_string(), "tessera-explore");
    EXPECT_GT(number(p, "cycles"), 0);
    const double clock = number(p.at("parameters").as_object(), "clock_mhz");
    EXPECT_NEAR(number(p, "seconds"), number(p, "cycles") / (clock * 1e6), 1e-9);
    EXPECT_NEAR(number(p, "inferences_per_second") * number(p, "seconds"), 1, 1e-9);
    EXPECT_GT(number(p, "utilization"), 0);
    EXPECT_LE(number(p, "utilization"), 1);
    EXPECT_EQ(number(p, "scratchpad_bytes"), (64 + 64 + 32 + 8) * 1024);
    double bound = 0;
    for (const auto& part : p.at("cycles_by_bound").as_object()) {
      bound += part.value().to_number<double>();
    }
    EXPECT_EQ(bound, number(p, "cycles"));
  }
  EXPECT_GT(number(points[2], "array_mm2"), 3 * number(points[0], "array_mm2"));
  EXPECT_GT(number(points[0], "cycles"), number(points[4], "cycles")) << "16x16 against 4x4 bit";
  EXPECT_GT(number(points[0], "dram_bytes"), 2 * number(points[4], "dram_bytes"));
}

TEST_F(Explore, agrees_with_the_estimate_of_a_chip_file_edited_by_hand) {
  const auto points = results(sweep("axes:\n  npu.rows: [8, 16]\n  noc.latency_cycles: [30]\n"));
  ASSERT_EQ(points.size(), 2U);
  const std::string edge = read_file(std::string(TESSERA_SOURCE_DIR) + "/models/chips/edge.yaml");
  const std::string chip = replaced(edge, "  rows: 8\n", "  rows: 16\n");
  must_succeed({"estimate", shipped_network("lenet5-int8"), "--json", output("e.json"), "--chip",
                given("mine.yaml", replaced(chip, "latency_cycles: 3\n", "latency_cycles: 30\n"))});
  const auto estimate = boost::json::parse(read_file(output("e.json"))).as_object();
  for (const char* member : {"cycles", "energy_pj", "dram_bytes", "macs", "array_mm2"}) {
    EXPECT_DOUBLE_EQ(number(points[1], member), number(estimate, member)) << member;
  }
  EXPECT_DOUBLE_EQ(number(points[1], "seconds"), number(estimate, "latency_ms") / 1000);
  EXPECT_NE(number(points[0], "cycles"), number(points[1], "cycles"));
}

TEST_F(Explore, keeps_impossible_points_as_errors) {
  const auto points = results(sweep(
      "widths: [16x16]\naxes:\n  npu.scratchpads.weight_kib: [1, 64]\n  npu.rows: [12, 8]\n"));
  ASSERT_EQ(points.size(), 4U);
  EXPECT_THAT(std::string(points[0].at("error").as_string()),
              HasSubstr("npu.rows must be a power of two in 2..64, got 12"));
  EXPECT_THAT(std::string(points[1].at("error").as_string()),
              HasSubstr("layer fc1 does not fit chip edge"));
  EXPECT_FALSE(points[3].contains("error"));
}

TEST_F(Explore, refuses_bad_sweeps_with_file_and_line_and_writes_nothing) {
  const std::string out = output("r.jsonl");
  const auto refused = [&](const std::string& rest, const std::vector<std::string>& clues) {
    expect_refused({"explore", sweep(rest), "-o", out}, clues);
  };
  refused("axes:\n  npu.rowz: [4]\n", {"sweep.yaml:5:", "npu.rowz is not a known key"});
  refused("turbo: 1\n", {"sweep.yaml:4:", "turbo is not a known key"});
  refused("objectives: [beauty]\n", {"sweep.yaml:4:", "beauty", "seconds"});
  given("sweep.yaml", "chip: edge\nnetworks:\n  - " + shipped_network("lenet5") + "\n");
  expect_refused({"explore", output("sweep.yaml"), "-o", out}, {"sweep.yaml:3:", "lenet5.onnx"});
  expect_refused({"explore", output("none.yaml"), "-o", out}, {"none.yaml", "cannot be read"});
}

TEST(explore_help, names_the_options) {
  const CommandResult result = tessera({"explore", "--help"});
  EXPECT_EQ(result.status, 0) << result;
  for (const char* option : {"--output", "--jobs", "--csv", "--pareto"}) {
    EXPECT_THAT(result.out, HasSubstr(option));
  }
}

TEST_F(Explore, refuses_missing_and_unusable_outputs) {
  const std::string file = sweep("");
  expect_refused({"explore"}, {"the sweep file is missing"});
  expect_refused({"explore", file}, {"results file (-o)"});
  expect_refused({"explore", file, "-o", output("none/r.jsonl")}, {"none/r.jsonl"});
  expect_refused({"explore", file, "-o", output("r.jsonl"), "--csv", output("none/all.csv")},
                 {"--csv", "none/all.csv"});
  expect_refused({"explore", file, "-o", output("r.jsonl"), "--jobs=-1"}, {"--jobs", "-1"});
  given("precious.txt", "precious\n");
  expect_refused({"explore", file, "-o", output("precious.txt")},
                 {"precious.txt:1:", "not a result"});
  EXPECT_EQ(read_file(output("precious.txt")), "precious\n");
}

}  // namespace
}  // namespace tessera::test
