#include "deploy/mapping.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

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

/// One tile, with the bytes that it takes in the scratchpads.
struct Tile {
  uint32_t rows = 0, columns = 0, channels = 0;
  uint64_t input_bytes = 0, residual_bytes = 0, weight_bytes = 0, output_bytes = 0;
  uint64_t pixel_bytes = 0;    ///< of the input, that are loaded
  uint64_t input_traffic = 0;  ///< without what lies between pixels
  bool loads_weights = false, loads_map = false;
};

uint64_t packed_bytes(uint64_t elements, int bits) {
  return (elements * static_cast<uint64_t>(bits) + 7) / 8;
}

/// How a layer is cut.
struct Cut {
  uint32_t rows, columns, channels;
  bool channels_outer;
};

Cut cut_of(const abi::LayerProgram& p) {
  return {p.rows_per_tile, p.columns_per_tile, p.channels_per_tile, p.channels_outer != 0};
}

Tile tile_of(const abi::LayerProgram& p, const Cut& cut, uint32_t y, uint32_t x, uint32_t k) {
  const abi::ComputeConfig& c = p.config;
  Tile t;
  t.rows = std::min(cut.rows, p.rows - y * cut.rows);
  t.columns = std::min(cut.columns, p.columns - x * cut.columns);
  t.channels = std::min(cut.channels, p.channels - k * cut.channels);
  const uint64_t input_pixels =
      std::min<uint64_t>((t.rows - 1) * p.input_row_step + p.input_row_window, p.input_rows) *
      std::min<uint64_t>((t.columns - 1) * p.input_column_step + p.input_column_window,
                         p.input_columns);
  t.pixel_bytes =
      p.map_by_channels != 0 ? t.channels / c.slice_channels * c.slice_stride : p.input_pixel_bytes;
  // Pixels by channels are an odd number of 16-byte lines apart.
  const uint64_t pitch =
      p.map_by_channels != 0 ? (t.pixel_bytes + 15) / 32 * 32 + 16 : c.input_pixel_pitch;
  t.input_bytes = input_pixels * pitch;
  t.input_traffic = input_pixels * t.pixel_bytes;
  const uint64_t residual_pixels = ((t.rows - 1) * uint64_t{c.pool_stride_y} + c.pool_h) *
                                   ((t.columns - 1) * uint64_t{c.pool_stride_x} + c.pool_w);
  t.residual_bytes = residual_pixels * packed_bytes(t.channels, c.residual_bits);
  t.weight_bytes = uint64_t{t.channels} * p.weight_channel_bytes;
  t.output_bytes = uint64_t{t.rows} * t.columns * packed_bytes(t.channels, c.output_bits);
  return t;
}

/// The tiles of a layer in their order, cut as abi/image.hpp says.
std::vector<Tile> tiles_of(const abi::LayerProgram& p, const Cut& cut) {
  const uint32_t row_tiles = (p.rows + cut.rows - 1) / cut.rows;
  const uint32_t column_tiles = (p.columns + cut.columns - 1) / cut.columns;
  const uint32_t channel_tiles = (p.channels + cut.channels - 1) / cut.channels;
  const uint32_t maps = row_tiles * column_tiles;
  std::vector<Tile> tiles;
  int64_t map_in_slot = -1, channel_in_slot = -1;
  for (uint32_t i = 0; i < maps * channel_tiles; ++i) {
    const uint32_t map = cut.channels_outer ? i % maps : i / channel_tiles;
    const uint32_t channel = cut.channels_outer ? i / maps : i % channel_tiles;
    Tile t = tile_of(p, cut, map / column_tiles, map % column_tiles, channel);
    t.loads_weights = channel != channel_in_slot;
    t.loads_map = map != map_in_slot ||
                  (t.loads_weights && (p.config.residual_bits != 0 || p.map_by_channels != 0));
    map_in_slot = map;
    channel_in_slot = channel;
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
    graph::IntegerNetwork net;
    try {
      net = graph::lower(fuzz::random_graph(seed));
    } catch (const std::runtime_error&) {
      continue;  // scales that do not go together
    }
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
  int mapped = 0, tiled = 0, sliced = 0, split_rows = 0;
  for (const uint32_t kib : {2U, 4U, 8U}) {
    const auto chip = small_chip(kib * 1024, kib * 1024, kib * 512, kib * 128);
    for_random_layers(kib * 100, [&](const FusedLayer& layer, const graph::IntegerNetwork& net) {
      const auto mapping = try_map(layer, net, chip);
      if (!mapping) return;
      const abi::LayerProgram& p = mapping->program;
      const auto tiles = tiles_of(p, cut_of(p));
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
      EXPECT_TRUE(p.channels_per_tile == p.channels ||
                  p.channels_per_tile * p.config.output_bits % 8 == 0);
      if (p.config.slice_channels != 0) {
        EXPECT_EQ(p.channels_per_tile % p.config.slice_channels, 0U);
        EXPECT_EQ(p.channels % p.config.slice_channels, 0U);
        ++sliced;
      }
      split_rows += p.columns_per_tile < p.columns ? 1 : 0;
    });
  }
  EXPECT_GT(mapped, 200);
  EXPECT_GT(tiled, 100);
  EXPECT_GT(sliced, 10);
  EXPECT_GT(split_rows, 3);
}

/// Of a tile: half of half of the array's rows and so on, as long as tiles start at whole bytes.
uint32_t least_channels(const abi::LayerProgram& p) {
  const abi::ComputeConfig& c = p.config;
  if (c.slice_channels != 0) return c.slice_channels;
  uint32_t channels = std::min(4U, p.channels);
  while (channels % 2 == 0 && channels / 2 * c.output_bits % 8 == 0 &&
         channels / 2 * c.residual_bits % 8 == 0) {
    channels /= 2;
  }
  return channels;
}

TEST(Mapping, a_layer_that_does_not_fit_is_really_too_large) {
  int refused = 0;
  const auto chip = small_chip(512, 512, 128, 64);
  for_random_layers(0, [&](const FusedLayer& layer, const graph::IntegerNetwork& net) {
    if (try_map(layer, net, chip)) return;
    ++refused;
    const Mapping roomy = map_layer(layer, net, small_chip(1 << 22, 1 << 22, 1 << 22, 1 << 22));
    const Tile least =
        tile_of(roomy.program, {1, 1, least_channels(roomy.program), false}, 0, 0, 0);
    EXPECT_FALSE(fits(least, chip.npu.scratchpads));
  });
  EXPECT_GT(refused, 20);
}

/// What a candidate takes, event by event.
struct Cost {
  uint64_t compute = 0, traffic = 0, cycles = 0;

  uint64_t sum() const { return 32 * cycles + compute; }
};

/// Cycles of an engine for so many pieces of contiguous bytes.
uint64_t transfer_cycles(const chip::Chip& chip, uint64_t pieces, uint64_t bytes) {
  const uint64_t burst = chip.dma.burst_bytes;
  const uint64_t width = chip.noc.width_bytes;
  const uint64_t beats = (std::min(bytes, burst) + width - 1) / width;
  const double way = 2.0 * chip.noc.latency_cycles +
                     std::floor(chip.dram.t_cas_ns * chip.clock_mhz / 1000.0) +
                     static_cast<double>(beats);
  const auto gap = static_cast<uint64_t>(std::ceil(way / chip.dma.outstanding));
  const uint64_t bursts = pieces * ((bytes + burst - 1) / burst);
  return static_cast<uint64_t>(way) + (bursts - 1) * std::max(beats, gap);
}

uint64_t run_cycles_of(const abi::LayerProgram& p, const chip::Chip& chip, const Tile& t) {
  // The first group of pixels stands for all in what it asks of the banks, if there are slices.
  abi::ComputeConfig c = p.config;
  if (p.map_by_channels != 0) {
    const auto columns = static_cast<uint32_t>(std::min<uint64_t>(
        (t.columns - 1) * p.input_column_step + p.input_column_window, p.input_columns));
    c.input_pixel_pitch = static_cast<uint32_t>((t.pixel_bytes + 15) / 32 * 32 + 16);
    c.input_row_pitch = columns * c.input_pixel_pitch;
  }
  abi::ComputeRun run = {};
  run.channel_count = c.slice_channels;
  run.y_count = static_cast<uint16_t>(t.rows);
  run.x_count = static_cast<uint16_t>(t.columns);
  run.input_rows = run.input_columns = abi::kMaxMapSize;
  uint64_t bank_cycles = 0;
  if (c.slice_channels != 0) {
    const auto shape = chip::run_shape(c, run, chip.npu.rows, chip.npu.columns);
    bank_cycles = chip::bank_demand(c, run, shape, chip.npu.scratchpads.banks).cycles.front();
  }
  run.channel_count = t.channels;
  const bool fills = c.slice_channels * c.spread_y * c.spread_x == chip.npu.rows;
  const uint32_t runs = c.slice_channels == 0 || fills ? 1 : t.channels / c.slice_channels;
  run.channel_count /= runs;
  chip::RunShape shape = chip::run_shape(c, run, chip.npu.rows, chip.npu.columns);
  shape.steps = std::max(shape.steps, bank_cycles);
  return runs * chip::run_cycles(shape).total;
}

Cost cost_of(const Mapping& m, const chip::Chip& chip, const std::vector<Tile>& tiles) {
  const abi::LayerProgram& p = m.program;
  Cost cost;
  std::vector<uint64_t> loaded{0, 0}, computed{0, 0}, stored{0, 0};
  uint64_t commands = 0;
  for (const Tile& t : tiles) {
    uint64_t load = 0;
    commands += 2U + (t.loads_weights ? 2U : 0U) + (t.loads_map ? 1U : 0U);
    if (t.loads_weights) {
      cost.traffic += t.weight_bytes + uint64_t{t.channels} * 8;
      load += transfer_cycles(chip, 1, t.weight_bytes) +
              transfer_cycles(chip, 1, uint64_t{t.channels} * 8);
    }
    if (t.loads_map) {
      cost.traffic += t.input_traffic;
      const uint64_t pixels = t.input_traffic / t.pixel_bytes;
      const uint64_t columns = std::min<uint64_t>(
          (t.columns - 1) * p.input_column_step + p.input_column_window, p.input_columns);
      load += p.map_by_channels == 0 && p.config.input_pixel_pitch == p.input_pixel_bytes
                  ? transfer_cycles(chip, pixels / columns, columns * p.input_pixel_bytes)
                  : transfer_cycles(chip, pixels, t.pixel_bytes);
    }
    const uint64_t output_pixel = packed_bytes(t.channels, p.config.output_bits);
    const uint64_t compute = run_cycles_of(p, chip, t);
    cost.compute += compute;
    cost.traffic += t.output_bytes;
    // Two slots: a step waits for the engine, its operands, and the step before the last.
    const size_t n = loaded.size();
    loaded.push_back(std::max(loaded[n - 1], computed[n - 2]) + load);
    computed.push_back(std::max({computed[n - 1], loaded[n], stored[n - 2]}) + compute);
    stored.push_back(std::max(stored[n - 1], computed[n]) +
                     transfer_cycles(chip, t.output_bytes / output_pixel, output_pixel));
  }
  const double dram_rate = chip.dram.bus_bytes * chip.dram.data_rate_mtps / chip.clock_mhz *
                           static_cast<double>(chip.dram.channels);
  cost.cycles = std::max({stored.back(), (commands + 2) * kLeastCyclesPerCommand,
                          static_cast<uint64_t>(static_cast<double>(cost.traffic) / dram_rate)});
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
    const uint32_t slice = p.config.slice_channels;
    const bool spreads = p.config.spread_y * p.config.spread_x > 1;
    const uint32_t unit = slice != 0 ? slice
                          : spreads  ? p.channels
                                     : std::min(4U, p.channels_per_tile);
    for (uint32_t channels = unit; channels < p.channels + unit; channels += unit) {
      for (uint32_t rows = 1; rows <= p.rows; ++rows) {
        for (const bool outer : {false, true}) {
          const auto tiles =
              tiles_of(p, {rows, p.columns_per_tile, std::min(channels, p.channels), outer});
          if (!fits(tiles[0], chip.npu.scratchpads)) continue;
          best = std::min(best, cost_of(*m, chip, tiles).sum());
          ++candidates;
        }
      }
    }
    const Cost chosen = cost_of(*m, chip, tiles_of(p, cut_of(p)));
    EXPECT_EQ(chosen.sum(), best);
    EXPECT_EQ(m->best.compute_cycles, chosen.compute);
    EXPECT_EQ(m->best.traffic_bytes, chosen.traffic);
    EXPECT_EQ(m->best.cycles, chosen.cycles);
    if (m->second) {
      EXPECT_GT(m->second->cost(), best);
    }
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
  // The smallest tile needs 3x3 input pixels of 16 bytes, 1 channel of 9 * 16 weights, a pixel of 1
  // byte, and 1 parameter of 8 bytes.
  const auto enough = small_chip(2 * 144, 2 * 144, 2 * 1, 2 * 8);
  EXPECT_EQ(shortage_of(b.net, enough), "it fits");
  const struct {
    chip::Chip chip;
    const char* resource;
    const char* need;
  } cases[] = {
      {small_chip(2 * 143, 2 * 144, 2 * 1, 2 * 8), "activation scratchpad", "needs 144 bytes"},
      {small_chip(2 * 144, 2 * 143, 2 * 1, 2 * 8), "weight scratchpad", "needs 144 bytes"},
      {small_chip(2 * 144, 2 * 144, 2 * 0, 2 * 8), "output scratchpad", "needs 1 bytes"},
      {small_chip(2 * 144, 2 * 144, 2 * 1, 2 * 7), "parameter scratchpad", "needs 8 bytes"},
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
