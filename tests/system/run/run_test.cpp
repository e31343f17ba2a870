/// Outputs are bit-identical to the integer reference whatever the core, the timing mode, the
/// quantum and the chip.

#include <boost/json.hpp>
#include <set>

#include "system/run/networks.hpp"

namespace tessera::test {
namespace {

namespace json = boost::json;

constexpr int kImages = 2;

struct Way {
  std::string timing;
  std::string core;
  std::string quantum;
};

std::vector<Way> every_way() {
  std::vector<Way> ways;
  for (const char* timing : {"at", "lt"}) {
    for (const char* core : {"iss", "native"}) {
      for (const char* quantum : {"1", "100", "10000"}) ways.push_back({timing, core, quantum});
    }
  }
  return ways;
}

json::object run(const std::string& image, const std::string& chip, const Way& way,
                 const TemporaryFolder& folder) {
  const std::string report = folder / "report.json";
  std::filesystem::remove(report);
  const CommandResult result =
      tessera({"run", image, "--chip", chip, "--count", std::to_string(kImages), "--timing",
               way.timing, "--core", way.core, "--quantum", way.quantum, "--json", report});
  EXPECT_EQ(result.status, 0) << result;
  return json::parse(read_file(report)).as_object();
}

/// A shipped network, the widths (activations x weights, as the report has them) that some layer
/// of it must run with, and a chip.
struct Case {
  const char* network;
  const char* widths;
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

class BitIdentity : public testing::TestWithParam<Case> {
 protected:
  BitIdentity() : image_(deployed(GetParam().network, GetParam().chip, folder_)) {}

  TemporaryFolder folder_;
  std::string image_;
};

TEST_P(BitIdentity, every_core_timing_and_quantum_gives_the_outputs_of_the_reference) {
  const std::string chip = GetParam().chip;
  std::set<int64_t> correct;
  std::set<std::string> widths;
  for (const Way& way : every_way()) {
    SCOPED_TRACE("--timing " + way.timing + " --core " + way.core + " --quantum " + way.quantum);
    const json::object report = run(image_, chip, way, folder_);
    EXPECT_EQ(report.at("chip").as_string(), chip);
    EXPECT_EQ(report.at("timing").as_string(), way.timing);
    EXPECT_EQ(report.at("core").as_string(), way.core);
    EXPECT_EQ(std::to_string(report.at("quantum_instructions").to_number<int64_t>()), way.quantum);
    EXPECT_EQ(report.at("images").to_number<int>(), kImages);
    EXPECT_TRUE(report.at("reference_checked").as_bool());
    EXPECT_EQ(report.at("reference_mismatches").to_number<int64_t>(), 0);
    EXPECT_GT(report.at("macs").to_number<int64_t>(), 0);
    correct.insert(report.at("correct").to_number<int64_t>());
    for (const json::value& layer : report.at("layers").as_array()) {
      widths.insert(layer.at("widths").as_string().c_str());
    }
  }
  EXPECT_EQ(correct.size(), 1U) << "the firmware's argmax depends on how it is run";
  EXPECT_EQ(widths.count(GetParam().widths), 1U) << "no layer ran with " << GetParam().widths;
}

constexpr Case kCases[] = {
    {"lenet5-int16", "16x16", "reference"}, {"lenet5-int16", "16x16", "edge"},
    {"lenet5-int8", "8x8", "reference"},    {"lenet5-int8", "8x8", "edge"},
    {"lenet5-int4", "4x4", "reference"},    {"lenet5-int4", "4x4", "edge"},
    {"lenet5-int2", "2x2", "reference"},    {"lenet5-int2", "2x2", "edge"},
    {"lenet5-mix", "4x4", "reference"},     {"lenet5-mix", "4x4", "edge"},
    {"lenet5-p4", "8xp4", "reference"},     {"lenet5-p4", "8xp4", "edge"},
};

INSTANTIATE_TEST_SUITE_P(run, BitIdentity, testing::ValuesIn(kCases), name_of);

TEST(stochastic_rounding, gives_the_outputs_of_the_reference_on_every_chip_and_core) {
  for (const char* chip : {"reference", "edge"}) {
    const TemporaryFolder folder;
    const std::string image = deployed("lenet5-int8-stochastic", chip, folder);
    EXPECT_NE(tessera({"inspect", image}).out.find("stochastic"), std::string::npos);
    for (const Way& way : {Way{"at", "iss", "1000"}, Way{"lt", "native", "100"}}) {
      SCOPED_TRACE(std::string(chip) + " --timing " + way.timing + " --core " + way.core);
      const json::object report = run(image, chip, way, folder);
      EXPECT_TRUE(report.at("reference_checked").as_bool());
      EXPECT_EQ(report.at("reference_mismatches").to_number<int64_t>(), 0);
    }
  }
}

}  // namespace
}  // namespace tessera::test
