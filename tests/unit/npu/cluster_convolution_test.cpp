#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "cluster_bench.hpp"
#include "convolution_case.hpp"
#include "npu/model_array.hpp"

namespace tessera::npu::test {
namespace {

class ClusterConvolution : public testing::TestWithParam<common::TimingMode> {
 protected:
  /// Runs all shapes one after another on one cluster.
  void expect_exact(const std::vector<ConvolutionShape>& shapes) {
    ClusterBench bench(small_chip(), GetParam());
    bench.run([&](ClusterBench& b) {
      for (std::size_t i = 0; i < shapes.size(); ++i) {
        ConvolutionCase layer(shapes[i], 100 + static_cast<uint32_t>(i));
        layer.execute(b, static_cast<uint32_t>(i));
        EXPECT_EQ(layer.mismatches(b), 0u) << "of " << layer.output_count() << ", shape " << i;
        const LayerStatistics& counted = b.cluster.statistics().layers.at(i);
        const uint64_t active = counted.events.macs - counted.events.gated_macs;
        const uint64_t saturations = counted.events.saturations;
        if (chip::positions(layer.config()) == 1) {
          EXPECT_EQ(counted.events.macs, layer.macs());
          EXPECT_EQ(active, layer.active_macs());
          EXPECT_EQ(saturations, layer.saturations());
        } else {  // the array also computes outputs that the tile does not have
          EXPECT_GT(counted.events.macs, layer.macs());
          EXPECT_GE(active, layer.active_macs());
          EXPECT_LE(active, 2 * layer.active_macs());
          EXPECT_GE(saturations, layer.saturations());
          EXPECT_LE(saturations, 2 * layer.saturations() + 10);
        }
        finished_ = i + 1;
      }
    });
    EXPECT_EQ(finished_, shapes.size());
  }

  std::size_t finished_ = 0;
};

TEST_P(ClusterConvolution, every_mode_and_sign_equals_plain_loops) {
  std::vector<ConvolutionShape> shapes;
  for (const int a : {2, 4, 8, 16}) {
    for (const int w : {2, 4, 8, 16, 0}) {
      ConvolutionShape shape;
      shape.in_channels = 5;
      shape.out_channels = 6;
      shape.activation_bits = static_cast<uint8_t>(a);
      shape.weight_bits = static_cast<uint8_t>(w == 0 ? 4 : w);
      shape.p4 = w == 0;
      shape.activation_signed = shapes.size() % 2 != 0;
      shape.output_bits = static_cast<uint8_t>(a);
      shape.output_signed = shape.activation_signed;
      shapes.push_back(shape);
      shape.activation_signed = !shape.activation_signed;
      shape.stochastic = true;
      shapes.push_back(shape);
    }
  }
  expect_exact(shapes);
}

TEST_P(ClusterConvolution, odd_channel_counts_pack_into_2_and_4_bits) {
  std::vector<ConvolutionShape> shapes;
  for (const uint32_t channels : {1u, 3u, 7u}) {
    ConvolutionShape shape;
    shape.in_channels = channels;
    shape.out_channels = channels + 2;
    shape.activation_bits = 2;
    shape.weight_bits = 2;
    shape.output_bits = 2;
    shapes.push_back(shape);
    shape.output_bits = 4;
    shape.output_signed = true;
    shapes.push_back(shape);
  }
  expect_exact(shapes);
}

TEST_P(ClusterConvolution, strides_and_merged_kernel_rows_address_the_right_elements) {
  ConvolutionShape shape;
  shape.in_channels = 4;
  shape.height = 9;
  shape.width = 11;
  shape.kernel_h = 5;
  shape.stride = 2;
  shape.pad = 2;
  ConvolutionShape merged = shape;
  merged.merge_rows = true;
  ConvolutionShape point = shape;
  point.kernel_h = point.kernel_w = 1;
  point.pad = 0;
  expect_exact({shape, merged, point});
}

TEST_P(ClusterConvolution, rows_of_the_array_hold_several_outputs_of_a_channel) {
  std::vector<ConvolutionShape> shapes;
  for (const int bits : {2, 4, 8, 16}) {
    for (const uint32_t stride : {1U, 2U}) {
      ConvolutionShape shape;  // 7 x 9 or 4 x 5 outputs: blocks that end inside and beyond the map
      shape.in_channels = 4;
      shape.out_channels = 3;
      shape.height = 7;
      shape.width = 9;
      shape.stride = stride;
      shape.weight_bits = static_cast<uint8_t>(bits);
      shape.spread_y = 2;
      shape.spread_x = 3;
      shape.rows_per_tile = 3;
      shapes.push_back(shape);
      shape.merge_rows = true;
      shape.spread_y = 1;
      shape.rows_per_tile = 0;
      shapes.push_back(shape);
    }
  }
  expect_exact(shapes);
}

TEST_P(ClusterConvolution, pooling_is_exact_with_gaps_and_overlaps) {
  std::vector<ConvolutionShape> shapes;
  for (const auto kind : {abi::PoolKind::kMax, abi::PoolKind::kAverage}) {
    for (const uint16_t stride : {uint16_t{1}, uint16_t{2}, uint16_t{3}}) {
      ConvolutionShape shape;
      shape.height = 9;
      shape.width = 10;
      shape.pool = kind;
      shape.pool_size = 2;
      shape.pool_stride = stride;
      shape.stochastic = stride == 2;
      shapes.push_back(shape);
    }
  }
  shapes.back().pool_size = 9;  // global
  shapes.back().width = 9;
  shapes.back().pool_stride = 9;
  expect_exact(shapes);
}

TEST_P(ClusterConvolution, residuals_of_every_width_are_added_before_pooling) {
  std::vector<ConvolutionShape> shapes;
  for (const int bits : {2, 4, 8, 16}) {
    ConvolutionShape shape;
    shape.residual_bits = static_cast<uint8_t>(bits);
    shape.residual_signed = bits % 8 == 0;
    shape.output_signed = true;
    shape.out_channels = 5;
    shapes.push_back(shape);
    shape.pool = bits == 4 ? abi::PoolKind::kMax : abi::PoolKind::kAverage;
    shape.pool_size = shape.pool_stride = 2;
    shape.residual_signed = !shape.residual_signed;
    shapes.push_back(shape);
  }
  expect_exact(shapes);
}

TEST_P(ClusterConvolution, fully_connected_layers_are_convolutions_of_one_pixel) {
  ConvolutionShape shape;
  shape.in_channels = 400;
  shape.height = shape.width = 1;
  shape.kernel_h = shape.kernel_w = 1;
  shape.pad = 0;
  shape.out_channels = 30;
  shape.output_bits = 16;
  shape.output_signed = true;
  ConvolutionShape map = shape;
  map.in_channels = 16;
  map.height = map.width = map.kernel_h = map.kernel_w = 5;
  expect_exact({shape, map});
}

TEST_P(ClusterConvolution, a_layer_may_be_cut_into_tiles_anywhere) {
  std::vector<ConvolutionShape> shapes;
  for (const uint32_t rows : {1u, 3u}) {
    ConvolutionShape shape;
    shape.height = 12;
    shape.width = 7;
    shape.out_channels = 10;
    shape.rows_per_tile = rows;
    shape.channels_per_tile = 4;
    shape.stochastic = true;
    shapes.push_back(shape);
    shape.pool = abi::PoolKind::kMax;
    shape.pool_size = shape.pool_stride = 2;
    shape.residual_bits = 8;
    shapes.push_back(shape);
  }
  expect_exact(shapes);
}

/// A backend of its own that looks at the operands it is given.
class InspectingArray : public ModelArray {
 public:
  explicit InspectingArray(uint64_t& nonzero_padding) : nonzero_padding_(nonzero_padding) {}

  ArrayResult run(const ArrayRun& run, ArrayClient& client) override {
    count(run, run.weights, run.shape.channels);
    count(run, client.pixels(0, 0, run.shape.pixels).activations, run.shape.pixels);
    return ModelArray::run(run, client);
  }

 private:
  /// Segments of 5 elements in steps of 8 lanes.
  void count(const ArrayRun& run, const OperandMatrix& matrix, uint64_t rows) {
    for (uint64_t row = 0; row < rows; ++row) {
      for (std::size_t i = 0; i < matrix.stride; ++i) {
        const bool padding = i >= run.shape.steps * 8 || i % 8 >= 5;
        nonzero_padding_ += padding && matrix.data[row * matrix.stride + i] != 0;
      }
    }
  }

  uint64_t& nonzero_padding_;
};

TEST_P(ClusterConvolution, another_backend_takes_the_place_of_the_model_and_sees_zero_padding) {
  ConvolutionShape shape;
  shape.in_channels = 5;
  shape.weight_bits = 4;
  shape.p4 = true;  // whose padding bits in memory mean 64
  uint64_t nonzero_padding = 0;
  ClusterBench bench(small_chip(), GetParam(), std::make_unique<InspectingArray>(nonzero_padding));
  ConvolutionCase layer(shape, 7);
  bench.run([&](ClusterBench& b) {
    layer.execute(b, 0);
    EXPECT_EQ(layer.mismatches(b), 0u);
    EXPECT_EQ(b.cluster.statistics().events.macs, layer.macs());
  });
  EXPECT_EQ(nonzero_padding, 0u);
}

/// Values come long after the simulation has gone on.
class SlowArray : public ModelArray {
 public:
  ArrayResult run(const ArrayRun& run, ArrayClient& client) override {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    return ModelArray::run(run, client);
  }
};

TEST_P(ClusterConvolution, a_store_waits_for_values_that_another_thread_still_computes) {
  ConvolutionShape shape;
  shape.in_channels = shape.out_channels = 16;
  shape.height = shape.width = 16;
  shape.rows_per_tile = 8;
  ClusterBench bench(small_chip(), GetParam(), std::make_unique<SlowArray>());
  ConvolutionCase layer(shape, 7);
  bench.run([&](ClusterBench& b) {
    layer.execute(b, 0);
    EXPECT_EQ(layer.mismatches(b), 0u);
    EXPECT_EQ(b.cluster.statistics().events.macs, layer.macs());
  });
}

TEST_P(ClusterConvolution, a_run_has_the_operands_of_its_start_whatever_is_loaded_meanwhile) {
  ConvolutionShape shape;
  shape.in_channels = shape.out_channels = 16;
  shape.height = shape.width = 16;
  ClusterBench bench(small_chip(), GetParam(), std::make_unique<SlowArray>());
  ConvolutionCase layer(shape, 7);
  bench.run([&](ClusterBench& b) {
    layer.execute(b, 0);
    constexpr uint32_t kResult = kDramBase + 0x8'0000;
    const uint32_t bytes = layer.output_count();
    const std::vector<uint8_t> expected(b.cluster.memories().at(abi::kLocalOutputs),
                                        b.cluster.memories().at(abi::kLocalOutputs) + bytes);
    std::memset(b.dram_at(kDramBase), 0x55, 4096);
    b.push(abi::Engine::kCompute, header(abi::Opcode::kRun, 0, kStoreBit), 1, layer.whole_run());
    for (const uint32_t local : {abi::kLocalActivations, abi::kLocalWeights}) {
      b.push(abi::Engine::kLoad, header(abi::Opcode::kLoad), 1,
             plain_transfer(kDramBase, local, 2048));
    }
    b.push(abi::Engine::kStore, header(abi::Opcode::kStore, kComputeBit, 0, true), 1,
           plain_transfer(kResult, abi::kLocalOutputs, bytes));
    b.wait_for_notify(2);
    EXPECT_EQ(std::memcmp(b.dram_at(kResult), expected.data(), bytes), 0);
    EXPECT_EQ(*b.cluster.memories().at(abi::kLocalWeights), 0x55);
  });
}

INSTANTIATE_TEST_SUITE_P(Timing, ClusterConvolution,
                         testing::Values(common::TimingMode::kApproximatelyTimed,
                                         common::TimingMode::kLooselyTimed),
                         [](const auto& info) {
                           return info.param == common::TimingMode::kApproximatelyTimed ? "at"
                                                                                        : "lt";
                         });

}  // namespace
}  // namespace tessera::npu::test
