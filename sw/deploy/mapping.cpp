#include "deploy/mapping.hpp"

#include <algorithm>
#include <array>
#include <map>
#include <stdexcept>
#include <tuple>

#include "abi/number_formats.hpp"
#include "chip/array_timing.hpp"
#include "deploy/tile_costs.hpp"

namespace tessera::deploy {
namespace {

/// How the rows of the array are filled.
struct Rows {
  uint32_t slice_outputs = 0;  ///< channels of a slice of a grouped convolution; 0: one slice
  uint32_t slice_inputs = 0;
  uint32_t spread_y = 1;  ///< outputs of a channel
  uint32_t spread_x = 1;
  bool by_channels = false;  ///< a tile's map has the channels of its slices alone
  uint32_t least_bytes = 0;  ///< of a pixel then

  uint32_t positions() const { return spread_y * spread_x; }
};

constexpr uint32_t span(uint32_t count, uint32_t step, uint32_t window) {
  return (count - 1) * step + window;
}

bool better(const Candidate& a, const Candidate& b) { return a.cost() < b.cost(); }

class Mapper {
 public:
  Mapper(const FusedLayer& layer, const graph::IntegerNetwork& net, const chip::Chip& chip,
         const Residency& residency, const Rows& rows)
      : layer_(layer),
        conv_(layer.convolution),
        window_(conv_.window),
        chip_(chip),
        residency_(residency),
        rows_(rows),
        in_(net.tensors[static_cast<size_t>(layer.input)]),
        out_(net.tensors[static_cast<size_t>(layer.output)]),
        resident_in_(residency.of(layer.input)),
        resident_out_(residency.of(layer.output)) {
    if (layer.residual >= 0) {
      residual_ = net.tensors[static_cast<size_t>(layer.residual)];
      resident_residual_ = residency.of(layer.residual);
    }
    if (layer.pool) pool_ = layer.pool->window;
    join_rows();
  }

  Mapping run() {
    set_shape();
    set_segments();
    set_output_path();
    search();
    return mapping_;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw std::runtime_error("layer " + layer_.name + " does not fit chip " + chip_.name + ": " +
                             what);
  }

  /// Rows of a kernel as wide as the map follow each other in memory: the map is then one row, and
  /// so is the kernel.
  void join_rows() {
    graph::Window& w = window_;
    const bool dense = !resident_in_ || resident_in_->pixel_pitch == dense_pitch();
    if (conv_.groups != 1 || layer_.pool || w.kernel_w != in_.width ||
        w.pad_left + w.pad_right != 0 || w.dilation_h != 1 || w.dilation_w != 1 ||
        w.kernel_h == 1 || rows_.positions() > 1 || !dense ||
        in_.height * in_.width > abi::kMaxMapSize) {
      return;
    }
    const int64_t width = in_.width;
    w.kernel_w *= w.kernel_h;
    w.stride_w = w.stride_h * width;
    w.pad_left = w.pad_top * width;
    w.pad_right = w.pad_bottom * width;
    w.kernel_h = w.stride_h = 1;
    w.pad_top = w.pad_bottom = 0;
    in_.width *= in_.height;
    in_.height = 1;
    out_.width = out_.height;
    out_.height = 1;
  }

  uint32_t dense_pitch() const { return pixel_bytes(in_.channels, in_.bits); }

  void set_shape() {
    const graph::Window& w = window_;
    abi::LayerProgram& p = mapping_.program;
    p.rows = static_cast<uint32_t>(out_.height);
    p.columns = static_cast<uint32_t>(out_.width);
    p.channels = static_cast<uint32_t>(conv_.bias.size());

    const int64_t span_h = (w.kernel_h - 1) * w.dilation_h + 1;
    const int64_t span_w = (w.kernel_w - 1) * w.dilation_w + 1;
    const int64_t conv_height = (in_.height + w.pad_top + w.pad_bottom - span_h) / w.stride_h + 1;
    conv_width_ = (in_.width + w.pad_left + w.pad_right - span_w) / w.stride_w + 1;
    const int64_t taps = w.kernel_h * w.kernel_w * in_.channels / conv_.groups;
    mapping_.macs = static_cast<uint64_t>(conv_height * conv_width_ * taps) * p.channels;
    const int64_t sizes[] = {in_.height + w.pad_top + w.pad_bottom,
                             in_.width + w.pad_left + w.pad_right, conv_height, conv_width_};
    if (*std::max_element(std::begin(sizes), std::end(sizes)) > abi::kMaxMapSize) {
      fail("a map of more than " + std::to_string(abi::kMaxMapSize) + " rows or columns");
    }

    p.input_rows = static_cast<uint32_t>(in_.height);
    p.input_columns = static_cast<uint32_t>(in_.width);
    p.input_pixel_bytes = dense_pitch();
    p.input_row_step = static_cast<uint32_t>(w.stride_h * pool_.stride_h);
    p.input_row_window = static_cast<uint32_t>((pool_.kernel_h - 1) * w.stride_h + span_h);
    p.input_column_step = static_cast<uint32_t>(w.stride_w * pool_.stride_w);
    p.input_column_window = static_cast<uint32_t>((pool_.kernel_w - 1) * w.stride_w + span_w);
    p.pad_top = static_cast<uint32_t>(w.pad_top);
    p.pad_left = static_cast<uint32_t>(w.pad_left);
    p.activation_slot_offset = residency_.slot_offset;
    p.activation_slot_bytes = residency_.slot_bytes;
    p.config.input_pixel_pitch = resident_in_ ? resident_in_->pixel_pitch : p.input_pixel_bytes;
  }

  void set_segments() {
    const graph::Window& w = window_;
    abi::LayerProgram& p = mapping_.program;
    abi::ComputeConfig& c = p.config;
    Segments& s = mapping_.segments;
    s = {};
    s.count_y =
        span(rows_.spread_y, static_cast<uint32_t>(w.stride_h), static_cast<uint32_t>(w.kernel_h));
    s.count_x =
        span(rows_.spread_x, static_cast<uint32_t>(w.stride_w), static_cast<uint32_t>(w.kernel_w));
    s.kernel_w = static_cast<uint32_t>(w.kernel_w);
    s.spread_y = rows_.spread_y;
    s.spread_x = rows_.spread_x;
    s.stride_y = static_cast<uint32_t>(w.stride_h);
    s.stride_x = static_cast<uint32_t>(w.stride_w);
    s.slice_outputs = rows_.slice_outputs;
    s.pixel_elements =
        rows_.slice_outputs != 0 ? rows_.slice_inputs : pixel_elements(in_.channels, in_.bits);
    s.elements = s.pixel_elements;
    // Neighbouring taps of a row are contiguous.
    if (w.dilation_w == 1 && rows_.slice_outputs == 0 &&
        c.input_pixel_pitch == p.input_pixel_bytes) {
      s.elements *= s.count_x;
      s.count_x = 1;
    }
    mapping_.lanes = abi::lanes(in_.bits, conv_.weight_bits);

    c.activation_bits = static_cast<uint8_t>(in_.bits);
    c.weight_bits = static_cast<uint8_t>(conv_.weight_bits);
    c.activation_signed = in_.is_signed ? 1 : 0;
    c.p4 = conv_.p4 ? 1 : 0;
    c.segment_elements = s.elements;
    c.segments_y = s.count_y;
    c.segments_x = s.count_x;
    c.tap_step_y = static_cast<uint32_t>(w.dilation_h);
    c.tap_step_x = static_cast<uint32_t>(w.dilation_w);
    c.pixel_step_y = static_cast<uint32_t>(w.stride_h) * rows_.spread_y;
    c.pixel_step_x = static_cast<uint32_t>(w.stride_w) * rows_.spread_x;
    c.slice_channels = rows_.slice_outputs;
    c.slice_stride = rows_.slice_inputs * static_cast<uint32_t>(in_.bits) / 8;
    c.spread_y = static_cast<uint8_t>(rows_.spread_y);
    c.spread_x = static_cast<uint8_t>(rows_.spread_x);
    mapping_.steps = chip::reduction_steps(c);
    if (rows_.slice_outputs != 0) {
      c.group_outputs =
          static_cast<uint16_t>(conv_.bias.size() / static_cast<size_t>(conv_.groups));
      c.group_inputs = static_cast<uint16_t>(in_.channels / conv_.groups);
    }
    const chip::WeightStreams weights = chip::weight_streams(c);
    p.weight_channel_bytes = static_cast<uint32_t>(weights.per_channel * weights.pitch);
  }

  void set_output_path() {
    abi::ComputeConfig& c = mapping_.program.config;
    c.output_bits = static_cast<uint8_t>(out_.bits);
    c.output_signed = out_.is_signed ? 1 : 0;
    c.stochastic = conv_.rounding == graph::Rounding::kStochastic ? 1 : 0;
    c.seed = conv_.seed;
    c.convolution_width = static_cast<uint32_t>(conv_width_);
    c.low = conv_.low;
    c.high = conv_.high;
    c.pool_h = static_cast<uint16_t>(pool_.kernel_h);
    c.pool_w = static_cast<uint16_t>(pool_.kernel_w);
    c.pool_stride_y = static_cast<uint16_t>(pool_.stride_h);
    c.pool_stride_x = static_cast<uint16_t>(pool_.stride_w);
    if (layer_.add) {
      const auto own = static_cast<size_t>(layer_.own_operand);
      c.residual_bits = static_cast<uint8_t>(residual_->bits);
      c.residual_signed = residual_->is_signed ? 1 : 0;
      c.own_multiplier = layer_.add->add_multiplier[own];
      c.residual_multiplier = layer_.add->add_multiplier[1 - own];
      c.add_shift = layer_.add->add_shift;
      c.residual_low = layer_.add->low;
      c.residual_high = layer_.add->high;
    }
    if (layer_.pool) {
      const bool average = layer_.pool->op == graph::IntegerOp::kAveragePool;
      c.pool_kind = static_cast<uint8_t>(average ? abi::PoolKind::kAverage : abi::PoolKind::kMax);
      c.pool_multiplier = layer_.pool->pool.multiplier;
      c.pool_shift = layer_.pool->pool.shift;
      c.pool_low = layer_.pool->low;
      c.pool_high = layer_.pool->high;
    }
  }

  /// Rows and columns of the input that the scratchpad holds for a tile, at most.
  uint64_t input_rows(uint32_t rows) const {
    const abi::LayerProgram& p = mapping_.program;
    return std::min<uint64_t>(span(rows, p.input_row_step, p.input_row_window), p.input_rows);
  }
  uint64_t input_columns(uint32_t columns) const {
    const abi::LayerProgram& p = mapping_.program;
    return std::min<uint64_t>(span(columns, p.input_column_step, p.input_column_window),
                              p.input_columns);
  }
  /// Of a pixel that is loaded.
  uint32_t loaded_bytes(uint32_t channels) const {
    const abi::LayerProgram& p = mapping_.program;
    return rows_.by_channels ? channels / rows_.slice_outputs * p.config.slice_stride
                             : p.input_pixel_bytes;
  }
  uint32_t pixel_pitch(uint32_t channels) const {
    return rows_.by_channels ? gapped_pitch(loaded_bytes(channels))
                             : mapping_.program.config.input_pixel_pitch;
  }
  uint64_t input_tile_bytes(uint32_t rows, uint32_t columns, uint32_t channels) const {
    if (resident_in_) return 0;
    return input_rows(rows) * row_pitch(columns, channels);
  }
  uint64_t row_pitch(uint32_t columns, uint32_t channels) const {
    return input_columns(columns) * pixel_pitch(channels) + row_gap_;
  }
  uint64_t residual_tile_pixels(uint32_t rows, uint32_t columns) const {
    return uint64_t{span(rows, static_cast<uint32_t>(pool_.stride_h),
                         static_cast<uint32_t>(pool_.kernel_h))} *
           span(columns, static_cast<uint32_t>(pool_.stride_w),
                static_cast<uint32_t>(pool_.kernel_w));
  }
  uint64_t residual_tile_bytes(uint32_t rows, uint32_t columns, uint32_t channels) const {
    if (!residual_ || resident_residual_) return 0;
    return residual_tile_pixels(rows, columns) * pixel_bytes(channels, residual_->bits);
  }
  uint64_t activation_bytes(uint32_t rows, uint32_t columns, uint32_t channels) const {
    const uint64_t input = input_tile_bytes(rows, columns, channels);
    const uint64_t residual = residual_tile_bytes(rows, columns, channels);
    return residual != 0 ? (input + 63) / 64 * 64 + residual : input;
  }
  uint64_t output_bytes(uint32_t rows, uint32_t columns, uint32_t channels) const {
    if (resident_out_) return 0;
    return uint64_t{rows} * columns * pixel_bytes(channels, out_.bits);
  }
  uint64_t weight_bytes(uint32_t channels) const {
    return uint64_t{channels} * mapping_.program.weight_channel_bytes;
  }

  bool maps_fit(uint32_t rows, uint32_t columns, uint32_t channels) const {
    const chip::Scratchpads& s = chip_.npu.scratchpads;
    return activation_bytes(rows, columns, channels) <= residency_.slot_bytes &&
           output_bytes(rows, columns, channels) <= s.output_bytes / 2;
  }
  bool weights_fit(uint32_t channels) const {
    const chip::Scratchpads& s = chip_.npu.scratchpads;
    return weight_bytes(channels) <= s.weight_bytes / 2 &&
           channels * sizeof(abi::ChannelParameters) <= s.parameter_bytes / 2;
  }

  void explain_shortage(uint32_t channels) const {
    const chip::Scratchpads& s = chip_.npu.scratchpads;
    const auto check = [&](const char* what, uint64_t need, uint64_t have) {
      if (need > have) {
        fail("its smallest tile needs " + std::to_string(need) + " bytes of the " + what +
             " scratchpad, half of which is " + std::to_string(have) + ": " +
             std::to_string(need - have) + " bytes short");
      }
    };
    check("activation", activation_bytes(1, 1, channels), residency_.slot_bytes);
    check("output", output_bytes(1, 1, channels), s.output_bytes / 2);
    check("weight", weight_bytes(channels), s.weight_bytes / 2);
    check("parameter", channels * sizeof(abi::ChannelParameters), s.parameter_bytes / 2);
  }

  /// Whether channel tiles of so many start at whole bytes of every map.
  bool whole_bytes(uint32_t channels) const {
    return channels * static_cast<uint32_t>(out_.bits) % 8 == 0 &&
           (!residual_ || channels * static_cast<uint32_t>(residual_->bits) % 8 == 0);
  }

  /// The fewest channels of a tile: those that fill the rows, or fewer where memory is short.
  uint32_t channel_unit() const {
    const uint32_t channels = mapping_.program.channels;
    if (rows_.slice_outputs != 0) return rows_.slice_outputs;
    if (rows_.positions() > 1) return channels;
    uint32_t unit = std::min(std::max(chip_.npu.rows, 4U), channels);
    const auto halves = [&] { return unit % 2 == 0 && whole_bytes(unit / 2); };
    while (!weights_fit(unit) && halves()) unit /= 2;
    while (!maps_fit(1, 1, unit) && halves()) unit /= 2;
    return unit;
  }

  void search() {
    const abi::LayerProgram& p = mapping_.program;
    const uint32_t unit = channel_unit();
    if (!weights_fit(unit) || !maps_fit(1, 1, unit)) explain_shortage(unit);
    uint32_t columns = p.columns;
    for (uint32_t tiles = 2; !maps_fit(1, columns, unit); ++tiles) {
      columns = (p.columns + tiles - 1) / tiles;
    }
    spread_over_banks(columns, unit);
    for (uint32_t channels = unit;; channels = std::min(channels + unit, p.channels)) {
      if (!weights_fit(channels)) break;
      if (rows_.by_channels && loaded_bytes(channels) < rows_.least_bytes) {
        if (channels == p.channels) break;
        continue;
      }
      for (uint32_t rows = 1; rows <= p.rows && maps_fit(rows, columns, channels); ++rows) {
        for (const bool channels_outer : {false, true}) {
          consider(evaluate(rows, columns, channels, channels_outer));
        }
      }
      if (channels == p.channels) break;
    }
    if (mapping_.best.rows == 0) fail("no tile has pixels as long as a burst");
    apply(mapping_.best);
  }

  void consider(const Candidate& candidate) {
    if (mapping_.best.rows == 0) {
      mapping_.best = candidate;
      return;
    }
    Candidate other = candidate;
    if (better(other, mapping_.best)) std::swap(other, mapping_.best);
    if (better(mapping_.best, other) && (!mapping_.second || better(other, *mapping_.second))) {
      mapping_.second = other;
    }
  }

  void set_pitches(uint32_t columns, uint32_t channels) {
    abi::ComputeConfig& c = mapping_.program.config;
    c.input_pixel_pitch = pixel_pitch(channels);
    c.input_row_pitch = resident_in_ ? resident_in_->row_pitch
                                     : static_cast<uint32_t>(row_pitch(columns, channels));
  }

  /// Cycles that the banks need for the first group of pixels of a tile, away from the padding.
  uint64_t bank_cycles(uint32_t rows, uint32_t columns, uint32_t channels) const {
    abi::ComputeConfig c = mapping_.program.config;
    if (rows_.by_channels) {
      c.input_pixel_pitch = pixel_pitch(channels);
      c.input_row_pitch = static_cast<uint32_t>(row_pitch(columns, channels));
    }
    const uint32_t blocks = (columns - 1) / rows_.spread_x + 1;
    const uint32_t enough = ((chip_.npu.columns - 1) / blocks + 1) * rows_.spread_y;
    abi::ComputeRun run = {};
    run.channel_count = std::max(1U, rows_.slice_outputs);
    run.x_count = static_cast<uint16_t>(columns);
    run.y_count = static_cast<uint16_t>(std::min(rows, enough));
    run.input_rows = run.input_columns = abi::kMaxMapSize;
    const std::array<uint32_t, 4> key{run.y_count, run.x_count, c.input_pixel_pitch,
                                      c.input_row_pitch};
    const auto known = bank_cycles_.find(key);
    if (known != bank_cycles_.end()) return known->second;
    const chip::RunShape shape = chip::run_shape(c, run, chip_.npu.rows, chip_.npu.columns);
    const uint64_t cycles =
        chip::bank_demand(c, run, shape, chip_.npu.scratchpads.banks).cycles.front();
    bank_cycles_[key] = cycles;
    return cycles;
  }

  /// A slice reads few bytes of each pixel: where pixels lie a multiple of the banks apart, all
  /// columns ask the same bank. Then pixels, and rows, are moved apart by some lines.
  void spread_over_banks(uint32_t columns, uint32_t unit) {
    set_pitches(columns, unit);
    if (rows_.slice_outputs == 0 || rows_.by_channels || resident_in_) return;
    const abi::LayerProgram& p = mapping_.program;
    uint32_t& pitch = mapping_.program.config.input_pixel_pitch;
    std::pair<uint32_t, uint32_t> best{pitch, 0};
    uint64_t fewest = bank_cycles(p.rows, columns, unit);
    constexpr uint32_t kMostGap = 4;
    const uint32_t lines = round_up(pitch, chip::kBankLineBytes) / chip::kBankLineBytes;
    for (uint32_t gap = 0; gap < kMostGap * (kMostGap + 1); ++gap) {
      if (fewest <= std::max<uint64_t>(mapping_.steps, chip_.npu.columns)) break;
      pitch = (lines + gap / kMostGap) * chip::kBankLineBytes;
      row_gap_ = gap % kMostGap * chip::kBankLineBytes;
      set_pitches(columns, unit);
      const uint64_t cycles = bank_cycles(p.rows, columns, unit);
      if (cycles >= fewest || !maps_fit(1, columns, unit)) continue;
      fewest = cycles;
      best = {pitch, row_gap_};
    }
    std::tie(pitch, row_gap_) = best;
    set_pitches(columns, unit);
  }

  /// Cycles of the RUN of a tile.
  uint64_t run_cycles(uint32_t rows, uint32_t columns, uint32_t channels) const {
    abi::ComputeRun run = {};
    run.channel_count = channels;
    const chip::ArrayRuns parts = chip::array_runs(mapping_.program.config, run, chip_.npu.rows);
    chip::RunShape shape;
    shape.rows = chip_.npu.rows;
    shape.columns = chip_.npu.columns;
    shape.steps = std::max(mapping_.steps,
                           rows_.slice_outputs != 0 ? bank_cycles(rows, columns, channels) : 0);
    shape.pixels = uint64_t{(rows - 1) / rows_.spread_y + 1} *
                   ((columns - 1) / rows_.spread_x + 1) *
                   static_cast<uint64_t>(pool_.kernel_h * pool_.kernel_w);
    shape.channels = uint64_t{parts.channels} * rows_.positions();
    return parts.count * chip::run_cycles(shape).total;
  }

  TileCosts costs_of(const Cut& rows, const Cut& columns, const Cut& channels) const {
    TileCosts costs;
    for (int k = 0; k < 2; ++k) costs.weights[k] = weight_traffic(channels.size[k]);
    for (int y = 0; y < 2; ++y) {
      for (int x = 0; x < 2; ++x) {
        for (int k = 0; k < 2; ++k) {
          const uint32_t tile[] = {rows.size[y], columns.size[x], channels.size[k]};
          costs.input[y][x][k] = input_traffic(tile[0], tile[1], tile[2]);
          costs.residual[y][x][k] = residual_traffic(tile[0], tile[1], tile[2]);
          costs.output[y][x][k] = output_traffic(tile[0], tile[1], tile[2]);
          costs.compute[y][x][k] = run_cycles(tile[0], tile[1], tile[2]);
        }
      }
    }
    return costs;
  }

  /// The first cluster's share of a candidate, tile by tile.
  Candidate evaluate(uint32_t rows, uint32_t columns, uint32_t channels,
                     bool channels_outer) const {
    const abi::LayerProgram& p = mapping_.program;
    Candidate c;
    c.rows = rows;
    c.columns = columns;
    c.channels = channels;
    c.channels_outer = channels_outer;
    c.slice_channels = rows_.slice_outputs;
    c.spread_y = rows_.spread_y;
    c.spread_x = rows_.spread_x;
    c.by_channels = rows_.by_channels;
    const Cut row_cut(p.rows, rows);
    const Cut column_cut(p.columns, columns);
    const Cut channel_cut(p.channels, channels);
    const TileCosts costs = costs_of(row_cut, column_cut, channel_cut);
    const uint64_t maps = row_cut.tiles() * column_cut.tiles();
    const uint64_t tiles = maps * channel_cut.tiles();
    const uint64_t clusters = chip_.npu.clusters;
    const uint64_t share = (tiles + clusters - 1) / clusters;

    Pipeline pipeline;
    Traffic loads;
    Traffic stores;
    uint64_t commands = 0;
    uint64_t map_in_slot = maps;
    uint64_t channel_in_slot = channel_cut.tiles();
    for (uint64_t i = 0; i < share; ++i) {
      const uint64_t map = channels_outer ? i % maps : i / channel_cut.tiles();
      const uint64_t channel = channels_outer ? i / maps : i % channel_cut.tiles();
      const int y = row_cut.kind(map / column_cut.tiles());
      const int x = column_cut.kind(map % column_cut.tiles());
      const int k = channel_cut.kind(channel);
      // A tile that is still in its slot is not loaded again; the residual shares the map's.
      const bool new_weights = channel != channel_in_slot;
      const bool new_residual =
          residual_ && !resident_residual_ && (map != map_in_slot || new_weights);
      const bool new_map = !resident_in_ && (map != map_in_slot || new_residual ||
                                             (rows_.by_channels && new_weights));
      Traffic load;
      if (new_weights) load += costs.weights[k];
      if (new_map) load += costs.input[y][x][k];
      if (new_residual) load += costs.residual[y][x][k];
      map_in_slot = map;
      channel_in_slot = channel;
      loads += load;
      stores += costs.output[y][x][k];
      c.compute_cycles += costs.compute[y][x][k];
      pipeline.step(load.cycles, costs.compute[y][x][k], costs.output[y][x][k].cycles);
      commands += 1U + (new_weights ? 2U : 0U) + (new_map ? 1U : 0U) + (new_residual ? 1U : 0U) +
                  (resident_out_ ? 0U : 1U);
    }
    // A configuration has about as many words as two other commands.
    c.command_cycles = (commands + 2) * kCyclesPerCommand;
    c.traffic_bytes = (loads.bytes + stores.bytes) * tiles / share;
    // Reads and writes have channels of their own on the NoC, and share the DRAM.
    const auto dram =
        static_cast<uint64_t>(static_cast<double>(c.traffic_bytes) / dram_bytes_per_cycle(chip_));
    c.transfer_cycles = std::max({loads.cycles, stores.cycles, dram});
    c.cycles = std::max({pipeline.store[1], (commands + 2) * kLeastCyclesPerCommand, dram});
    return c;
  }

  Traffic weight_traffic(uint32_t channels) const {
    Traffic traffic = traffic_of(chip_, 1, weight_bytes(channels));
    traffic += traffic_of(chip_, 1, channels * sizeof(abi::ChannelParameters));
    return traffic;
  }
  Traffic input_traffic(uint32_t rows, uint32_t columns, uint32_t channels) const {
    if (resident_in_) return {};
    const abi::LayerProgram& p = mapping_.program;
    const uint64_t pixels = input_columns(columns);
    if (!rows_.by_channels && p.config.input_pixel_pitch == p.input_pixel_bytes) {
      return traffic_of(chip_, input_rows(rows), pixels * p.input_pixel_bytes);
    }
    return traffic_of(chip_, input_rows(rows) * pixels, loaded_bytes(channels));
  }
  Traffic residual_traffic(uint32_t rows, uint32_t columns, uint32_t channels) const {
    if (!residual_ || resident_residual_) return {};
    return traffic_of(chip_, residual_tile_pixels(rows, columns),
                      pixel_bytes(channels, residual_->bits));
  }
  Traffic output_traffic(uint32_t rows, uint32_t columns, uint32_t channels) const {
    if (resident_out_) return {};
    return traffic_of(chip_, uint64_t{rows} * columns, pixel_bytes(channels, out_.bits));
  }

  void apply(const Candidate& best) {
    abi::LayerProgram& p = mapping_.program;
    abi::ComputeConfig& c = p.config;
    set_pitches(best.columns, best.channels);
    p.map_by_channels = rows_.by_channels ? 1 : 0;
    p.rows_per_tile = best.rows;
    p.columns_per_tile = best.columns;
    p.channels_per_tile = best.channels;
    p.channels_outer = best.channels_outer ? 1 : 0;
    p.residual_slot_offset = round_up(
        static_cast<uint32_t>(input_tile_bytes(best.rows, best.columns, best.channels)), 64);
    c.output_pixel_pitch =
        resident_out_ ? resident_out_->pixel_pitch : pixel_bytes(best.channels, out_.bits);
    c.output_row_pitch =
        resident_out_ ? resident_out_->row_pitch : c.output_pixel_pitch * best.columns;
    if (resident_residual_) {
      c.residual_pixel_pitch = resident_residual_->pixel_pitch;
      c.residual_row_pitch = resident_residual_->row_pitch;
    } else if (residual_) {
      c.residual_pixel_pitch = pixel_bytes(best.channels, residual_->bits);
      c.residual_row_pitch = c.residual_pixel_pitch * span(best.columns, c.pool_stride_x, c.pool_w);
    }
  }

  const FusedLayer& layer_;
  const graph::IntegerLayer& conv_;
  graph::Window window_;
  const chip::Chip& chip_;
  const Residency& residency_;
  const Rows rows_;
  graph::IntegerTensor in_, out_;
  std::optional<graph::IntegerTensor> residual_;
  const std::optional<ResidentMap>&resident_in_, &resident_out_;
  std::optional<ResidentMap> resident_residual_;
  graph::Window pool_;
  int64_t conv_width_ = 0;
  uint32_t row_gap_ = 0;  ///< bytes between rows of the input in the scratchpad
  /// By rows and columns of a tile and pitches.
  mutable std::map<std::array<uint32_t, 4>, uint64_t> bank_cycles_;
  Mapping mapping_;
};

/// Whether a slice of `groups` groups begins at whole bytes of all maps, and all slices are alike.
bool can_slice(const FusedLayer& layer, const graph::IntegerNetwork& net, uint32_t groups) {
  const graph::IntegerLayer& conv = layer.convolution;
  const auto all = static_cast<uint32_t>(conv.groups);
  const graph::IntegerTensor& in = net.tensors[static_cast<size_t>(layer.input)];
  const graph::IntegerTensor& out = net.tensors[static_cast<size_t>(layer.output)];
  const uint32_t inputs = groups * static_cast<uint32_t>(in.channels) / all;
  const uint32_t outputs = groups * static_cast<uint32_t>(conv.bias.size()) / all;
  const auto whole = [](uint32_t channels, int bits) {
    return channels * static_cast<uint32_t>(bits) % 8 == 0;
  };
  constexpr uint32_t kMost = 0xFFFF;
  return groups < all && all % groups == 0 && inputs <= kMost && outputs <= kMost &&
         whole(inputs, in.bits) && whole(outputs, out.bits) &&
         (layer.residual < 0 ||
          whole(outputs, net.tensors[static_cast<size_t>(layer.residual)].bits));
}

/// The block of `positions` outputs that the fewest input pixels feed; nothing if no block of a
/// map this small has so many.
std::optional<Rows> spread_of(const graph::Window& w, uint32_t positions) {
  std::optional<Rows> best;
  uint32_t fewest = 0;
  for (uint32_t y = 1; y <= positions; ++y) {
    if (positions % y != 0) continue;
    const uint32_t x = positions / y;
    const uint32_t pixels =
        span(y, static_cast<uint32_t>(w.stride_h), static_cast<uint32_t>(w.kernel_h)) *
        span(x, static_cast<uint32_t>(w.stride_w), static_cast<uint32_t>(w.kernel_w));
    if (best && pixels >= fewest) continue;
    fewest = pixels;
    best = Rows{0, 0, y, x};
  }
  return best;
}

/// The ways to fill the rows of the array: a dense reduction; for groups, slices of as many as fill
/// them; and where the output path and the window allow it, several outputs a channel.
std::vector<Rows> ways_to_fill(const FusedLayer& layer, const graph::IntegerNetwork& net,
                               const chip::Chip& chip) {
  const graph::IntegerLayer& conv = layer.convolution;
  const graph::Window& w = conv.window;
  const uint32_t array_rows = chip.npu.rows;
  const auto groups = static_cast<uint32_t>(conv.groups);
  const auto channels = static_cast<uint32_t>(conv.bias.size());
  const uint32_t outputs = channels / groups;
  const graph::IntegerTensor& in = net.tensors[static_cast<size_t>(layer.input)];
  const graph::IntegerTensor& out = net.tensors[static_cast<size_t>(layer.output)];
  const bool spreads = !layer.pool && !layer.add && w.dilation_h == 1 && w.dilation_w == 1 &&
                       conv.rounding != graph::Rounding::kStochastic && out.height * out.width > 1;

  std::vector<Rows> ways = {Rows{}};
  const auto add_slices = [&](uint32_t taken, Rows way) {
    way.slice_outputs = taken * outputs;
    way.slice_inputs = taken * static_cast<uint32_t>(in.channels) / groups;
    ways.push_back(way);
  };
  for (uint32_t taken = std::min(std::max(1U, array_rows / outputs), groups / 2); taken > 0;
       --taken) {
    if (!can_slice(layer, net, taken)) continue;
    add_slices(taken, {});
    break;
  }
  constexpr uint32_t kMostPositions = 64;
  for (uint32_t positions = 2; spreads && positions <= std::min(array_rows, kMostPositions);
       ++positions) {
    const std::optional<Rows> spread = spread_of(w, positions);
    if (groups == 1) {
      if (positions * channels <= array_rows) ways.push_back(*spread);
      continue;
    }
    const uint32_t taken = array_rows / positions / outputs;
    if (taken * positions * outputs == array_rows && can_slice(layer, net, taken)) {
      add_slices(taken, *spread);
    }
  }
  return ways;
}

/// `best` becomes the better of both; the next best of all is its second.
void prefer(Mapping& best, Mapping other) {
  if (better(other.best, best.best)) std::swap(best, other);
  for (const std::optional<Candidate>& each : {std::optional(other.best), other.second}) {
    if (each && better(best.best, *each) && (!best.second || better(*each, *best.second))) {
      best.second = each;
    }
  }
}

}  // namespace

const char* bound_of(uint64_t compute_cycles, uint64_t transfer_cycles, uint64_t command_cycles,
                     const chip::Chip& chip) {
  if (compute_cycles >= std::max(transfer_cycles, command_cycles)) return "compute";
  if (command_cycles >= transfer_cycles) return "commands";
  return dram_bytes_per_cycle(chip) < chip.noc.width_bytes ? "DRAM" : "NoC";
}

Mapping map_layer(const FusedLayer& layer, const graph::IntegerNetwork& network,
                  const chip::Chip& chip, const Residency& residency) {
  std::optional<Mapping> best;
  std::string failure;
  const auto fits = [&](const Rows& rows) {
    try {
      Mapping mapping = Mapper(layer, network, chip, residency, rows).run();
      if (best) {
        prefer(*best, std::move(mapping));
      } else {
        best = std::move(mapping);
      }
      return true;
    } catch (const std::runtime_error& error) {
      failure = error.what();
      return false;
    }
  };
  for (Rows rows : ways_to_fill(layer, network, chip)) {
    const bool whole = fits(rows);
    if (rows.slice_outputs == 0 || residency.of(layer.input)) continue;
    // Pieces shorter than a burst are slow to load, so that they are for what does not fit
    // otherwise.
    rows.by_channels = true;
    rows.least_bytes = chip.dma.burst_bytes;
    if (fits(rows) || whole) continue;
    rows.least_bytes = 0;
    fits(rows);
  }
  if (!best) throw std::runtime_error(failure);
  return *best;
}

Mapping map_layer(const FusedLayer& layer, const graph::IntegerNetwork& network,
                  const chip::Chip& chip) {
  return map_layer(layer, network, chip, no_residency(chip));
}

}  // namespace tessera::deploy
