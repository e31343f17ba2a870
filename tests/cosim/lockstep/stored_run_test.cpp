#include "rtl/stored_run.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sample_run.hpp"

namespace tessera::rtl {
namespace {

using testing::HasSubstr;

StoredRun small() {
  StoredRun run = sample_run({4, 4, true, true}, {2, 4, 3, 5, 2}, 1);
  run.stalls = {1, 2, 3, 4};
  run.fault = parse_array_fault("acc:1,2,3@0:5");
  return run;
}

TEST(StoredRun, is_the_same_after_writing_and_reading) {
  const StoredRun run = small();
  const StoredRun again = stored_run_from_json(to_json(run));
  EXPECT_EQ(boost::json::serialize(to_json(again)), boost::json::serialize(to_json(run)));
  EXPECT_EQ(again.weights, run.weights);
  EXPECT_EQ(again.activations, run.activations);
}

TEST(StoredRun, copies_what_a_client_gives) {
  const StoredRun run = small();
  npu::MatrixClient client = run.client();
  StoredRun copy(run.view(), client);
  copy.stalls = run.stalls;
  copy.fault = run.fault;
  EXPECT_EQ(boost::json::serialize(to_json(copy)), boost::json::serialize(to_json(run)));
}

std::string refusal(const boost::json::value& json) {
  try {
    stored_run_from_json(json);
  } catch (const std::runtime_error& e) {
    return e.what();
  }
  return "accepted";
}

TEST(StoredRun, every_member_but_the_fault_must_be_there) {
  const boost::json::object whole = to_json(small());
  for (const auto& member : whole) {
    if (member.key() == "fault") continue;
    boost::json::object json = whole;
    json.erase(member.key());
    EXPECT_THAT(refusal(json), HasSubstr("'" + std::string(member.key()) + "'"));
  }
}

TEST(StoredRun, members_out_of_range_are_named) {
  const auto with = [](const char* name, const boost::json::value& value) {
    boost::json::object json = to_json(small());
    json[name] = value;
    return refusal(json);
  };
  EXPECT_THAT(with("channels", 0), HasSubstr("'channels'"));
  EXPECT_THAT(with("steps", 1e9), HasSubstr("'steps'"));
  EXPECT_THAT(with("rows", -1), HasSubstr("'rows'"));
  EXPECT_THAT(with("mode", "p4"), HasSubstr("'mode'"));
  EXPECT_THAT(with("mode", "a8w3s"), HasSubstr("a8w3s"));
  EXPECT_THAT(with("low", 200), HasSubstr("'high'"));
  EXPECT_THAT(with("shift", {48, 0, 0}), HasSubstr("'shift'"));
  EXPECT_THAT(with("bias", {1, 2}), HasSubstr("'bias'"));
  EXPECT_THAT(with("stochastic", 1), HasSubstr("'stochastic'"));
  EXPECT_THAT(with("stride", 33), HasSubstr("'stride'"));
  EXPECT_THAT(with("result_stall_percent", 100), HasSubstr("'result_stall_percent'"));
  EXPECT_THAT(with("fault", "acc:9,9,9@0:0"), HasSubstr("acc:9,9,9@0:0"));
  EXPECT_THAT(with("schema", "tessera-run"), HasSubstr("tessera-replay"));
}

TEST(StoredRun, operands_must_fit_their_lanes) {
  StoredRun run = small();
  run.weights[0] = 3;  // no power of two
  EXPECT_THAT(refusal(to_json(run)), HasSubstr("'weights': 3"));
  run = small();
  run.activations[0] = 8;
  EXPECT_THAT(refusal(to_json(run)), HasSubstr("'activations': 8"));
}

TEST(StoredRun, files_that_are_none_are_named) {
  EXPECT_THROW(read_stored_run("/nonexistent/replay.json"), ReplayError);
  EXPECT_THROW(write_stored_run(small(), "/nonexistent/replay.json"), ReplayError);
}

}  // namespace
}  // namespace tessera::rtl
