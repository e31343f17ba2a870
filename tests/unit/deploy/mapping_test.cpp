#include "deploy/mapping.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "chip/array_timing.hpp"
#include "fuzz/network/random_graph.hpp"
#include "unit/deploy/network_builder.hpp"

namespace tessera::deploy {
namespace {

using test::NetworkBuilder;
using testing::HasSubstr;

chip::Chip small_chip(uint32_t activation_bytes, uint32_t weight_bytes, uint32_t output_bytes,
                      uint32_t parameter_bytes) {
  chip::Chip chip = chip::load_chip("edge");
  chip.name = "small";
  chip.npu.rows = chip.npu.columns = 4;
  chip.npu.scratchpads.activation_bytes = activation_bytes;
  chip.npu.scratchpads.weight_bytes = weight_bytes;
  chip.npu.scratchpads.output_bytes = output_bytes;
  chip.npu.scratchpads.parameter_bytes = parameter_bytes;
  return chip;
}

/// One tile, with the bytes that the firmware moves for it.
struct Tile {
  uint32_t rows = 0, channels = 0;
  uint64_t input_bytes = 0, residual_bytes = 0, weight_bytes = 0, output_bytes = 0;
  bool loads_weights = false, loads_rows = false;
};

uint64_t packed_bytes(uint64_t elements, int bits) {
  return (elements * static_cast<uint64_t>(bits) + 7) / 8;
}

/// The tiles of a layer, cut as abi/image.hpp says.
std::vector<Tile> tiles_of(const abi::LayerProgram& p, uint32_t rows_per_tile,
                           uint32_t channels_per_tile, bool channels_outer) {
  const abi::ComputeConfig& c = p.config;
  const uint32_t row_tiles = (p.rows + rows_per_tile - 1) / rows_per_tile;
  const uint32_t channel_tiles = (p.channels + channels_per_tile - 1) / channels_per_tile;
  std::vector<Tile> tiles;
  int64_t row_in_slot = -1, channel_in_slot = -1;
  for (uint32_t i = 0; i < row_tiles * channel_tiles; ++i) {
    const uint32_t row = channels_outer ? i % row_tiles : i / channel_tiles;
    const uint32_t channel = channels_outer ? i / row_tiles : i % channel_tiles;
    Tile t;
    t.rows = std::min(rows_per_tile, p.rows - row * rows_per_tile);
    t.channels = std::min(channels_per_tile, p.channels - channel * channels_per_tile);
    t.loads_weights = channel != channel_in_slot;
    t.loads_rows = row != row_in_slot || (t.loads_weights && c.residual_bits != 0);
    row_in_slot = row;
    channel_in_slot = channel;
    t.input_bytes =
        ((t.rows - 1) * uint64_t{p.input_row_step} + p.input_row_window) * p.local_row_pitch;
    const uint64_t residual_pixels =
        ((t.rows - 1) * uint64_t{c.pool_stride_y} + c.pool_h) * c.convolution_width;
    t.residual_bytes = residual_pixels * packed_bytes(t.channels, c.residual_bits);
    t.weight_bytes = uint64_t{t.channels} * p.weight_channel_bytes;
    t.output_bytes = uint64_t{t.rows} * p.columns * packed_bytes(t.channels, c.output_bits);
    tiles.push_back(t);
  }
  return tiles;
}

bool fits(const Tile& t, const chip::Scratchpads& s) {
  const uint64_t residual_at =
      t.residual_bytes == 0 ? t.input_bytes : (t.input_bytes + 63) / 64 * 64;
  return residual_at + t.residual_bytes <= s.activation_bytes / 2 &&
         t.weight_bytes <= s.weight_bytes / 2 && t.output_bytes <= s.output_bytes / 2 &&
         uint64_t{t.channels} * 8 <= s.parameter_bytes / 2;
}

/// Calls check(layer, network, seed) for the layers of random networks.
template <class Check>
void for_random_layers(uint64_t first_seed, const Check& check) {
  for (uint64_t seed = first_seed; seed < first_seed + 40; ++seed) {
    auto net = graph::lower(fuzz::random_graph(seed));
    for (const FusedLayer& layer : fuse(net)) {
      SCOPED_TRACE("seed " + std::to_string(seed) + ", layer " + layer.name);
      check(layer, net);
      if (testing::Test::HasFailure()) return;
    }
  }
}

/// The mapping, or nothing if the layer does not fit the chip.
std::optional<Mapping> try_map(const FusedLayer& layer, const graph::IntegerNetwork& net,
                               const chip::Chip& chip) {
  try {
    return map_layer(layer, net, chip);
  } catch (const std::runtime_error&) {
    return std::nullopt;
  }
}

TEST(Mapping, every_tile_fits_half_of_each_scratchpad) {
  int mapped = 0, tiled = 0;
  for (const uint32_t kib : {2U, 4U, 8U}) {
    const auto chip = small_chip(kib * 1024, kib * 1024, kib * 512, kib * 128);
    for_random_layers(kib * 100, [&](const FusedLayer& layer, const graph::IntegerNetwork& net) {
      const auto mapping = try_map(layer, net, chip);
      if (!mapping) return;
      const abi::LayerProgram& p = mapping->program;
      const auto tiles = tiles_of(p, p.rows_per_tile, p.channels_per_tile, p.channels_outer != 0);
      ++mapped;
      tiled += tiles.size() > 1 ? 1 : 0;
      for (const Tile& tile : tiles) {
        EXPECT_TRUE(fits(tile, chip.npu.scratchpads));
        if (layer.add) {
          EXPECT_LE(tile.input_bytes, p.residual_slot_offset);
        }
        EXPECT_LE(p.residual_slot_offset + tile.residual_bytes,
                  std::max<uint64_t>(chip.npu.scratchpads.activation_bytes / 2,
                                     layer.add ? 0 : p.residual_slot_offset));
      }
      EXPECT_TRUE(p.channels_per_tile == p.channels || p.channels_per_tile % chip.npu.rows == 0);
      EXPECT_TRUE(p.channels_per_tile == p.channels ||
                  p.channels_per_tile * p.config.output_bits % 8 == 0);
    });
  }
  EXPECT_GT(mapped, 200);
  EXPECT_GT(tiled, 100);
}

TEST(Mapping, a_layer_that_does_not_fit_is_really_too_large) {
  int refused = 0;
  const auto chip = small_chip(512, 512, 128, 64);
  for_random_layers(0, [&](const FusedLayer& layer, const graph::IntegerNetwork& net) {
    if (try_map(layer, net, chip)) return;
    ++refused;
    const Mapping roomy = map_layer(layer, net, small_chip(1 << 22, 1 << 22, 1 << 22, 1 << 22));
    const auto tiles = tiles_of(roomy.program, 1, std::min(4U, roomy.program.channels), false);
    EXPECT_FALSE(fits(tiles[0], chip.npu.scratchpads));
  });
  EXPECT_GT(refused, 20);
}

/// A candidate by summing over its tiles, with full tiles standing for partial ones in the loads.
struct Cost {
  uint64_t compute = 0, traffic = 0, cycles = 0;
};

Cost cost_of(const Mapping& m, const chip::Chip& chip, const std::vector<Tile>& tiles) {
  const abi::LayerProgram& p = m.program;
  Cost cost;
  for (const Tile& t : tiles) {
    abi::ComputeRun run = {};
    run.channel_count = t.channels;
    run.y_count = t.rows;
    run.x_count = p.columns;
    cost.compute +=
        chip::run_cycles(chip::run_shape(p.config, run, chip.npu.rows, chip.npu.columns)).total;
    if (t.loads_weights) cost.traffic += t.weight_bytes + uint64_t{t.channels} * 8;
    if (t.loads_rows) cost.traffic += tiles[0].input_bytes;
  }
  cost.traffic += uint64_t{p.rows} * p.columns * packed_bytes(p.channels, p.config.output_bits);
  const double noc = chip.noc.width_bytes;
  const double dram = chip.dram.bus_bytes * chip.dram.data_rate_mtps / chip.clock_mhz *
                      static_cast<double>(chip.dram.channels);
  const double rate = std::min(noc, dram);
  const auto transfer = static_cast<uint64_t>(static_cast<double>(cost.traffic) / rate);
  const auto edges = static_cast<uint64_t>(
      static_cast<double>(tiles[0].input_bytes + tiles[0].weight_bytes + tiles[0].output_bytes) /
      rate);
  cost.cycles = std::max({cost.compute, transfer, tiles.size() * kHostCyclesPerStep}) + edges;
  return cost;
}

TEST(Mapping, the_search_finds_the_best_of_all_tiles_and_loop_orders) {
  int searched = 0;
  const auto chip = small_chip(4096, 4096, 2048, 512);
  for_random_layers(500, [&](const FusedLayer& layer, const graph::IntegerNetwork& net) {
    const auto m = try_map(layer, net, chip);
    if (!m || layer.add) return;
    const abi::LayerProgram& p = m->program;
    uint64_t best = ~uint64_t{0};
    int candidates = 0;
    const uint32_t unit = std::min(4U, p.channels);
    for (uint32_t channels = unit; channels < p.channels + unit; channels += unit) {
      for (uint32_t rows = 1; rows <= p.rows; ++rows) {
        for (const bool outer : {false, true}) {
          const auto tiles = tiles_of(p, rows, std::min(channels, p.channels), outer);
          if (!fits(tiles[0], chip.npu.scratchpads)) continue;
          best = std::min(best, cost_of(*m, chip, tiles).cycles);
          ++candidates;
        }
      }
    }
    const Cost chosen =
        cost_of(*m, chip, tiles_of(p, p.rows_per_tile, p.channels_per_tile, p.channels_outer != 0));
    EXPECT_EQ(chosen.cycles, best);
    EXPECT_EQ(m->compute_cycles, chosen.compute);
    EXPECT_EQ(m->traffic_bytes, chosen.traffic);
    EXPECT_EQ(m->estimated_cycles, best);
    searched += candidates > 4 ? 1 : 0;
  });
  EXPECT_GT(searched, 30);
}

std::string shortage_of(const graph::IntegerNetwork& original, const chip::Chip& chip) {
  auto net = original;
  const auto layers = fuse(net);
  try {
    map_layer(layers.back(), net, chip);
  } catch (const std::runtime_error& error) {
    return error.what();
  }
  return "it fits";
}

TEST(Mapping, what_does_not_fit_names_layer_scratchpad_and_missing_bytes) {
  NetworkBuilder b(16, 8, 6);
  b.conv(0, 12, 3);
  // The smallest tile needs 3 padded input rows of 8 pixels of 16 bytes, 4 channels of 9 * 16
  // weights, a row of 6 pixels of 4 bytes, and 4 parameters of 8 bytes.
  const auto enough = small_chip(2 * 384, 2 * 576, 2 * 24, 2 * 32);
  EXPECT_EQ(shortage_of(b.net, enough), "it fits");
  const struct {
    chip::Chip chip;
    const char* resource;
    const char* need;
  } cases[] = {
      {small_chip(2 * 383, 2 * 576, 2 * 24, 2 * 32), "activation scratchpad", "needs 384 bytes"},
      {small_chip(2 * 384, 2 * 575, 2 * 24, 2 * 32), "weight scratchpad", "needs 576 bytes"},
      {small_chip(2 * 384, 2 * 576, 2 * 23, 2 * 32), "output scratchpad", "needs 24 bytes"},
      {small_chip(2 * 384, 2 * 576, 2 * 24, 2 * 31), "parameter scratchpad", "needs 32 bytes"},
  };
  for (const auto& c : cases) {
    const std::string message = shortage_of(b.net, c.chip);
    EXPECT_THAT(message, HasSubstr("layer conv0 does not fit chip small"));
    EXPECT_THAT(message, HasSubstr(c.resource));
    EXPECT_THAT(message, HasSubstr(c.need));
    EXPECT_THAT(message, HasSubstr("1 bytes short"));
  }
}

}  // namespace
}  // namespace tessera::deploy
