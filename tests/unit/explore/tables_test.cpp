/// CSV and the table on the terminal.

#include "explore/tables.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tessera::explore {
namespace {

using testing::HasSubstr;

Sweep small_sweep() {
  Sweep sweep;
  sweep.networks = {{"net.onnx", "net.onnx", ""}};
  sweep.widths = {Widths{}};
  sweep.axes = {{"npu.rows", {"4", "8"}, ""}};
  sweep.objectives = {"cycles"};
  return sweep;
}

Result good() {
  Result r;
  r.point = 1;
  r.network = "nets/net.onnx";
  r.widths = "file";
  r.parameters = {{"npu.rows", "8"}};
  r.costs.cycles = 1000000;
  r.costs.seconds = 0.25;
  r.costs.utilization = 0.5;
  r.costs.cycles_by_bound = {{"compute", 5}};
  return r;
}

TEST(csv, has_a_heading_and_a_line_a_point) {
  Result bad = good();
  bad.point = 0;
  bad.parameters = {{"npu.rows", "4"}};
  bad.error = "needs 1 KiB, \"really\"";
  EXPECT_EQ(to_csv(small_sweep(), {bad, good()}),
            "point,network,widths,npu.rows,cycles,seconds,inferences_per_second,energy_pj,"
            "array_mm2,scratchpad_bytes,dram_bytes,macs,utilization,bound,error\n"
            "0,nets/net.onnx,file,4,,,,,,,,,,,\"needs 1 KiB, \"\"really\"\"\"\n"
            "1,nets/net.onnx,file,8,1000000,0.25,0,0,0,0,0,0,0.5,compute,\n");
}

TEST(table, is_aligned_and_no_longer_than_asked) {
  const std::string text = to_table(small_sweep(), {good(), good(), good()}, 2);
  EXPECT_EQ(text,
            "point   network  widths  npu.rows  cycles  array, %    bound\n"
            "    1  net.onnx    file         8   1e+06      50.0  compute\n"
            "    1  net.onnx    file         8   1e+06      50.0  compute\n");
}

}  // namespace
}  // namespace tessera::explore
