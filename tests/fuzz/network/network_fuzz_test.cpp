#include <gtest/gtest.h>

#include <algorithm>

#include "chip/chip.hpp"
#include "data/dataset.hpp"
#include "deploy/deploy.hpp"
#include "deploy/image.hpp"
#include "fuzz/network/random_graph.hpp"
#include "graph/integer_network.hpp"
#include "platform/image_run.hpp"
#include "reference/integer_engine.hpp"

// Random networks from the graph to the logits on the modelled chip, held against the integer
// reference. SystemC elaborates once a process: a case is one network on one chip.

namespace tessera {
namespace {

constexpr int64_t kImages = 2;
constexpr uint64_t kMaxCycles = 2'000'000'000;

uint8_t argmax(const std::vector<int32_t>& logits) {
  return static_cast<uint8_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

/// Random images, each labelled with the class that the reference finds, so that the firmware's
/// own argmax shows in the accuracy.
data::Dataset random_dataset(const graph::Graph& graph, uint64_t seed) {
  fuzz::Random random(seed);
  const graph::IntegerNetwork net = graph::lower(graph);
  const reference::IntegerEngine engine(net);
  const graph::Shape& shape = graph.shapes.at(graph.input);
  data::Dataset dataset;
  dataset.source = "random";
  dataset.count = kImages;
  dataset.channels = shape[0];
  dataset.height = shape[1];
  dataset.width = shape[2];
  for (int64_t i = 0; i < kImages; ++i) {
    const auto image = fuzz::random_image(graph, random);
    dataset.images.insert(dataset.images.end(), image.begin(), image.end());
    dataset.labels.push_back(argmax(engine.run(graph::quantize_input(net, image.data()))));
  }
  dataset.classes = 10;
  return dataset;
}

/// A 2x4 array with scratchpads so small that the network just fits: layers become many tiles.
chip::Chip tight_chip(const graph::Graph& graph) {
  chip::Chip chip = chip::load_chip("edge");
  chip.name = "tight";
  chip.npu.rows = 2;
  chip.npu.columns = 4;
  chip::Scratchpads& s = chip.npu.scratchpads;
  for (s.activation_bytes = 1024; s.activation_bytes <= 1 << 20; s.activation_bytes *= 2) {
    s.weight_bytes = s.activation_bytes;
    s.output_bytes = s.parameter_bytes = s.activation_bytes / 4;
    try {
      deploy::deploy(graph, chip);
      return chip;
    } catch (const std::runtime_error& error) {
      if (std::string(error.what()).find("does not fit") == std::string::npos) throw;
    }
  }
  throw std::runtime_error("the network fits no chip");
}

void run_on(const chip::Chip& chip, const graph::Graph& graph, uint64_t seed) {
  SCOPED_TRACE("seed " + std::to_string(seed) + ", chip " + chip.name);
  const auto image = deploy::Image::parse(deploy::deploy(graph, chip).image, "fuzz");
  platform::ImageRunOptions options;
  options.soc.core = platform::CoreKind::kNative;
  options.soc.timing = common::TimingMode::kLooselyTimed;
  options.max_cycles = kMaxCycles;
  const auto result =
      platform::run_image(chip, image, random_dataset(graph, seed), nullptr, options);
  EXPECT_TRUE(result.checked);
  EXPECT_EQ(result.images, static_cast<uint64_t>(kImages));
  EXPECT_EQ(result.mismatches, 0U) << result.first_mismatch;
  EXPECT_EQ(result.correct, result.images) << "the firmware's argmax is not the reference's";
}

class NetworkFuzz : public testing::TestWithParam<uint64_t> {};

TEST_P(NetworkFuzz, edge_computes_what_the_reference_computes) {
  run_on(chip::load_chip("edge"), fuzz::random_graph(GetParam()), GetParam());
}

TEST_P(NetworkFuzz, reference_chip_computes_what_the_reference_computes) {
  const uint64_t seed = GetParam() + 1000;
  run_on(chip::load_chip("reference"), fuzz::random_graph(seed), seed);
}

TEST_P(NetworkFuzz, small_scratchpads_and_many_tiles_change_no_value) {
  const uint64_t seed = GetParam() + 2000;
  const graph::Graph graph = fuzz::random_graph(seed);
  run_on(tight_chip(graph), graph, seed);
}

INSTANTIATE_TEST_SUITE_P(Seeds, NetworkFuzz, testing::Range<uint64_t>(0, 20));

}  // namespace
}  // namespace tessera
