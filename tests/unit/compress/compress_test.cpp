#include "compress/compress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>
#include <stdexcept>

#include "compress/measure.hpp"
#include "compress/nets.hpp"
#include "compress/quantize.hpp"
#include "graph/integer_network.hpp"
#include "graph/onnx_io.hpp"
#include "reference/float_engine.hpp"
#include "reference/integer_engine.hpp"
#include "support/error_of.hpp"
#include "unit/compress/tiny_problem.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using test::error_of;
using testing::HasSubstr;

Recipe uniform(int weight_bits, int activation_bits, const std::string& more = "") {
  return parse_recipe("name: t\nweights: {bits: " + std::to_string(weight_bits) +
                          "}\nactivations: {bits: " + std::to_string(activation_bits) + "}\n" +
                          more,
                      "r.yaml");
}

/// A network that classifies corner_images by hand-set weights: no training needed.
Graph corner_net() {
  Graph net = tiny_net(3);
  net.normalization = {{0}, {0.5F}};
  auto& conv = net.weights.at("conv.weight").data;
  for (float& weight : conv) weight = 0.11F;
  for (size_t k = 0; k < 4; ++k) conv[k * 9 + 4] += 0.01F * static_cast<float>(k);
  auto& fc1 = net.weights.at("fc1.weight").data;
  for (size_t out = 0; out < 12; ++out) {
    for (size_t c = 0; c < 4; ++c) {
      for (size_t y = 0; y < 4; ++y) {
        for (size_t x = 0; x < 4; ++x) {
          const bool mine = (y / 2) * 2 + x / 2 == out % 4;
          fc1[out * 64 + c * 16 + y * 4 + x] = mine ? 0.09F : -0.031F;
        }
      }
    }
  }
  auto& fc2 = net.weights.at("fc2.weight").data;
  for (size_t out = 0; out < 4; ++out) {
    for (size_t in = 0; in < 12; ++in) fc2[out * 12 + in] = in % 4 == out ? 0.5F : -0.1F;
  }
  return net;
}

CompressResult compress_corners(const Recipe& recipe) {
  return compress(corner_net(), recipe, corner_images(64, 1), corner_images(200, 2), {});
}

TEST(Compress, eight_bits_keep_the_accuracy_on_the_integer_engine) {
  const CompressResult result = compress_corners(uniform(8, 8));
  EXPECT_EQ(result.report.test_images, 200);
  EXPECT_GT(result.report.float_top1_percent, 99);
  EXPECT_GE(*result.report.integer_top1_percent, *result.report.float_top1_percent - 0.5);
}

TEST(Compress, integer_logits_come_closer_to_float_with_every_width) {
  const Graph net = corner_net();
  const data::Dataset test = corner_images(20, 5);
  double last_error = 1e9;
  for (const int bits : {3, 6, 8, 12, 16}) {
    const CompressResult result = compress_corners(uniform(bits, bits));
    const graph::IntegerNetwork network = graph::lower(result.graph);
    const reference::IntegerEngine engine(network);
    const double scale = network.tensors[static_cast<size_t>(network.output)].scale;
    double error = 0, size = 0;
    LogitList actual, wanted;
    for (int64_t i = 0; i < test.count; ++i) {
      const auto logits = engine.run(graph::quantize_input(network, test.image(i)));
      const auto expected = run_float(net, reference::normalize(net, test.image(i)));
      for (size_t k = 0; k < logits.size(); ++k) {
        error += std::fabs(scale * logits[k] - expected[k]);
        size += std::fabs(expected[k]);
        actual.push_back(static_cast<float>(scale * logits[k]));
        wanted.push_back(expected[k]);
      }
    }
    EXPECT_LT(error, last_error) << bits;
    if (bits == 16) {
      EXPECT_LT(error, 1e-3 * size);
    }
    last_error = error;
    LogitList measured;
    measure_integer(network, test, 0, 2, {}, &measured);
    EXPECT_EQ(measured, actual);
    measured.clear();
    measure_float(net, test, 0, 2, {}, &measured);
    EXPECT_EQ(measured, wanted);
  }
}

TEST(Compress, the_relative_error_is_that_of_2_norms) {
  EXPECT_DOUBLE_EQ(relative_error({3, 4, 1}, {3, 4, 0}), 0.2);
  EXPECT_DOUBLE_EQ(relative_error({0, 0}, {3, -4}), 1);
  EXPECT_DOUBLE_EQ(relative_error({}, {}), 0);
}

TEST(Compress, reports_the_relative_error_of_all_logits) {
  const double narrow = compress_corners(uniform(6, 6)).report.logits_relative_error.value();
  const double wide = compress_corners(uniform(16, 16)).report.logits_relative_error.value();
  EXPECT_LT(wide, 1e-3);
  EXPECT_GT(narrow, 10 * wide);
  EXPECT_LT(narrow, 0.5);
}

TEST(Compress, every_width_and_code_deploys) {
  for (int bits = 2; bits <= 16; ++bits) {
    const CompressResult result = compress_corners(uniform(bits, 18 - bits));
    for (const LayerReport& layer : result.report.layers) {
      EXPECT_GE(layer.weight_bits, bits);
      EXPECT_GE(layer.activation_bits, 18 - bits);
    }
  }
  const CompressResult p4 = compress_corners(parse_recipe(
      "name: t\nweights: {bits: 4, code: power-of-two}\nactivations: {bits: 8}\n", "r"));
  const std::set<int> codes = {0, 1, 2, 4, 8, 16, 32, 64, -1, -2, -4, -8, -16, -32, -64};
  for (const graph::IntegerLayer& layer : graph::lower(p4.graph).layers) {
    if (layer.op != graph::IntegerOp::kConv) continue;
    EXPECT_TRUE(layer.p4);
    for (const int16_t weight : layer.weights) EXPECT_EQ(codes.count(weight), 1U) << weight;
  }
  EXPECT_GT(p4.report.integer_top1_percent, 95);
}

TEST(Compress, rules_reach_the_integer_network) {
  const CompressResult result =
      compress_corners(uniform(8, 8,
                               "layers: [{match: first, weight_bits: 16, activation_bits: 16}, "
                               "{match: fc1, weight_bits: 4, activation_bits: 2}]\n"));
  ASSERT_EQ(result.report.layers.size(), 3U);
  EXPECT_EQ(result.report.layers[0].weight_bits, 16);
  EXPECT_EQ(result.report.layers[0].activation_bits, 16);
  EXPECT_EQ(result.report.layers[1].weight_bits, 4);
  EXPECT_EQ(result.report.layers[1].activation_bits, 2);
  EXPECT_EQ(result.report.layers[2].weight_bits, 8);
}

TEST(Compress, radix_points_make_every_rescaling_a_shift) {
  const Recipe recipe = uniform(8, 8, "radix_point: true\n");
  const CompressResult result = compress_corners(recipe);
  for (const graph::IntegerLayer& layer : graph::lower(result.graph).layers) {
    for (const graph::Rescale& rescale : layer.rescale) EXPECT_EQ(rescale.multiplier, 1);
  }
  EXPECT_GT(result.report.integer_top1_percent, 99);
}

TEST(Compress, the_eight_bit_recipe_writes_what_other_tools_read) {
  const std::string file = graph::serialize_onnx(compress_corners(load_recipe("int8")).graph);
  EXPECT_THAT(file, HasSubstr("DequantizeLinear"));
  EXPECT_THAT(file, testing::Not(HasSubstr("qonnx")));
}

TEST(Compress, stochastic_rounding_reaches_the_layers_and_survives_the_file) {
  const Recipe recipe = uniform(8, 8, "rounding: stochastic\n");
  const CompressResult result = compress_corners(recipe);
  const Graph back = graph::parse_onnx(graph::serialize_onnx(result.graph), "file");
  int convolutions = 0;
  for (const graph::IntegerLayer& layer : graph::lower(back).layers) {
    if (layer.op != graph::IntegerOp::kConv) continue;
    ++convolutions;
    EXPECT_EQ(layer.rounding, graph::Rounding::kStochastic) << layer.name;
  }
  EXPECT_EQ(convolutions, 3);
  EXPECT_GT(result.report.integer_top1_percent, 99);
}

TEST(Compress, the_file_computes_what_the_graph_in_memory_computes) {
  for (const int bits : {8, 5}) {
    const CompressResult result = compress_corners(uniform(bits, bits));
    const graph::IntegerNetwork here = graph::lower(result.graph);
    const graph::IntegerNetwork there =
        graph::lower(graph::parse_onnx(graph::serialize_onnx(result.graph), "file"));
    const reference::IntegerEngine one(here), other(there);
    const data::Dataset test = corner_images(10, 8);
    for (int64_t i = 0; i < test.count; ++i) {
      EXPECT_EQ(one.run(graph::quantize_input(here, test.image(i))),
                other.run(graph::quantize_input(there, test.image(i))));
    }
  }
}

TEST(Compress, the_report_counts_sizes_by_hand) {
  const CompressReport report = compress_corners(uniform(4, 8)).report;
  const int64_t weights = 4 * 9 + 12 * 64 + 4 * 12, biases = 4 + 12 + 4;
  EXPECT_EQ(report.parameters, weights + biases);
  EXPECT_EQ(report.float_size_bytes, 4 * (weights + biases));
  EXPECT_EQ(report.weight_bits, 4 * weights);
  EXPECT_EQ(report.integer_size_bytes, weights / 2 + 7 * biases);
  const int64_t macs = 64 * 36 + 12 * 64 + 4 * 12;
  EXPECT_EQ(report.bit_operations, macs * 4 * 8);
  EXPECT_EQ(report.float_bit_operations, macs * 1024);
}

TEST(Compress, a_bias_too_large_for_its_weights_still_fits_32_bits) {
  Graph net = corner_net();
  for (size_t i = 0; i < 9; ++i) net.weights.at("conv.weight").data[i] *= 1e-9F;
  net.weights.at("conv.bias").data[0] = 2;
  for (const int bits : {8, 16}) {
    const CompressResult result =
        compress(net, uniform(bits, bits), corner_images(32, 1), corner_images(50, 2), {});
    const auto layers = graph::lower(result.graph).layers;
    EXPECT_GT(std::abs(layers[0].bias[0]), 1000) << "and is not lost";
  }
}

TEST(Compress, dead_channels_do_not_stop_it) {
  Graph net = corner_net();
  for (size_t i = 0; i < 9; ++i) net.weights.at("conv.weight").data[i] = 0;
  for (size_t i = 9; i < 18; ++i) net.weights.at("conv.weight").data[i] = 1e-30F;
  const CompressResult result =
      compress(net, uniform(8, 8), corner_images(32, 1), corner_images(50, 2), {});
  EXPECT_GT(result.report.integer_top1_percent, 95);
}

TEST(Compress, batch_norms_and_residual_additions_go_through) {
  Graph net = tiny_residual_net(5);
  net.normalization = {{0.3F}, {0.3F}};
  net.weights.at("norm.scale").data = {0.5F, 2, 1, -1};
  net.weights.at("norm.shift").data = {0.1F, -0.2F, 0.3F, 0.4F};
  const data::Dataset test = corner_images(60, 2);
  const CompressResult result = compress(net, uniform(12, 12), corner_images(64, 1), test, {});
  const graph::IntegerNetwork network = graph::lower(result.graph);
  const reference::IntegerEngine engine(network);
  int64_t same = 0;
  for (int64_t i = 0; i < test.count; ++i) {
    same += reference::argmax(engine.run(graph::quantize_input(network, test.image(i)))) ==
                    reference::argmax(run_float(net, reference::normalize(net, test.image(i))))
                ? 1
                : 0;
  }
  EXPECT_GE(same, 59);
}

TEST(Compress, bad_input_is_refused_with_its_reason) {
  const data::Dataset images = corner_images(8, 1);
  EXPECT_THAT(error_of([&] { compress_corners(uniform(4, 4, "finetune: {epochs: 1}\n")); }),
              HasSubstr("finetune needs libtorch"));
  EXPECT_THAT(error_of([&] { compress(lenet5(1), uniform(8, 8), images, images, {}); }),
              HasSubstr("normalised"));
  Graph lenet = lenet5(1);
  lenet.normalization = {{0}, {1}};
  EXPECT_THAT(error_of([&] { compress(lenet, uniform(8, 8), images, images, {}); }),
              HasSubstr("corners holds images"));
  const CompressResult once = compress_corners(uniform(8, 8));
  EXPECT_THAT(error_of([&] { compress(once.graph, uniform(8, 8), images, images, {}); }),
              HasSubstr("quantised already"));
}

TEST(Compress, a_job_that_fails_writes_nothing) {
  namespace fs = std::filesystem;
  const fs::path folder = fs::temp_directory_path() / ("compress_job_" + std::to_string(getpid()));
  fs::create_directories(folder);
  CompressJob job;
  job.net = (folder / "net.onnx").string();
  job.output = (folder / "out.onnx").string();
  job.recipe = "int8";
  graph::write_onnx(corner_net(), job.net);
  job.data = (folder / "nowhere").string();
  EXPECT_THAT(error_of([&] { run_compress(job); }), HasSubstr("nowhere"));
  EXPECT_FALSE(fs::exists(job.output));

  const data::Dataset set = corner_images(50, 3);
  for (const char* split : {"train.bin", "test.bin"}) {
    std::ofstream file(folder / split, std::ios::binary);
    for (int64_t i = 0; i < set.count; ++i) {
      file.put(static_cast<char>(set.labels[static_cast<size_t>(i)]));
      file.write(reinterpret_cast<const char*>(set.image(i)), 64);
    }
  }
  job.data = folder.string();
  const CompressReport report = run_compress(job);
  EXPECT_EQ(report.test_images, 50);
  EXPECT_EQ(measure_integer(graph::lower(graph::read_onnx(job.output)), set, 0, 1),
            report.integer_top1_percent);
  fs::remove_all(folder);
}

TEST(Nets, lenet_has_the_size_that_it_is_known_for) {
  const Graph net = lenet5(1);
  int64_t parameters = 0;
  for (const auto& [name, tensor] : net.weights)
    parameters += static_cast<int64_t>(tensor.data.size());
  EXPECT_EQ(parameters, 61706);
  EXPECT_EQ(graph::mac_count(net), 416520);
  EXPECT_EQ(net.shapes.at(net.output), (graph::Shape{10}));
  EXPECT_EQ(lenet5(1).weights.at("fc1.weight").data, net.weights.at("fc1.weight").data);
  EXPECT_NE(lenet5(2).weights.at("fc1.weight").data, net.weights.at("fc1.weight").data);
  EXPECT_THAT(error_of([] { build_net("lenet6", 1); }), HasSubstr("lenet5"));
}

}  // namespace
}  // namespace tessera::compress
