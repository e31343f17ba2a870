/// Sweeps run against costs that the test makes up.

#include "explore/explore.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>

#include "explore/results_file.hpp"
#include "explore/tables.hpp"
#include "unit/explore/sweep_files.hpp"

namespace tessera::explore {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Explore : public SweepFiles {
 protected:
  /// More PEs: faster and larger. No more than 16 columns fit.
  Costs costs(const graph::Graph& graph, const chip::Chip& chip) {
    ++evaluated_;
    if (chip.npu.columns > 16) throw std::runtime_error("conv1: 17 columns do not fit");
    Costs c;
    c.cycles = 1'000'000 / chip.npu.rows / chip.npu.columns;
    c.seconds = static_cast<double>(c.cycles) / chip.clock_mhz * 1e-6;
    c.energy_pj = 1000.0 / 3;
    c.array_mm2 = chip.npu.rows * chip.npu.columns;
    c.macs = static_cast<uint64_t>(graph::mac_count(graph));
    c.cycles_by_bound = {{"compute", c.cycles}};
    return c;
  }

  std::vector<Result> run(const Sweep& sweep, int jobs = 3) {
    evaluated_ = 0;
    messages_.clear();
    ExploreOptions options;
    options.results = path("r.jsonl");
    options.jobs = jobs;
    options.on_message = [this](const std::string& text) { messages_ += text + "\n"; };
    options.on_progress = [this](size_t done, size_t total) {
      done_ = done;
      total_ = total;
    };
    return explore(
        sweep, [this](const auto& graph, const auto& chip) { return costs(graph, chip); }, options);
  }

  std::string failure_of(const Sweep& sweep) {
    try {
      run(sweep);
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "no error";
  }

  std::atomic<int> evaluated_{0};
  std::string messages_;
  size_t done_ = 0, total_ = 0;
};

constexpr const char* kArrays = "axes:\n  npu.rows: [4, 8]\n  npu.columns: [4, 8, 16]\n";

TEST_F(Explore, evaluates_every_point_with_its_values_on_the_chip) {
  const Sweep s = sweep(kArrays);
  const std::vector<Result> results = run(s);
  ASSERT_EQ(results.size(), 12U);
  EXPECT_EQ(evaluated_, 12);
  EXPECT_EQ(done_, 12U);
  EXPECT_EQ(total_, 12U);
  for (size_t i = 0; i < results.size(); ++i) {
    const Result& r = results[i];
    EXPECT_EQ(r.point, i);
    EXPECT_FALSE(r.error);
    EXPECT_EQ(r.costs.array_mm2,
              std::stod(r.parameters[0].second) * std::stod(r.parameters[1].second));
    EXPECT_EQ(r.costs.macs, 416520U);
  }
  EXPECT_EQ(ResultsFile(path("r.jsonl")).found().size(), 12U);
}

TEST_F(Explore, gives_the_same_tables_for_any_number_of_threads) {
  const Sweep s = sweep(kArrays);
  const std::string one = to_csv(s, run(s, 1));
  std::filesystem::remove(path("r.jsonl"));
  EXPECT_EQ(to_csv(s, run(s, 4)), one);
  EXPECT_EQ(to_csv(s, run(s, 4)), one) << "from the results file";
  EXPECT_EQ(evaluated_, 0);
}

TEST_F(Explore, turns_impossible_chips_and_misfits_into_errors) {
  const std::vector<Result> results =
      run(sweep("axes:\n  npu.rows: [8, 12]\n  npu.columns: [16, 32]\n"));
  EXPECT_FALSE(results[0].error);
  EXPECT_EQ(results[1].error, "conv1: 17 columns do not fit");
  EXPECT_EQ(results[2].error, "npu.rows must be a power of two in 2..64, got 12");
  EXPECT_FALSE(results[2].chip_fingerprint);
  EXPECT_EQ(evaluated_, 4) << "each of two networks on each of two possible chips";
}

TEST_F(Explore, checks_keys_against_each_other) {
  const std::vector<Result> results =
      run(sweep("axes:\n  dram.row_bytes: [2048, 256]\n"
                "  dram.burst_length: [8, 32]\n"
                "  dram.bus_bytes: [16]\n"));
  EXPECT_FALSE(results[0].error);
  ASSERT_TRUE(results[3].error);
  EXPECT_THAT(*results[3].error, testing::StartsWith("dram.row_bytes must hold a burst"));
}

TEST_F(Explore, evaluates_only_what_is_missing) {
  run(sweep("axes:\n  npu.rows: [4, 12]\n"));
  const std::string before = text_of("r.jsonl");
  const Sweep wider = sweep("axes:\n  npu.rows: [4, 8, 12, 16]\n");
  const std::vector<Result> results = run(wider);
  EXPECT_EQ(evaluated_, 4);
  EXPECT_THAT(messages_, HasSubstr("4 of 8 points are there, 4 to do"));
  EXPECT_THAT(messages_, HasSubstr("; new: npu.rows 8, npu.rows 16\n"));
  EXPECT_EQ(results[0].costs.array_mm2, 4 * 16);
  EXPECT_TRUE(results[2].error);
  EXPECT_EQ(text_of("r.jsonl").compare(0, before.size(), before), 0) << "earlier lines stay";
  run(wider);
  EXPECT_EQ(evaluated_, 0);
  EXPECT_EQ(messages_, "8 of 8 points are there\n");
}

TEST_F(Explore, repairs_a_torn_line_and_evaluates_its_point_again) {
  const Sweep s = sweep(kArrays);
  const std::string csv = to_csv(s, run(s));
  const std::string text = text_of("r.jsonl");
  given("r.jsonl", text.substr(0, text.size() - 20));
  EXPECT_EQ(to_csv(s, run(s)), csv);
  EXPECT_EQ(evaluated_, 1);
  EXPECT_THAT(messages_, HasSubstr("cut off a torn last line"));
}

TEST_F(Explore, says_that_results_of_other_sweeps_are_left_alone) {
  run(sweep("axes:\n  npu.rows: [4, 8]\n"));
  const std::vector<Result> results = run(sweep("axes:\n  npu.rows: [8]\n"));
  EXPECT_EQ(results.size(), 2U);
  EXPECT_EQ(evaluated_, 0);
  EXPECT_THAT(messages_, HasSubstr("2 of other sweeps are left alone"));
}

TEST_F(Explore, evaluates_again_what_depends_on_a_changed_chip_or_network) {
  const std::string chip = path("mine.yaml");
  std::filesystem::copy_file(std::string(TESSERA_SOURCE_DIR) + "/models/chips/edge.yaml", chip);
  std::filesystem::copy_file(shipped_network("lenet5-int8"), path("net.onnx"));
  given("s.yaml", "chip: mine.yaml\nnetworks: [net.onnx]\naxes: {npu.rows: [4]}\n");
  run(read_sweep(path("s.yaml")));
  run(read_sweep(path("s.yaml")));
  EXPECT_EQ(evaluated_, 0);

  std::string text = text_of("mine.yaml");
  const size_t at = text.find("latency_cycles: 3");
  given("mine.yaml", text.replace(at, 17, "latency_cycles: 9"));
  run(read_sweep(path("s.yaml")));
  EXPECT_EQ(evaluated_, 1) << "a timing parameter that the chip's fingerprint leaves out";

  std::filesystem::copy_file(shipped_network("lenet5-int16"), path("net.onnx"),
                             std::filesystem::copy_options::overwrite_existing);
  run(read_sweep(path("s.yaml")));
  EXPECT_EQ(evaluated_, 1);
}

TEST_F(Explore, sets_keys_inside_the_technology_of_a_chip_that_names_a_file) {
  const std::vector<Result> results = run(sweep("axes:\n  technology.static_mw: [10, 20]\n"));
  EXPECT_FALSE(results[0].error) << *results[0].error;
  EXPECT_NE(results[0].key, results[1].key);
}

TEST_F(Explore, finds_the_technology_file_of_a_chip_beside_it) {
  const std::string models = std::string(TESSERA_SOURCE_DIR) + "/models";
  std::filesystem::create_directory(path("tech"));
  std::filesystem::copy_file(models + "/tech/cmos45.yaml", path("tech/mine.yaml"));
  std::filesystem::copy_file(models + "/chips/edge.yaml", path("chip.yaml"));
  std::string text = text_of("chip.yaml");
  given("chip.yaml", text.replace(text.find("cmos45"), 6, "tech/mine"));
  const std::vector<Result> results = run(sweep("axes:\n  npu.rows: [4]\n", "chip.yaml"));
  EXPECT_FALSE(results[0].error) << *results[0].error;
}

TEST_F(Explore, refuses_axes_that_no_chip_file_has) {
  EXPECT_THAT(failure_of(sweep("axes:\n  npu.rows: [4]\n  npu.rowz: [4]\n")),
              HasSubstr("sweep.yaml:7: axes: npu.rowz is not a known key; allowed: "));
  EXPECT_THAT(failure_of(sweep("axes:\n  clock_mhz.turbo: [4]\n")),
              HasSubstr("sweep.yaml:6: axes: clock_mhz is not a mapping of keys"));
  EXPECT_FALSE(std::filesystem::exists(path("r.jsonl")));
}

TEST_F(Explore, refuses_networks_that_are_not_quantised_with_their_line) {
  const std::string name = shipped_network("lenet5");
  given("s.yaml", "chip: edge\nnetworks:\n  - " + name + "\nwidths: [8x8]\n");
  EXPECT_THAT(failure_of(read_sweep(path("s.yaml"))), HasSubstr("s.yaml:3: " + name));
  EXPECT_FALSE(std::filesystem::exists(path("r.jsonl")));
}

TEST_F(Explore, hands_over_networks_at_the_widths_of_the_point) {
  std::mutex mutex;
  std::vector<int> bits;
  ExploreOptions options;
  options.results = path("r.jsonl");
  options.jobs = 2;
  explore(
      sweep("widths: [4x2, file]\n"),
      [&](const graph::Graph& graph, const chip::Chip&) {
        const std::lock_guard<std::mutex> lock(mutex);
        bits.push_back(graph.quantizations.at(graph.input).bits);
        return Costs{};
      },
      options);
  std::sort(bits.begin(), bits.end());
  EXPECT_THAT(bits, ElementsAre(4, 4, 4, 8));
}

TEST_F(Explore, stops_at_what_is_no_fault_of_the_point) {
  ExploreOptions options;
  options.results = path("r.jsonl");
  const auto broken = [](const graph::Graph&, const chip::Chip&) -> Costs {
    throw std::bad_alloc();
  };
  EXPECT_THROW(explore(sweep(""), broken, options), std::bad_alloc);
  EXPECT_EQ(text_of("r.jsonl"), "");
}

Result result_of(size_t point, const char* network, double seconds, double per_second) {
  Result r;
  r.point = point;
  r.network = network;
  r.costs.seconds = seconds;
  r.costs.utilization = per_second;
  return r;
}

TEST(front, is_of_each_network_unless_it_is_of_all) {
  Sweep sweep;
  sweep.objectives = {"seconds", "utilization"};
  std::vector<Result> results = {result_of(0, "a", 1, 0.5), result_of(1, "a", 2, 0.4),
                                 result_of(2, "b", 3, 0.4), result_of(3, "b", 4, 0.9),
                                 result_of(4, "b", 1, 1.0)};
  results[4].error = "does not fit";
  const auto numbers = [&] {
    std::vector<size_t> points;
    for (const Result& r : front_of(sweep, results)) points.push_back(r.point);
    return points;
  };
  EXPECT_THAT(numbers(), ElementsAre(0, 2, 3));
  sweep.one_front = true;
  EXPECT_THAT(numbers(), ElementsAre(0, 3));
}

}  // namespace
}  // namespace tessera::explore
