/// The results file: whole lines only, repaired, never another file's end.

#include "explore/results_file.hpp"

#include <thread>

#include "unit/explore/sweep_files.hpp"

namespace tessera::explore {
namespace {

using testing::HasSubstr;

Result sample(size_t point) {
  Result r;
  r.key = Digest().add(std::to_string(point)).text();
  r.point = point;
  r.network = "a \"b\".onnx";
  r.network_digest = "0123456789abcdef";
  r.widths = "8x4";
  r.chip = "edge";
  r.chip_fingerprint = 4294967295U;
  r.parameters = {{"npu.rows", "8"}, {"dram.preset", "ddr4-2400"}, {"clock_mhz", "0.1"}};
  r.costs.cycles = 123456789012345;
  r.costs.seconds = 1.0 / 3;
  r.costs.energy_pj = 6.02e23;
  r.costs.cycles_by_bound = {{"DRAM", 7}, {"compute", 9}};
  return r;
}

void expect_equal(const Result& a, const Result& b) {
  EXPECT_EQ(to_line(a), to_line(b));
  EXPECT_EQ(a.key, b.key);
  EXPECT_EQ(a.point, b.point);
  EXPECT_EQ(a.network, b.network);
  EXPECT_EQ(a.chip_fingerprint, b.chip_fingerprint);
  EXPECT_EQ(a.parameters, b.parameters);
  EXPECT_EQ(a.error, b.error);
  EXPECT_EQ(a.costs.cycles, b.costs.cycles);
  EXPECT_EQ(a.costs.cycles_by_bound, b.costs.cycles_by_bound);
}

TEST(result, reads_back_from_its_line) {
  const Result r = sample(3);
  const auto read = parse_line(to_line(r));
  ASSERT_TRUE(read);
  expect_equal(*read, r);
  EXPECT_EQ(read->costs.bound(), "compute");
  EXPECT_DOUBLE_EQ(read->costs.seconds, 1.0 / 3);
}

TEST(result, with_an_error_reads_back_and_has_no_costs_in_its_line) {
  Result r = sample(3);
  r.error = "conv1: needs 3 KiB more";
  r.costs = {};
  r.chip_fingerprint.reset();
  EXPECT_THAT(to_line(r), testing::Not(HasSubstr("energy_pj")));
  const auto read = parse_line(to_line(r));
  ASSERT_TRUE(read);
  expect_equal(*read, r);
}

TEST(result, is_no_other_json) {
  EXPECT_FALSE(parse_line("{}"));
  EXPECT_FALSE(parse_line("[1]"));
  EXPECT_FALSE(parse_line(""));
  EXPECT_FALSE(parse_line("{\"schema\":\"tessera-run\",\"schema_version\":1}"));
}

TEST(number_text, reads_back_and_spells_integers_out) {
  EXPECT_EQ(number_text(1e6), "1000000");
  EXPECT_EQ(number_text(0.1), "0.1");
  EXPECT_EQ(number_text(-3), "-3");
  EXPECT_EQ(std::stod(number_text(1.0 / 3)), 1.0 / 3);
  EXPECT_EQ(std::stod(number_text(1e300)), 1e300);
}

using ResultsFileTest = SweepFiles;

TEST_F(ResultsFileTest, gives_back_what_was_appended) {
  {
    ResultsFile file(path("r.jsonl"));
    EXPECT_TRUE(file.found().empty());
    file.append(sample(1));
    file.append(sample(2));
  }
  ResultsFile file(path("r.jsonl"));
  ASSERT_EQ(file.found().size(), 2U);
  expect_equal(file.found()[1], sample(2));
  EXPECT_EQ(file.repaired_bytes(), 0U);
}

TEST_F(ResultsFileTest, cuts_off_a_torn_last_line_wherever_it_was_torn) {
  const std::string whole = to_line(sample(1)) + "\n";
  const std::string torn = to_line(sample(2));
  for (size_t length = 1; length <= torn.size(); ++length) {
    given("r.jsonl", whole + torn.substr(0, length));
    ResultsFile file(path("r.jsonl"));
    ASSERT_EQ(file.found().size(), 1U);
    EXPECT_EQ(file.repaired_bytes(), length);
    file.append(sample(3));
    ASSERT_EQ(text_of("r.jsonl"), whole + to_line(sample(3)) + "\n");
  }
}

TEST_F(ResultsFileTest, leaves_files_alone_that_are_not_its_own) {
  const std::string line = to_line(sample(1)) + "\n";
  for (const std::string& text : {std::string("precious"), std::string("precious\n"),
                                  line + "precious", line + "\n" + line, line + "{}\n"}) {
    given("r.jsonl", text);
    EXPECT_THROW(ResultsFile file(path("r.jsonl")), std::runtime_error) << text;
    EXPECT_EQ(text_of("r.jsonl"), text);
  }
  given("r.jsonl", line + "{}\n");
  try {
    ResultsFile file(path("r.jsonl"));
  } catch (const std::runtime_error& e) {
    EXPECT_THAT(e.what(), HasSubstr("r.jsonl:2: is not a result"));
  }
}

TEST_F(ResultsFileTest, belongs_to_one_at_a_time) {
  ResultsFile first(path("r.jsonl"));
  EXPECT_THROW(ResultsFile second(path("r.jsonl")), std::runtime_error);
}

TEST_F(ResultsFileTest, that_cannot_be_written_is_refused) {
  EXPECT_THROW(ResultsFile file(path("none/r.jsonl")), std::runtime_error);
}

TEST_F(ResultsFileTest, takes_whole_lines_from_many_threads) {
  {
    ResultsFile file(path("r.jsonl"));
    std::vector<std::thread> threads;
    for (size_t t = 0; t < 4; ++t) {
      threads.emplace_back([&file, t] {
        for (size_t i = 0; i < 50; ++i) file.append(sample(50 * t + i));
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  const ResultsFile file(path("r.jsonl"));
  std::vector<bool> seen(200);
  for (const Result& r : file.found()) seen[r.point] = true;
  EXPECT_EQ(file.found().size(), 200U);
  EXPECT_EQ(std::count(seen.begin(), seen.end(), true), 200);
}

}  // namespace
}  // namespace tessera::explore
