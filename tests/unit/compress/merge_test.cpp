#include "compress/merge.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <stdexcept>

#include "compress/compress.hpp"
#include "compress/recipe.hpp"
#include "graph/integer_network.hpp"
#include "support/error_of.hpp"
#include "unit/compress/tiny_problem.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::Shape;
using graph::Window;
using test::error_of;
using testing::ElementsAre;
using testing::IsEmpty;

std::vector<Op> ops(const Graph& net) {
  std::vector<Op> found;
  for (const Node& node : net.nodes) found.push_back(node.op);
  return found;
}

/// Appends a node that reads `inputs`; its output, "<name>_out", becomes the network's.
Node& append(Graph& net, const std::string& name, Op op, std::vector<std::string> inputs) {
  Node node;
  node.name = name;
  node.op = op;
  node.inputs = std::move(inputs);
  node.output = name + "_out";
  net.output = node.output;
  net.nodes.push_back(node);
  return net.nodes.back();
}

Node& append_pool(Graph& net, Op op, const std::string& input, int64_t kernel, int64_t stride) {
  Node& pool = append(net, "pool", op, {input});
  pool.window.kernel_h = pool.window.kernel_w = kernel;
  pool.window.stride_h = pool.window.stride_w = stride;
  return pool;
}

size_t input_count(const Graph& net) {
  return static_cast<size_t>(graph::element_count(net.shapes.at(net.input)));
}

Samples random_samples(const Graph& net, int64_t count) {
  return {count, [size = input_count(net)](int64_t i) {
            return random_values(size, static_cast<unsigned>(100 + i));
          }};
}

void expect_same_function(const Graph& before, const Graph& after) {
  for (unsigned seed = 0; seed < 4; ++seed) {
    SCOPED_TRACE(seed);
    const std::vector<float> image = random_values(input_count(before), seed);
    const std::vector<float> expected = run_float(before, image);
    const std::vector<float> got = run_float(after, image);
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i) {
      EXPECT_NEAR(got[i], expected[i], 1e-5 * (1 + std::fabs(expected[i]))) << i;
    }
  }
}

/// A 3x3 convolution of any window, and a pooling.
Graph pooled_net(const Shape& input, const Window& conv, int64_t groups, int64_t kernel,
                 int64_t stride) {
  Graph net = one_conv_net(input, 4, true);
  net.nodes[0].window = conv;
  net.nodes[0].groups = groups;
  if (groups > 1) {
    graph::Tensor& weight = net.weights.at(net.nodes[0].inputs[1]);
    weight.shape[1] /= groups;
    weight.data.resize(static_cast<size_t>(graph::element_count(weight.shape)));
  }
  append_pool(net, Op::kAveragePool, "conv_out", kernel, stride);
  infer_shapes(net);
  return net;
}

TEST(Merge, an_average_behind_a_convolution_is_a_larger_convolution) {
  const std::vector<Window> windows{{3, 3, 1, 1, 1, 1, 1, 1, 1, 1},
                                    {3, 3, 2, 1, 1, 1, 0, 2, 1, 0},
                                    {3, 3, 1, 2, 2, 1, 2, 1, 0, 1}};
  for (const Window& window : windows) {
    for (const int64_t kernel : {2, 3}) {
      for (const int64_t stride : {1, 2, 3}) {
        for (const int64_t groups : {1, 2}) {
          SCOPED_TRACE(testing::Message() << window.stride_h << " " << window.dilation_h << " "
                                          << kernel << " " << stride << " " << groups);
          const Graph net = pooled_net({2, 11, 12}, window, groups, kernel, stride);
          Graph merged = net;
          EXPECT_THAT(merge_average_pools(merged, Merging::kExact), ElementsAre("pool"));
          EXPECT_THAT(ops(merged), ElementsAre(Op::kConv));
          EXPECT_EQ(merged.shapes.at(merged.output), net.shapes.at(net.output));
          expect_same_function(net, merged);
        }
      }
    }
  }
}

TEST(Merge, an_average_with_padding_or_a_second_reader_before_it_stays) {
  Graph padded = pooled_net({2, 8, 8}, {3, 3, 1, 1, 1, 1, 1, 1, 1, 1}, 1, 2, 2);
  padded.nodes[1].window.pad_top = 1;
  infer_shapes(padded);
  EXPECT_THAT(merge_average_pools(padded, Merging::kApproximate), IsEmpty());
  Graph shared = one_conv_net({2, 8, 8}, 4, true);
  append_pool(shared, Op::kAveragePool, "conv_out", 1, 1);
  append(shared, "add", Op::kAdd, {"conv_out", "pool_out"});
  infer_shapes(shared);
  EXPECT_THAT(merge_average_pools(shared, Merging::kApproximate), IsEmpty());
  EXPECT_EQ(shared.nodes.size(), 3U);
}

TEST(Merge, an_average_behind_a_relu_is_merged_only_approximately_the_relu_coming_last) {
  Graph net = one_conv_net({2, 8, 8}, 4, true);
  append(net, "relu", Op::kRelu, {"conv_out"});
  append_pool(net, Op::kAveragePool, "relu_out", 2, 2);
  infer_shapes(net);
  Graph merged = net;
  EXPECT_THAT(merge_average_pools(merged, Merging::kExact), IsEmpty());
  EXPECT_THAT(merge_average_pools(merged, Merging::kApproximate), ElementsAre("pool"));
  EXPECT_THAT(ops(merged), ElementsAre(Op::kConv, Op::kRelu));
  std::swap(net.nodes[1], net.nodes[2]);  // relu(mean(conv)), as documented
  net.nodes[1].inputs = {"conv_out"};
  net.nodes[2].inputs = {"pool_out"};
  net.output = "relu_out";
  infer_shapes(net);
  expect_same_function(net, merged);
}

TEST(Merge, a_maximum_becomes_the_value_in_the_middle_of_its_window) {
  struct Case {
    int64_t size, kernel, stride, pad, middle;
  };
  for (const Case& c :
       {Case{8, 2, 2, 0, 0}, {9, 2, 2, 0, 0}, {9, 3, 2, 1, 1}, {9, 3, 2, 0, 1}, {10, 3, 3, 1, 1}}) {
    SCOPED_TRACE(testing::Message() << c.size << " " << c.kernel << " " << c.stride);
    Graph net = one_conv_net({2, c.size, c.size}, 3, true);
    append(net, "relu", Op::kRelu, {"conv_out"});
    const Graph unpooled = net;
    Window& window = append_pool(net, Op::kMaxPool, "relu_out", c.kernel, c.stride).window;
    window.pad_top = window.pad_left = window.pad_bottom = window.pad_right = c.pad;
    infer_shapes(net);
    Graph merged = net;
    EXPECT_THAT(merge_max_pools(merged), ElementsAre("pool"));
    EXPECT_THAT(ops(merged), ElementsAre(Op::kConv, Op::kRelu));
    const Shape shape = net.shapes.at("pool_out");
    ASSERT_EQ(merged.shapes.at(merged.output), shape);
    const std::vector<float> image = random_values(input_count(net), 7);
    const std::vector<float> all = run_float(unpooled, image);
    const std::vector<float> got = run_float(merged, image);
    for (int64_t i = 0; i < graph::element_count(shape); ++i) {
      const int64_t y = i / shape[2] % shape[1] * c.stride - c.pad + c.middle;
      const int64_t x = i % shape[2] * c.stride - c.pad + c.middle;
      const int64_t channel = i / shape[2] / shape[1];
      EXPECT_NEAR(got[static_cast<size_t>(i)],
                  all[static_cast<size_t>((channel * c.size + y) * c.size + x)], 1e-5)
          << i;
    }
  }
}

Graph lrn_net(bool shares_its_input) {
  Graph net = one_conv_net({2, 6, 6}, 4, true);
  append(net, "relu", Op::kRelu, {"conv_out"});
  append_pool(net, Op::kMaxPool, "relu_out", 2, 2);
  Node& lrn = append(net, "lrn", Op::kLrn, {"pool_out"});
  lrn.lrn_size = 3;
  lrn.lrn_alpha = 0.9F;
  lrn.lrn_beta = 0.75F;
  lrn.lrn_bias = 1.5F;
  if (shares_its_input) {
    append(net, "add", Op::kAdd, {"lrn_out", "pool_out"});
  } else {
    append(net, "flatten", Op::kFlatten, {"lrn_out"});
  }
  infer_shapes(net);
  return net;
}

/// x * factor of the channel, with the factors by brute force.
std::vector<float> scaled_by_least_squares(const Graph& net, const Samples& samples,
                                           const std::vector<float>& x) {
  Graph before = net;
  before.output = "pool_out";
  before.nodes.resize(3);
  std::vector<float> y = x;
  for (size_t c = 0; c < 4; ++c) {
    double xy = 0, xx = 0;
    for (int64_t i = 0; i < samples.count; ++i) {
      const std::vector<float> pooled = run_float(before, samples.image(i));
      for (size_t p = 9 * c; p < 9 * c + 9; ++p) {
        double squares = 0;
        for (size_t n = c == 0 ? 0 : c - 1; n <= std::min<size_t>(c + 1, 3); ++n) {
          squares += std::pow(pooled[9 * n + p % 9], 2);
        }
        const double normal = pooled[p] / std::pow(1.5 + 0.9 / 3 * squares, 0.75);
        xy += normal * pooled[p];
        xx += pooled[p] * pooled[p];
      }
    }
    for (size_t p = 9 * c; p < 9 * c + 9; ++p) y[p] = static_cast<float>(y[p] * xy / xx);
  }
  return y;
}

TEST(Merge, a_response_normalisation_becomes_factors_of_the_convolution) {
  for (const bool shares : {false, true}) {
    const Graph net = lrn_net(shares);
    Graph merged = net;
    const Samples samples = random_samples(net, 5);
    EXPECT_THAT(merge_lrn(merged, samples), ElementsAre("lrn"));
    EXPECT_EQ(ops(merged),
              (shares ? std::vector<Op>{Op::kConv, Op::kRelu, Op::kMaxPool, Op::kConv, Op::kAdd}
                      : std::vector<Op>{Op::kConv, Op::kRelu, Op::kMaxPool, Op::kFlatten}));
    const std::vector<float> image = random_values(input_count(net), 9);
    Graph before = net;
    before.output = "pool_out";
    before.nodes.resize(3);
    const std::vector<float> x = run_float(before, image);
    std::vector<float> expected = scaled_by_least_squares(net, samples, x);
    for (size_t i = 0; shares && i < x.size(); ++i) expected[i] += x[i];
    const std::vector<float> got = run_float(merged, image);
    ASSERT_EQ(got.size(), expected.size());
    for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-5);
  }
}

TEST(Merge, a_normalisation_of_nothing_but_zeros_takes_its_factor_at_zero) {
  Graph net = lrn_net(false);
  for (auto& [name, tensor] : net.weights) tensor.data.assign(tensor.data.size(), 0);
  net.weights.at(net.nodes[0].inputs[2]).data.assign(4, 0);
  Graph merged = net;
  merge_lrn(merged, random_samples(net, 2));
  EXPECT_EQ(run_float(merged, random_values(input_count(net), 1)), std::vector<float>(36, 0));
  net.nodes[3].lrn_bias = 0;
  EXPECT_THROW(merge_lrn(net, random_samples(net, 2)), std::runtime_error);
}

/// x + e1 * conv(x), then + e2 * conv(that), then a convolution that gives the output.
Graph residual_net(float first, float second) {
  Graph net = one_conv_net({3, 5, 5}, 3, false);
  const std::string weight = net.nodes[0].inputs[1];
  const auto scaled = [&](const std::string& name, float factor) {
    graph::Tensor copy = net.weights.at(weight);
    for (float& value : copy.data) value *= factor;
    net.weights[name] = std::move(copy);
    return name;
  };
  const Window window = net.nodes[0].window;
  net.nodes.clear();
  append(net, "branch1", Op::kConv, {"x", scaled("w1", first)}).window = window;
  append(net, "add1", Op::kAdd, {"x", "branch1_out"});
  append(net, "branch2", Op::kConv, {"add1_out", scaled("w2", second)}).window = window;
  append(net, "add2", Op::kAdd, {"branch2_out", "add1_out"});
  append(net, "last", Op::kConv, {"add2_out", scaled("w3", 1)}).window = window;
  net.weights.erase(weight);
  infer_shapes(net);
  return net;
}

std::vector<std::string> names(const Graph& net) {
  std::vector<std::string> found;
  for (const Node& node : net.nodes) found.push_back(node.name);
  return found;
}

TEST(Merge, branches_that_hardly_add_anything_go_with_all_that_only_they_need) {
  Graph net = residual_net(0.001F, 2);
  EXPECT_THAT(remove_near_identities(net, random_samples(net, 3), 0.02), ElementsAre("add1"));
  EXPECT_THAT(names(net), ElementsAre("branch2", "add2", "last"));
  EXPECT_THAT(net.nodes[0].inputs, ElementsAre("x", "w2"));
  EXPECT_EQ(net.weights.count("w1"), 0U);
  Graph other = residual_net(2, 0.001F);
  EXPECT_THAT(remove_near_identities(other, random_samples(other, 3), 0.02), ElementsAre("add2"));
  EXPECT_THAT(names(other), ElementsAre("branch1", "add1", "last"));
  Graph both = residual_net(0.001F, 0.0001F);
  EXPECT_THAT(remove_near_identities(both, random_samples(both, 3), 0.02),
              ElementsAre("add2", "add1"));
  Graph none = residual_net(2, 2);
  EXPECT_THAT(remove_near_identities(none, random_samples(none, 3), 0.02), IsEmpty());
  EXPECT_EQ(none.nodes.size(), 5U);
}

TEST(Merge, the_threshold_is_the_norm_of_the_change_over_that_of_the_result) {
  const Graph net = residual_net(0.1F, 2);
  const Samples samples = random_samples(net, 3);
  Graph part = net;
  part.nodes.resize(2);
  part.output = "add1_out";
  infer_shapes(part);
  double change = 0, result = 0;
  for (int64_t i = 0; i < samples.count; ++i) {
    const std::vector<float> x = samples.image(i);
    const std::vector<float> y = run_float(part, x);
    for (size_t at = 0; at < y.size(); ++at) {
      change += std::pow(y[at] - x[at], 2);
      result += std::pow(y[at], 2);
    }
  }
  const double relative = std::sqrt(change / result);
  Graph below = net, above = net;
  EXPECT_THAT(remove_near_identities(below, samples, relative * 0.999), IsEmpty());
  EXPECT_THAT(remove_near_identities(above, samples, relative * 1.001), ElementsAre("add1"));
}

TEST(Merge, a_convolution_that_is_nearly_the_identity_goes_but_the_last_layer_stays) {
  Graph net = one_conv_net({2, 5, 5}, 2, false);
  graph::Tensor& weight = net.weights.at(net.nodes[0].inputs[1]);
  weight.data.assign(weight.data.size(), 0.001F);
  weight.data[4] = weight.data[27 + 4] = 1;  // {0, 0, 1, 1} and {1, 1, 1, 1}
  Graph alone = net;
  EXPECT_THAT(remove_near_identities(alone, random_samples(alone, 3), 0.05), IsEmpty());
  append(net, "relu", Op::kRelu, {"conv_out"});
  infer_shapes(net);
  EXPECT_THAT(remove_near_identities(net, random_samples(net, 3), 0.05), ElementsAre("conv"));
  EXPECT_THAT(net.nodes[0].inputs, ElementsAre("x"));
}

TEST(Merge, quantised_networks_are_refused) {
  Graph net = lrn_net(false);
  net.quantizations["x"] = {8, false, {0.1F}, graph::WeightCode::kTwosComplement};
  EXPECT_THROW(merge_lrn(net, random_samples(net, 1)), std::runtime_error);
  EXPECT_THROW(merge_average_pools(net, Merging::kExact), std::runtime_error);
  EXPECT_THROW(merge_max_pools(net), std::runtime_error);
  EXPECT_THROW(remove_near_identities(net, random_samples(net, 1), 0.1), std::runtime_error);
}

Recipe recipe_with(const std::string& merge) {
  return parse_recipe("name: t\nweights: {bits: 8}\nactivations: {bits: 8}\n" + merge, "r.yaml");
}

TEST(MergeRecipe, reads_its_keys_and_refuses_others) {
  const MergeOptions options = recipe_with(
                                   "merge: {lrn: true, average_pool: exact, max_pool: approximate, "
                                   "identity_threshold: 0.25}\n")
                                   .merge;
  EXPECT_TRUE(options.lrn);
  EXPECT_EQ(options.average_pool, Merging::kExact);
  EXPECT_TRUE(options.max_pool);
  EXPECT_EQ(options.identity_threshold, 0.25);
  EXPECT_FALSE(recipe_with("").merge.any());
  EXPECT_FALSE(recipe_with("merge: {max_pool: none}\n").merge.any());
  const std::vector<std::pair<std::string, std::string>> bad{{"average_pool: some", "average_pool"},
                                                             {"max_pool: exact", "max_pool"},
                                                             {"identity_threshold: 2", "identity"},
                                                             {"lrn: maybe", "lrn"},
                                                             {"relu: true", "merge.relu"}};
  for (const auto& [key, clue] : bad) {
    const std::string error = error_of([&key = key] { recipe_with("merge: {" + key + "}\n"); });
    EXPECT_THAT(error, testing::AllOf(testing::StartsWith("r.yaml:4: "), testing::HasSubstr(clue)));
  }
}

/// tiny_net with a response normalisation behind its Relu.
Graph tiny_net_with_lrn() {
  Graph net = tiny_net(1);
  net.normalization = {{0.5F}, {0.25F}};
  const auto relu = std::find_if(net.nodes.begin(), net.nodes.end(),
                                 [](const Node& node) { return node.op == Op::kRelu; });
  Node lrn;
  lrn.name = "lrn";
  lrn.op = Op::kLrn;
  lrn.inputs = {relu->output};
  lrn.output = "lrn_out";
  lrn.lrn_size = 3;
  lrn.lrn_alpha = 0.5F;
  lrn.lrn_beta = 0.75F;
  lrn.lrn_bias = 1;
  std::next(relu)->inputs[0] = "lrn_out";
  net.nodes.insert(std::next(relu), lrn);
  infer_shapes(net);
  return net;
}

TEST(MergeRecipe, is_what_a_network_with_response_normalisation_needs) {
  const Graph net = tiny_net_with_lrn();
  const data::Dataset train = corner_images(32, 1), test = corner_images(50, 2);
  const auto compressed = [&](const std::string& merge) {
    return compress(net, recipe_with(merge), train, test, {});
  };
  EXPECT_THAT(error_of([&] { compressed(""); }),
              testing::AllOf(testing::HasSubstr("r.yaml"), testing::HasSubstr("'lrn'"),
                             testing::HasSubstr("merge: {lrn: true}")));
  const CompressResult result = compressed("merge: {lrn: true, max_pool: approximate}\n");
  EXPECT_THAT(result.report.merged_layers, ElementsAre("lrn", "pool"));
  EXPECT_EQ(graph::lower(result.graph).layers.size(), 3U);  // conv and two fully connected
}

}  // namespace
}  // namespace tessera::compress
