/// tessera cosim: what it prints, writes and refuses.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "system/cli/bad_input.hpp"

namespace tessera::test {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kSmall = {"cosim", "--unit",  "array", "--size", "2x4", "--modes",
                                         "a8w8",  "--count", "200",   "--seed", "38"};

std::vector<std::string> small_with(const std::vector<std::string>& more) {
  std::vector<std::string> arguments = kSmall;
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

class Cosim : public BadInput {};

TEST_F(Cosim, of_the_array_reports_what_it_compared) {
  const CommandResult result = tessera({"cosim", "--unit", "array", "--size", "2x4", "--modes",
                                        "a8w8u", "--count", "1500", "--json", output("r.json")});
  EXPECT_EQ(result.status, 0) << result;
  EXPECT_THAT(result.out, HasSubstr("coverage 100.0 %"));
  const auto report = boost::json::parse(read_file(output("r.json"))).as_object();
  EXPECT_EQ(report.at("schema").as_string(), "tessera-cosim");
  EXPECT_EQ(report.at("unit").as_string(), "array");
  EXPECT_GE(report.at("tiles").to_number<int64_t>(), 1500);
  EXPECT_GT(report.at("values").to_number<int64_t>(), 1500);
  EXPECT_EQ(report.at("value_mismatches").to_number<int64_t>(), 0);
  EXPECT_EQ(report.at("cycle_mismatches").to_number<int64_t>(), 0);
  EXPECT_TRUE(report.at("coverage_holes").as_array().empty());
  EXPECT_EQ(report.at("fault_effect").as_string(), "none");
  EXPECT_TRUE(report.at("injected_fault").is_null());
}

TEST_F(Cosim, of_the_decoder_reports_what_it_compared) {
  const CommandResult result = tessera({"cosim", "--unit", "decoder", "--size", "4x2", "--count",
                                        "3000", "--json", output("r.json")});
  EXPECT_EQ(result.status, 0) << result;
  EXPECT_THAT(result.out, HasSubstr("decoder 4x2: 3000 streams"));
  EXPECT_THAT(result.out, HasSubstr("coverage 100.0 %"));
  const auto report = boost::json::parse(read_file(output("r.json"))).as_object();
  EXPECT_EQ(report.at("unit").as_string(), "decoder");
  EXPECT_EQ(report.at("lanes").to_number<int64_t>(), 4);
  EXPECT_EQ(report.at("streams").to_number<int64_t>(), 3000);
  EXPECT_GT(report.at("bytes").to_number<int64_t>(), 3000);
  EXPECT_EQ(report.at("value_mismatches").to_number<int64_t>(), 0);
  EXPECT_EQ(report.at("cycle_mismatches").to_number<int64_t>(), 0);
  EXPECT_TRUE(report.at("coverage_holes").as_array().empty());
}

TEST_F(Cosim, of_the_decoder_finds_a_fault) {
  const CommandResult result = tessera({"cosim", "--unit", "decoder", "--size", "4x2", "--count",
                                        "100", "--inject", "words:0@20:1"});
  EXPECT_EQ(result.status, 1) << result;
  EXPECT_THAT(result.out, HasSubstr("difference: stream 20 ("));
}

TEST_F(Cosim, of_too_few_tiles_names_the_holes_and_fails) {
  const CommandResult result =
      tessera({"cosim", "--unit", "array", "--size", "2x4", "--count", "20"});
  EXPECT_EQ(result.status, 1) << result;
  EXPECT_THAT(result.out, HasSubstr("not covered: a2w2u: "));
  EXPECT_THAT(result.out, HasSubstr(" more, all of them in the report"));
}

TEST_F(Cosim, finds_a_fault_and_leaves_a_replay_that_finds_it_again) {
  const std::string prefix = output("difference");
  const CommandResult found =
      tessera(small_with({"--inject", "acc:0,1,40@12:6", "--divergence", prefix}));
  EXPECT_EQ(found.status, 1) << found;
  EXPECT_THAT(found.out, HasSubstr("fault acc:0,1,40@12:6: found"));
  EXPECT_THAT(found.out, HasSubstr("accumulator of PE (0, 1): expected "));
  EXPECT_THAT(found.out, HasSubstr("first wrong in step "));
  EXPECT_FALSE(read_file(prefix + ".fst").empty());

  const std::string again = output("again");
  const CommandResult replayed =
      tessera({"cosim", "--replay", prefix + ".replay.json", "--divergence", again});
  EXPECT_EQ(replayed.status, 1) << replayed;
  const std::size_t from = replayed.out.find("RUN 0, cycle");
  ASSERT_NE(from, std::string::npos) << replayed;
  const std::size_t to = replayed.out.find("\nwaveforms", from);
  EXPECT_THAT(found.out, HasSubstr(replayed.out.substr(from, to - from)));
  EXPECT_FALSE(read_file(again + ".fst").empty());

  auto run = boost::json::parse(read_file(prefix + ".replay.json")).as_object();
  run.erase("fault");
  write_file(output("healthy.json"), boost::json::serialize(run));
  const CommandResult healthy = tessera({"cosim", "--replay", output("healthy.json")});
  EXPECT_EQ(healthy.status, 0) << healthy;
  EXPECT_THAT(healthy.out, HasSubstr("RTL and model agree"));
}

TEST_F(Cosim, fails_if_a_fault_has_no_effect) {
  const CommandResult result = tessera(small_with({"--inject", "a:0,127@3:2"}));
  EXPECT_EQ(result.status, 1) << result;
  EXPECT_THAT(result.out, HasSubstr("fault a:0,127@3:2: no effect"));
}

TEST_F(Cosim, exports_vectors_with_a_test_bench) {
  const CommandResult result =
      tessera({"cosim", "--unit", "array", "--export-vectors", output("v"), "--count", "5"});
  EXPECT_EQ(result.status, 0) << result;
  EXPECT_THAT(read_file(output("v/vectors.vh")), HasSubstr("localparam ROWS = 2;"));
  EXPECT_THAT(read_file(output("v/rtl/compute_array.sv")), HasSubstr("module compute_array"));
  EXPECT_FALSE(read_file(output("v/golden.hex")).empty());
}

TEST_F(Cosim, refuses_units_sizes_modes_and_faults_that_do_not_exist) {
  expect_refused({"cosim", "--unit", "array", "--size", "big"}, {"--size", "ROWSxCOLUMNS", "big"});
  expect_refused({"cosim", "--unit", "array", "--size", "4x8x2"}, {"--size", "4x8x2"});
  expect_refused({"cosim", "--unit", "array", "--size", "3x5"}, {"3x5", "2x4"});
  expect_refused({"cosim", "--unit", "array", "--modes", "a3w3"}, {"a3w3"});
  expect_refused({"cosim", "--unit", "array", "--count", "0"}, {"at least 1 tile"});
  expect_refused(small_with({"--inject", "everything"}), {"everything", "acc:ROW,COLUMN,BIT"});
  expect_refused(small_with({"--inject", "acc:2,0,1@0:0"}), {"acc:2,0,1@0:0", "2 rows"});
}

TEST_F(Cosim, refuses_options_that_do_not_go_together) {
  expect_refused({"cosim", "--size", "4x8"}, {"--size needs --unit array"});
  expect_refused({"cosim", "--unit", "array", "--rtl-coverage", "--size", "4x8"}, {"2x4", "4x8"});
  expect_refused({"cosim", "--replay", "x.json", "--count", "3"}, {"--replay", "--count"});
  expect_refused(small_with({"--export-vectors", output("v"), "--inject", "a:0,0@0:0"}),
                 {"--export-vectors", "--inject"});
}

TEST_F(Cosim, refuses_replay_files_that_are_none) {
  expect_refused({"cosim", "--replay", output("missing.json")}, {"missing.json", "cannot be read"});
  expect_refused({"cosim", "--replay", given("text.json", "hello")}, {"text.json", "not JSON"});
  expect_refused({"cosim", "--replay", given("empty.json", "{}")}, {"empty.json", "'schema'"});
}

}  // namespace
}  // namespace tessera::test
