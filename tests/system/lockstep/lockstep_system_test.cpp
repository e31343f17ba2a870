/// Whole inferences with the RTL array behind the platform: as a backend, and in lockstep.

#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "system/run/networks.hpp"

namespace tessera::test {
namespace {

namespace json = boost::json;
using testing::HasSubstr;

struct Case {
  const char* network;
  const char* chip;
};

std::ostream& operator<<(std::ostream& stream, const Case& c) {
  return stream << c.network << " on " << c.chip;
}

std::string name_of(const testing::TestParamInfo<Case>& info) {
  std::string name = std::string(info.param.network) + "_on_" + info.param.chip;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class Lockstep : public testing::TestWithParam<Case> {
 protected:
  Lockstep() : image_(deployed(GetParam().network, GetParam().chip, folder_)) {}

  json::object run(const std::string& array) {
    const std::string report = folder_ / (array + ".json");
    const CommandResult result = tessera({"run", image_, "--chip", GetParam().chip, "--count", "1",
                                          "--array", array, "--json", report});
    EXPECT_EQ(result.status, 0) << result;
    return json::parse(read_file(report)).as_object();
  }

  TemporaryFolder folder_;
  std::string image_;
};

/// Without what names the backend and how long the simulation took.
std::string figures(json::object report) {
  for (const char* name : {"array", "lockstep", "simulation_seconds", "simulated_macs_per_second",
                           "kernel_seconds", "peak_memory_bytes"}) {
    EXPECT_EQ(report.erase(name), 1U) << name;
  }
  return json::serialize(report);
}

TEST_P(Lockstep, rtl_and_model_agree_in_every_tile_and_give_the_same_report) {
  const json::object model = run("model");
  const json::object rtl = run("rtl");
  const json::object lockstep = run("lockstep");
  EXPECT_EQ(rtl.at("array").as_string(), "rtl");
  EXPECT_TRUE(model.at("lockstep").is_null());
  EXPECT_EQ(rtl.at("reference_mismatches").to_number<int64_t>(), 0);
  EXPECT_EQ(rtl.at("cycles"), model.at("cycles"));
  EXPECT_EQ(figures(rtl), figures(model));
  EXPECT_EQ(figures(lockstep), figures(model));

  const json::object& compared = lockstep.at("lockstep").as_object();
  EXPECT_EQ(compared.at("value_differences").to_number<int64_t>(), 0);
  EXPECT_EQ(compared.at("cycle_differences").to_number<int64_t>(), 0);
  EXPECT_GT(compared.at("tiles").to_number<int64_t>(), 50);
  EXPECT_GT(compared.at("values").to_number<int64_t>(), 6 * 28 * 28);
}

INSTANTIATE_TEST_SUITE_P(LeNet5, Lockstep,
                         testing::Values(Case{"lenet5-int8", "reference"},
                                         Case{"lenet5-mix2", "reference"},
                                         Case{"lenet5-p4", "reference"},
                                         Case{"lenet5-int8-stochastic", "reference"},
                                         Case{"lenet5-mix2", "edge"}),
                         name_of);

class Divergence : public testing::Test {
 protected:
  Divergence() : image_(deployed("lenet5-int8", "edge", folder_)) {}

  CommandResult run_with(const std::string& fault) {
    return tessera({"run", image_, "--chip", "edge", "--count", "1", "--array", "lockstep",
                    "--inject", fault, "--divergence", folder_ / "d"});
  }

  TemporaryFolder folder_;
  std::string image_;
};

TEST_F(Divergence, stops_the_run_and_is_seen_again_alone) {
  const CommandResult result = run_with("acc:3,5,20@1:45");
  EXPECT_EQ(result.status, 1) << result;
  EXPECT_THAT(result.err, HasSubstr("RTL and model differ in RUN 1"));
  EXPECT_THAT(result.err, HasSubstr("PE (3, 5)"));
  EXPECT_THAT(result.err, HasSubstr("first wrong in step"));
  EXPECT_THAT(result.err, HasSubstr("activations"));
  EXPECT_THAT(result.err, HasSubstr("layer"));
  EXPECT_GT(std::filesystem::file_size(folder_ / "d.fst"), 100U);

  const CommandResult again = tessera({"cosim", "--replay", folder_ / "d.replay.json"});
  EXPECT_EQ(again.status, 1) << again;
  EXPECT_THAT(again.out, HasSubstr("first wrong in step"));
}

TEST_F(Divergence, of_a_cycle_is_told_as_one) {
  const CommandResult result = run_with("step_valid,0@1:45");
  EXPECT_EQ(result.status, 1) << result;
  EXPECT_THAT(result.err, HasSubstr("RTL and model differ in RUN 1"));
}

TEST_F(Divergence, that_a_fault_does_not_make_is_missed) {
  const CommandResult late = run_with("acc:3,5,20@99:0");
  EXPECT_EQ(late.status, 1) << late;
  EXPECT_THAT(late.err, HasSubstr("never struck"));
  const CommandResult idle = run_with("acc:7,0,0@0:30");  // conv1 has six channels
  EXPECT_EQ(idle.status, 1) << idle;
  EXPECT_THAT(idle.err, HasSubstr("changed no value"));
}

TEST_F(Divergence, needs_a_place_that_the_array_has) {
  for (const char* fault :
       {"acc:8,0,0@0:0", "a:0,128@0:0", "w:0,1", "nowhere,3@0:0", "acc:1@2:3"}) {
    const CommandResult result = run_with(fault);
    EXPECT_EQ(result.status, 2) << result;
    EXPECT_THAT(result.err, HasSubstr(fault));
    EXPECT_LE(result.err_lines(), 3);
  }
}

TEST(Usage, a_fault_needs_lockstep) {
  TemporaryFolder folder;
  const CommandResult result = tessera({"run", deployed("lenet5-int8", "edge", folder), "--chip",
                                        "edge", "--array", "rtl", "--inject", "acc:0,0,0@0:0"});
  EXPECT_EQ(result.status, 2) << result;
  EXPECT_THAT(result.err, HasSubstr("--array lockstep"));
}

}  // namespace
}  // namespace tessera::test
