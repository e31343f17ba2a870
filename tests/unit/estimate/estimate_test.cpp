#include "estimate/estimate.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <stdexcept>
#include <thread>

#include "deploy/deploy.hpp"
#include "graph/onnx_io.hpp"

namespace tessera::estimate {
namespace {

deploy::Image image_of(const std::string& network, const chip::Chip& chip,
                       deploy::Coding coding = deploy::Coding::kWhereItPays) {
  const std::string path = TESSERA_SOURCE_DIR "/models/nets/" + network + ".onnx";
  return deploy::Image::parse(deploy::deploy(graph::read_onnx(path), chip, {true, coding}).image,
                              path);
}

int coded_layers(const deploy::Image& image) {
  int count = 0;
  for (const abi::LayerProgram& layer : image.layers()) count += layer.weight_tables > 0 ? 1 : 0;
  return count;
}

template <typename Member>
uint64_t sum(const Estimate& e, Member LayerEstimate::*member) {
  uint64_t result = 0;
  for (const LayerEstimate& layer : e.layers) result += layer.*member;
  return result;
}

TEST(Estimate, layers_sum_to_the_inference) {
  const chip::Chip chip = chip::load_chip("reference");
  const Estimate e = estimate(image_of("lenet5-mix2", chip), chip);
  ASSERT_EQ(e.layers.size(), 5U);
  EXPECT_EQ(sum(e, &LayerEstimate::cycles), e.cycles);
  EXPECT_EQ(sum(e, &LayerEstimate::macs), e.macs);
  EXPECT_EQ(sum(e, &LayerEstimate::dram_bytes), e.dram_bytes);
  EXPECT_DOUBLE_EQ(e.seconds, static_cast<double>(e.cycles) / 500e6);
  double layers_pj = 0;
  for (const LayerEstimate& layer : e.layers) {
    layers_pj += layer.energy_pj;
    EXPECT_LE(layer.array_cycles, layer.cycles) << layer.name;
    EXPECT_FALSE(layer.name.empty());
  }
  EXPECT_GT(e.energy_pj, layers_pj);
  EXPECT_GT(e.array_mm2, 0);
}

TEST(Estimate, depends_on_what_the_chip_has) {
  const chip::Chip reference = chip::load_chip("reference");
  const deploy::Image image = image_of("lenet5-int8", reference);
  const uint64_t cycles = estimate(image, reference).cycles;
  // None of these is part of what an image depends on.
  chip::Chip far = reference;
  far.noc.latency_cycles *= 3;
  EXPECT_GT(estimate(image, far).cycles, cycles + 1000);
  chip::Chip narrow = reference;
  narrow.noc.width_bytes = 4;
  EXPECT_GT(estimate(image, narrow).cycles, cycles + 5000);
  chip::Chip slow = reference;
  slow.dram.t_cas_ns *= 20;
  slow.dma.outstanding = 1;
  EXPECT_GT(estimate(image, slow).cycles, cycles * 2);
}

TEST(Estimate, coding_weights_makes_networks_faster_where_it_is_chosen) {
  const chip::Chip chip = chip::load_chip("reference");
  for (const char* network : {"lenet5-int8", "lenet5-int4", "lenet5-int2"}) {
    const uint64_t coded = estimate(image_of(network, chip), chip).cycles;
    EXPECT_LT(coded, estimate(image_of(network, chip, deploy::Coding::kNowhere), chip).cycles);
    EXPECT_LE(coded, estimate(image_of(network, chip, deploy::Coding::kEverywhere), chip).cycles);
  }
  // Fewer tables are worth a longer way.
  chip::Chip far = chip;
  far.noc.latency_cycles = 200;
  far.dma.outstanding = 64;
  EXPECT_LT(coded_layers(image_of("lenet5-int8", far)),
            coded_layers(image_of("lenet5-int8", chip)));
}

TEST(Estimate, names_what_bounds_a_layer) {
  const chip::Chip reference = chip::load_chip("reference");
  const deploy::Image image = image_of("lenet5-int8", reference);
  const Estimate e = estimate(image, reference);
  EXPECT_STREQ(e.layers.front().bound, "compute");
  EXPECT_STREQ(e.layers.back().bound, "host") << "it finds the largest logit";
  chip::Chip narrow = reference;
  narrow.noc.width_bytes = 4;
  EXPECT_STREQ(estimate(image, narrow).layers[2].bound, "NoC");
  chip::Chip starved = reference;
  starved.dram.data_rate_mtps = 100;
  EXPECT_STREQ(estimate(image, starved).layers[2].bound, "DRAM");
}

TEST(Estimate, of_several_threads_is_that_of_one) {
  const chip::Chip chip = chip::load_chip("edge");
  const std::vector<deploy::Image> images{image_of("lenet5-int8", chip),
                                          image_of("lenet5-mix", chip)};
  std::vector<uint64_t> alone;
  for (const deploy::Image& image : images) alone.push_back(estimate(image, chip).cycles);
  std::vector<uint64_t> together(images.size());
  std::vector<std::thread> threads;
  for (size_t i = 0; i < images.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int again = 0; again < 20; ++again) together[i] = estimate(images[i], chip).cycles;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(together, alone);
}

TEST(Estimate, refuses_an_image_for_another_chip) {
  const chip::Chip edge = chip::load_chip("edge");
  const deploy::Image image = image_of("lenet5-int8", edge);
  EXPECT_THROW(estimate(image, chip::load_chip("reference")), std::runtime_error);
}

}  // namespace
}  // namespace tessera::estimate
