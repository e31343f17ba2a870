/// `tessera estimate` against `tessera run --timing at`, and its command line.

#include <boost/json.hpp>
#include <cmath>
#include <random>

#include "graph/onnx_io.hpp"
#include "system/run/networks.hpp"

namespace tessera::test {
namespace {

namespace json = boost::json;

constexpr double kLargestErrorPercent = 3;

json::object report_of(const std::string& path) { return json::parse(read_file(path)).as_object(); }

uint64_t number(const json::object& o, const char* key) { return o.at(key).to_number<uint64_t>(); }

/// Deploys, runs some images and estimates; cycles must agree, work must be the same.
void expect_agreement(const std::string& network, const std::string& chip, const std::string& data,
                      const TemporaryFolder& folder) {
  SCOPED_TRACE(network + " on " + chip);
  const std::string image = folder / "net.timg";
  must_succeed({"deploy", network, "--chip", chip, "-o", image});
  std::vector<std::string> run{"run",     image, "--chip", chip,
                               "--count", "3",   "--json", folder / "run.json"};
  if (!data.empty()) run.insert(run.end(), {"--data", data});
  must_succeed(run);
  must_succeed({"estimate", image, "--chip", chip, "--json", folder / "estimate.json"});
  const json::object measured = report_of(folder / "run.json");
  const json::object estimated = report_of(folder / "estimate.json");
  ASSERT_EQ(number(measured, "images"), 3U);
  const double cycles = measured.at("cycles").to_number<double>() / 3;
  const double error_percent = 100 * (estimated.at("cycles").to_number<double>() / cycles - 1);
  testing::Test::RecordProperty("error_percent", std::to_string(error_percent));
  EXPECT_LT(std::abs(error_percent), kLargestErrorPercent) << cycles;

  EXPECT_EQ(3 * number(estimated, "macs"), number(measured, "macs"));
  EXPECT_EQ(3 * number(estimated, "dram_bytes"),
            number(measured, "dram_bytes_read") + number(measured, "dram_bytes_written"));
  const json::array& layers = estimated.at("layers").as_array();
  ASSERT_EQ(layers.size(), measured.at("layers").as_array().size());
  for (size_t i = 0; i < layers.size(); ++i) {
    const json::object& layer = measured.at("layers").as_array()[i].as_object();
    EXPECT_EQ(layers[i].as_object().at("name"), layer.at("name"));
    EXPECT_EQ(3 * number(layers[i].as_object(), "macs"), number(layer, "macs"));
  }
}

struct Case {
  const char* network;
  const char* chip;

  friend std::ostream& operator<<(std::ostream& out, const Case& c) {
    return out << c.network << " on " << c.chip;
  }
};

class EstimateOfLeNet : public testing::TestWithParam<Case> {};

TEST_P(EstimateOfLeNet, is_within_three_percent_of_the_platform) {
  const TemporaryFolder folder;
  expect_agreement(shipped_network(GetParam().network), GetParam().chip, "", folder);
}

INSTANTIATE_TEST_SUITE_P(Shipped, EstimateOfLeNet,
                         testing::Values(Case{"lenet5-int8", "reference"},
                                         Case{"lenet5-int8", "edge"}, Case{"lenet5-int8", "large"},
                                         Case{"lenet5-int8", "mesh"},
                                         Case{"lenet5-mix2", "reference"},
                                         Case{"lenet5-mix2", "edge"}));

/// A network that grows by convolutions of random weights on 8-bit maps.
class Network {
 public:
  explicit Network(const std::string& name) {
    graph_.name = name;
    graph_.input = last_ = "x";
    graph_.shapes["x"] = {3, 32, 32};
    grid("x");
  }

  const std::string& last() const { return last_; }

  Network& convolve(int64_t channels, int64_t kernel, int64_t stride, int64_t groups) {
    graph::Node& node = add(graph::Op::kConv, {last_});
    node.window.kernel_h = node.window.kernel_w = kernel;
    node.window.stride_h = node.window.stride_w = stride;
    node.window.pad_top = node.window.pad_left = kernel / 2;
    node.window.pad_bottom = node.window.pad_right = kernel / 2;
    node.groups = groups;
    weigh(node, {channels, graph_.shapes.at(last_)[0] / groups, kernel, kernel});
    return finish();
  }
  Network& add_to(const std::string& other) {
    add(graph::Op::kAdd, {last_, other});
    return finish();
  }
  Network& classify(int64_t classes) {
    add(graph::Op::kGlobalAveragePool, {last_});
    finish();
    const int64_t inputs = graph_.shapes.at(last_)[0];
    add(graph::Op::kFlatten, {last_});
    finish();
    weigh(add(graph::Op::kGemm, {last_}), {classes, inputs});
    return finish();
  }

  void write(const std::string& path) { graph::write_onnx(graph_, path); }

 private:
  graph::Node& add(graph::Op op, std::vector<std::string> inputs) {
    graph::Node node;
    node.op = op;
    node.name = "n" + std::to_string(graph_.nodes.size());
    node.output = "t" + std::to_string(graph_.nodes.size());
    node.inputs = std::move(inputs);
    graph_.nodes.push_back(node);
    return graph_.nodes.back();
  }
  void grid(const std::string& tensor) { graph_.quantizations[tensor] = {8, true, {0.02F}, {}}; }
  Network& finish() {
    graph_.output = last_ = graph_.nodes.back().output;
    grid(last_);
    graph::infer_shapes(graph_);
    return *this;
  }
  void weigh(graph::Node& node, const graph::Shape& shape) {
    const std::string name = node.output + "_w";
    graph::Tensor tensor{shape, {}};
    for (int64_t i = 0; i < graph::element_count(shape); ++i) {
      tensor.data.push_back(0.01F * static_cast<float>(static_cast<int>(random_() % 21) - 10));
    }
    graph_.weights[name] = std::move(tensor);
    graph_.quantizations[name] = {8, true, {0.01F}, {}};
    node.inputs.push_back(name);
  }

  graph::Graph graph_;
  std::string last_;
  std::mt19937 random_{1};
};

std::string noise(const TemporaryFolder& folder) {
  std::mt19937 random(2);
  std::string bytes;
  for (int i = 0; i < 3 * (1 + 3 * 32 * 32); ++i) bytes.push_back(static_cast<char>(random() % 8));
  const std::string path = folder / "noise.bin";
  write_file(path, bytes);
  return path;
}

class EstimateOn : public testing::TestWithParam<const char*> {};

TEST_P(EstimateOn, a_residual_network_is_within_three_percent_of_the_platform) {
  const TemporaryFolder folder;
  Network net("residual");
  net.convolve(16, 3, 1, 1);
  const std::string first = net.last();
  net.convolve(16, 3, 1, 1).convolve(16, 3, 1, 1).add_to(first);
  net.convolve(32, 3, 2, 1);
  const std::string second = net.last();
  net.convolve(32, 3, 1, 1).add_to(second).classify(10);
  net.write(folder / "net.onnx");
  expect_agreement(folder / "net.onnx", GetParam(), noise(folder), folder);
}

TEST_P(EstimateOn, a_depthwise_network_is_within_three_percent_of_the_platform) {
  const TemporaryFolder folder;
  Network net("depthwise");
  net.convolve(32, 3, 2, 1).convolve(32, 3, 1, 32).convolve(64, 1, 1, 1).convolve(64, 3, 2, 64);
  net.convolve(128, 1, 1, 1).convolve(128, 3, 1, 128).convolve(128, 1, 1, 1).classify(10);
  net.write(folder / "net.onnx");
  expect_agreement(folder / "net.onnx", GetParam(), noise(folder), folder);
}

INSTANTIATE_TEST_SUITE_P(Chips, EstimateOn, testing::Values("reference", "edge", "large", "mesh"));

TEST(EstimateCommand, takes_a_network_as_it_takes_its_image) {
  const TemporaryFolder folder;
  const std::string network = shipped_network("lenet5-int8");
  must_succeed({"deploy", network, "--chip", "edge", "-o", folder / "net.timg"});
  must_succeed({"estimate", network, "--chip", "edge", "--json", folder / "a.json"});
  must_succeed({"estimate", folder / "net.timg", "--chip", "edge", "--json", folder / "b.json"});
  json::object a = report_of(folder / "a.json");
  json::object b = report_of(folder / "b.json");
  a.erase("estimate_seconds");
  b.erase("estimate_seconds");
  EXPECT_EQ(a.at("schema").as_string(), "tessera-estimate");
  EXPECT_EQ(a, b);
}

TEST(EstimateCommand, prints_its_errors_layer_by_layer) {
  const TemporaryFolder folder;
  const std::string image = deployed("lenet5-int8", "reference", folder);
  must_succeed({"run", image, "--count", "1", "--json", folder / "run.json"});
  const CommandResult r = tessera({"estimate", image, "--compare", folder / "run.json"});
  EXPECT_EQ(r.status, 0) << r;
  const size_t table = r.out.find("error\n");
  ASSERT_NE(table, std::string::npos) << r;
  for (const char* row : {"conv1", "conv2", "fc1", "fc2", "fc3", "total"}) {
    const size_t line = r.out.find(std::string("\n") + row, table - 1);
    ASSERT_NE(line, std::string::npos) << row << "\n" << r;
    EXPECT_EQ(r.out[r.out.find('\n', line + 1) - 1], '%') << row;
  }
}

TEST(EstimateCommand, refuses_what_it_cannot_compare_or_read) {
  const TemporaryFolder folder;
  const std::string net = shipped_network("lenet5-int8");
  const std::string other = deployed("lenet5-int8", "edge", folder);
  must_succeed({"run", other, "--chip", "edge", "--count", "1", "--json", folder / "run.json"});
  write_file(folder / "text", "no report");
  const auto expect_refusal = [](const std::vector<std::string>& arguments, const char* clue) {
    const CommandResult r = tessera(arguments);
    EXPECT_EQ(r.status, 2) << r;
    EXPECT_NE(r.err.find(clue), std::string::npos) << r;
    EXPECT_LE(r.err_lines(), 2) << r;
  };
  expect_refusal({"estimate"}, "the network");
  expect_refusal({"estimate", folder / "nothing.onnx"}, "cannot be read");
  expect_refusal({"estimate", shipped_network("lenet5")}, "lenet5.onnx");
  expect_refusal({"estimate", other}, "edge");
  expect_refusal({"estimate", net, "--compare", folder / "text"}, "is no report of run");
  expect_refusal({"estimate", net, "--compare", folder / "run.json"}, "is of chip edge");
}

}  // namespace
}  // namespace tessera::test
