/// The networks have the sizes that their papers and the usual implementations publish, and their
/// files hold the same networks.

#include "compress/nets.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "graph/onnx_io.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;
using testing::HasSubstr;

int64_t parameter_count(const Graph& net) {
  int64_t count = 0;
  for (const auto& [name, tensor] : net.weights) count += static_cast<int64_t>(tensor.data.size());
  return count;
}

std::string test_name(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

/// Parameters count two a batch-normalised channel, as deep-learning libraries do (they learn scale
/// and shift). MACs are those of convolutions and fully connected layers.
struct Size {
  const char* name;
  int64_t parameters, macs;
  int64_t activations, max_pools, additions;
};

std::ostream& operator<<(std::ostream& stream, const Size& size) { return stream << size.name; }

int64_t count(const Graph& net, Op op) {
  return std::count_if(net.nodes.begin(), net.nodes.end(),
                       [=](const Node& node) { return node.op == op; });
}

class PublishedSize : public testing::TestWithParam<Size> {};

TEST_P(PublishedSize, is_met_exactly) {
  const Graph net = build_net(GetParam().name, 1);
  EXPECT_EQ(net.name, GetParam().name);
  EXPECT_EQ(parameter_count(net), GetParam().parameters);
  EXPECT_EQ(graph::mac_count(net), GetParam().macs);
  const bool six = net.name.find("mobilenet-v2") == 0;
  EXPECT_EQ(count(net, six ? Op::kClip : Op::kRelu), GetParam().activations);
  EXPECT_EQ(count(net, six ? Op::kRelu : Op::kClip), 0);
  EXPECT_EQ(count(net, Op::kMaxPool), GetParam().max_pools);
  EXPECT_EQ(count(net, Op::kAdd), GetParam().additions);
  const bool cifar = net.name.find("cifar10") != std::string::npos;
  EXPECT_EQ(net.shapes.at(net.input),
            cifar ? (graph::Shape{3, 32, 32}) : (graph::Shape{3, 224, 224}));
  EXPECT_EQ(net.shapes.at(net.output), cifar ? (graph::Shape{10}) : (graph::Shape{1000}));
}

INSTANTIATE_TEST_SUITE_P(
    Nets, PublishedSize,
    testing::Values(Size{"vgg16-cifar10", 14'986'698, 313'463'808, 14, 5, 0},
                    Size{"resnet18-cifar10", 11'173'962, 555'422'720, 17, 0, 8},
                    Size{"resnet20-cifar10", 269'722, 40'551'040, 19, 0, 9},
                    Size{"mobilenet-v1-cifar10", 3'217'226, 46'354'432, 27, 0, 0},
                    Size{"mobilenet-v2-cifar10", 2'236'682, 87'976'448, 35, 0, 10},
                    Size{"vgg16-224", 138'357'544, 15'470'264'320, 15, 5, 0},
                    Size{"resnet18-224", 11'689'512, 1'814'073'344, 17, 1, 8},
                    Size{"resnet50-224", 25'557'032, 4'089'184'256, 49, 1, 16},
                    Size{"googlenet-224", 6'998'552, 1'582'671'872, 57, 13, 0},
                    Size{"mobilenet-v1-224", 4'231'976, 568'740'352, 27, 0, 0},
                    Size{"mobilenet-v2-224", 3'504'872, 300'774'272, 35, 0, 10}),
    [](const auto& info) { return test_name(info.param.name); });

TEST(GoogLeNet, its_modules_cost_what_table_1_of_the_paper_says) {
  const Graph net = build_net("googlenet-224", 1);
  std::map<std::string, double> mega_macs;
  for (const Node& node : net.nodes) {
    if (node.op != Op::kConv) continue;
    const auto weights = static_cast<double>(net.weights.at(node.inputs[1]).data.size());
    const graph::Shape& out = net.shapes.at(node.output);
    mega_macs[node.name.substr(0, node.name.find('.'))] +=
        weights * static_cast<double>(out[1] * out[2]) / 1e6;
  }
  const std::map<std::string, double> table = {{"3a", 128}, {"3b", 304}, {"4a", 73},
                                               {"4b", 88},  {"4c", 100}, {"4d", 119},
                                               {"4e", 170}, {"5a", 54},  {"5b", 71}};
  for (const auto& [module, expected] : table) {
    EXPECT_NEAR(mega_macs.at("inception" + module), expected, 0.06 * expected) << module;
  }
}

/// All but the largest, whose file takes gigabytes to write and read.
std::vector<std::string> names_without_the_largest() {
  std::vector<std::string> names = net_names();
  names.erase(std::remove(names.begin(), names.end(), "vgg16-224"), names.end());
  return names;
}

class EachNet : public testing::TestWithParam<std::string> {};

TEST_P(EachNet, is_the_same_after_writing_and_reading_its_file) {
  const Graph net = build_net(GetParam(), 3);
  const Graph read = graph::parse_onnx(graph::serialize_onnx(net), "the file");
  ASSERT_EQ(read.nodes.size(), net.nodes.size());
  for (size_t i = 0; i < net.nodes.size(); ++i) {
    const Node &a = net.nodes[i], &b = read.nodes[i];
    SCOPED_TRACE(a.name);
    EXPECT_EQ(b.name, a.name);
    EXPECT_EQ(b.op, a.op);
    EXPECT_EQ(b.groups, a.groups);
    EXPECT_EQ(read.shapes.at(b.output), net.shapes.at(a.output));
    ASSERT_EQ(b.inputs.size(), a.inputs.size());
    for (size_t k = 0; k < a.inputs.size(); ++k) {
      const auto weight = net.weights.find(a.inputs[k]);
      if (weight == net.weights.end()) continue;
      EXPECT_TRUE(read.weights.at(b.inputs[k]).data == weight->second.data) << a.inputs[k];
    }
  }
  EXPECT_EQ(graph::mac_count(read), graph::mac_count(net));
  EXPECT_EQ(read.normalization.mean, net.normalization.mean);
  EXPECT_EQ(read.normalization.std, net.normalization.std);
}

void expect_neutral(const Graph& net, const Node& norm) {
  const Node* conv = net.producer(norm.inputs[0]);
  ASSERT_NE(conv, nullptr) << norm.name;
  EXPECT_EQ(conv->op, Op::kConv) << norm.name;
  EXPECT_EQ(conv->inputs.size(), 2U) << norm.name << " follows a convolution with a bias";
  for (const float scale : net.weights.at(norm.inputs[1]).data) EXPECT_EQ(scale, 1) << norm.name;
  for (const float shift : net.weights.at(norm.inputs[2]).data) EXPECT_EQ(shift, 0) << norm.name;
}

/// Batch norms of scale 1 and shift 0 are those whose statistics training learns
/// (compress/train.hpp).
TEST_P(EachNet, starts_from_weights_of_variance_2_over_fan_in_and_neutral_batch_norms) {
  const Graph net = build_net(GetParam(), 5);
  for (const Node& node : net.nodes) {
    if (node.op == Op::kBatchNorm) expect_neutral(net, node);
    if (node.op != Op::kConv && node.op != Op::kGemm) continue;
    const graph::Tensor& weight = net.weights.at(node.inputs[1]);
    const auto count = static_cast<double>(weight.data.size());
    const double fan_in = count / static_cast<double>(weight.shape[0]);
    double squares = 0;
    for (const float value : weight.data) squares += double{value} * value;
    // The sample variance of a normal has a relative deviation of sqrt(2 / count).
    EXPECT_NEAR(squares / count * fan_in / 2, 1, 5 * std::sqrt(2 / count)) << node.name;
  }
}

INSTANTIATE_TEST_SUITE_P(Nets, EachNet, testing::ValuesIn(names_without_the_largest()),
                         [](const auto& info) { return test_name(info.param); });

TEST(Nets, of_one_seed_are_equal_and_of_two_seeds_differ) {
  const auto weights = [](uint64_t seed) {
    return build_net("resnet20-cifar10", seed).weights.at("layer2.0.conv1.weight").data;
  };
  EXPECT_EQ(weights(7), weights(7));
  EXPECT_NE(weights(7), weights(8));
}

TEST(Nets, have_the_maps_of_their_papers) {
  const Graph resnet = build_net("resnet50-224", 1);
  EXPECT_EQ(resnet.shapes.at("pool1_out"), (graph::Shape{64, 56, 56}));
  EXPECT_EQ(resnet.shapes.at("layer1.2.relu_out"), (graph::Shape{256, 56, 56}));
  EXPECT_EQ(resnet.shapes.at("layer4.2.relu_out"), (graph::Shape{2048, 7, 7}));
  const Graph googlenet = build_net("googlenet-224", 1);
  EXPECT_EQ(googlenet.shapes.at("pool2_out"), (graph::Shape{192, 28, 28}));
  EXPECT_EQ(googlenet.shapes.at("inception4e.concat_out"), (graph::Shape{832, 14, 14}));
  EXPECT_EQ(googlenet.shapes.at("inception5b.concat_out"), (graph::Shape{1024, 7, 7}));
  const Graph mobilenet = build_net("mobilenet-v2-cifar10", 1);
  EXPECT_EQ(mobilenet.shapes.at("block3.project.bn_out"), (graph::Shape{24, 32, 32}));
  EXPECT_EQ(mobilenet.shapes.at("relu2_out"), (graph::Shape{1280, 4, 4}));
}

TEST(Nets, of_an_unknown_name_are_refused_with_the_known_ones) {
  try {
    build_net("resnet19", 1);
    FAIL() << "built";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), HasSubstr("resnet19 is unknown"));
    for (const std::string& name : net_names()) EXPECT_THAT(error.what(), HasSubstr(name));
  }
}

}  // namespace
}  // namespace tessera::compress
