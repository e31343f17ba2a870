#include "deploy/mapping.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "abi/number_formats.hpp"
#include "chip/array_timing.hpp"

namespace tessera::deploy {
namespace {

double dram_bytes_per_cycle(const chip::Chip& chip) {
  return chip.dram.bus_bytes * chip.dram.data_rate_mtps / chip.clock_mhz * chip.dram.channels;
}

/// Slices of a grouped convolution: how many groups one takes.
struct Slicing {
  uint32_t outputs = 0;  ///< channels; 0: none
  uint32_t inputs = 0;
};

class Mapper {
 public:
  Mapper(const FusedLayer& layer, const graph::IntegerNetwork& net, const chip::Chip& chip,
         const Slicing& slicing)
      : layer_(layer),
        conv_(layer.convolution),
        chip_(chip),
        slicing_(slicing),
        in_(net.tensors[static_cast<size_t>(layer.input)]),
        out_(net.tensors[static_cast<size_t>(layer.output)]) {
    if (layer.residual >= 0) residual_ = net.tensors[static_cast<size_t>(layer.residual)];
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

  void set_shape() {
    const graph::Window& w = conv_.window;
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
    if (layer_.pool) pool_ = layer_.pool->window;

    p.input_rows = static_cast<uint32_t>(in_.height);
    p.input_columns = static_cast<uint32_t>(in_.width);
    p.input_pixel_bytes = pixel_bytes(in_.channels, in_.bits);
    p.input_row_step = static_cast<uint32_t>(w.stride_h * pool_.stride_h);
    p.input_row_window = static_cast<uint32_t>((pool_.kernel_h - 1) * w.stride_h + span_h);
    p.input_column_step = static_cast<uint32_t>(w.stride_w * pool_.stride_w);
    p.input_column_window = static_cast<uint32_t>((pool_.kernel_w - 1) * w.stride_w + span_w);
    p.pad_top = static_cast<uint32_t>(w.pad_top);
    p.pad_left = static_cast<uint32_t>(w.pad_left);
    p.local_pixel_pitch = p.input_pixel_bytes;
    const int64_t most_padding = std::max(w.pad_left, w.pad_right) * p.input_pixel_bytes;
    if (most_padding > 0xFFFF || w.pad_top > 0xFFFF || w.pad_bottom > 0xFFFF) {
      fail("its padding exceeds 65,535 bytes a row");
    }
  }

  void set_segments() {
    const graph::Window& w = conv_.window;
    abi::LayerProgram& p = mapping_.program;
    abi::ComputeConfig& c = p.config;
    Segments& s = mapping_.segments;
    s = {static_cast<uint32_t>(w.kernel_h), static_cast<uint32_t>(w.kernel_w)};
    s.slice_outputs = slicing_.outputs;
    s.slice_inputs = slicing_.inputs;
    s.pixel_elements =
        slicing_.outputs != 0 ? slicing_.inputs : pixel_elements(in_.channels, in_.bits);
    s.elements = s.pixel_elements;
    // Neighbouring taps of a row are contiguous; so are whole rows if the kernel spans the tile.
    if (w.dilation_w == 1 && slicing_.outputs == 0) {
      s.count_x = 1;
      s.elements *= static_cast<uint32_t>(w.kernel_w);
      if (p.columns == 1 && pool_.kernel_w == 1 && w.dilation_h == 1) {
        s.count_y = 1;
        s.elements *= static_cast<uint32_t>(w.kernel_h);
      }
    }
    mapping_.lanes = abi::lanes(in_.bits, conv_.weight_bits);

    c.activation_bits = static_cast<uint8_t>(in_.bits);
    c.weight_bits = static_cast<uint8_t>(conv_.weight_bits);
    c.activation_signed = in_.is_signed ? 1 : 0;
    c.p4 = conv_.p4 ? 1 : 0;
    c.segment_elements = s.elements;
    c.segments_y = s.count_y;
    c.segments_x = s.count_x;
    c.slice_channels = slicing_.outputs;
    c.slice_stride = slicing_.inputs * static_cast<uint32_t>(in_.bits) / 8;
    mapping_.steps = chip::reduction_steps(c);
    p.weight_channel_bytes =
        abi::weight_stream_bytes(static_cast<uint32_t>(mapping_.steps),
                                 static_cast<uint32_t>(mapping_.lanes * conv_.weight_bits));
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

  /// Input columns that `columns` outputs need, padding included.
  uint64_t input_columns(uint32_t columns) const {
    const abi::LayerProgram& p = mapping_.program;
    return (columns - 1) * uint64_t{p.input_column_step} + p.input_column_window;
  }
  uint64_t input_rows(uint32_t rows) const {
    const abi::LayerProgram& p = mapping_.program;
    return (rows - 1) * uint64_t{p.input_row_step} + p.input_row_window;
  }
  uint64_t input_tile_bytes(uint32_t rows, uint32_t columns) const {
    return input_rows(rows) * input_columns(columns) * mapping_.program.local_pixel_pitch;
  }
  uint64_t residual_tile_bytes(uint32_t rows, uint32_t columns, uint32_t channels) const {
    if (!residual_) return 0;
    const auto span = [](uint32_t outputs, int64_t stride, int64_t kernel) {
      return (outputs - 1) * static_cast<uint64_t>(stride) + static_cast<uint64_t>(kernel);
    };
    return span(rows, pool_.stride_h, pool_.kernel_h) *
           span(columns, pool_.stride_w, pool_.kernel_w) * pixel_bytes(channels, residual_->bits);
  }
  uint64_t activation_bytes(uint32_t rows, uint32_t columns, uint32_t channels) const {
    const uint64_t input = input_tile_bytes(rows, columns);
    return residual_ ? (input + 63) / 64 * 64 + residual_tile_bytes(rows, columns, channels)
                     : input;
  }
  uint64_t output_bytes(uint32_t rows, uint32_t columns, uint32_t channels) const {
    return uint64_t{rows} * columns * pixel_bytes(channels, out_.bits);
  }
  uint64_t weight_bytes(uint32_t channels) const {
    return uint64_t{channels} * mapping_.program.weight_channel_bytes;
  }

  bool maps_fit(uint32_t rows, uint32_t columns, uint32_t channels) const {
    const chip::Scratchpads& s = chip_.npu.scratchpads;
    return activation_bytes(rows, columns, channels) <= s.activation_bytes / 2 &&
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
    check("activation", activation_bytes(1, 1, channels), s.activation_bytes / 2);
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
    if (slicing_.outputs != 0) return slicing_.outputs;
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
      for (uint32_t rows = 1; rows <= p.rows && maps_fit(rows, columns, channels); ++rows) {
        for (const bool channels_outer : {false, true}) {
          consider(evaluate(rows, columns, channels, channels_outer));
        }
      }
      if (channels == p.channels) break;
    }
    apply(mapping_.best);
  }

  void consider(const Candidate& candidate) {
    const bool first = mapping_.best.rows == 0;
    if (first || candidate.cycles < mapping_.best.cycles) {
      if (!first) mapping_.second = mapping_.best;
      mapping_.best = candidate;
    } else if (candidate.cycles > mapping_.best.cycles &&
               (!mapping_.second || candidate.cycles < mapping_.second->cycles)) {
      mapping_.second = candidate;
    }
  }

  void set_strides(uint32_t columns) {
    const graph::Window& w = conv_.window;
    abi::LayerProgram& p = mapping_.program;
    abi::ComputeConfig& c = p.config;
    p.local_row_pitch = static_cast<uint32_t>(input_columns(columns)) * p.local_pixel_pitch;
    c.segment_stride_y = static_cast<uint32_t>(w.dilation_h) * p.local_row_pitch;
    c.segment_stride_x = static_cast<uint32_t>(w.dilation_w) * p.local_pixel_pitch;
    c.pixel_stride_y = static_cast<uint32_t>(w.stride_h) * p.local_row_pitch;
    c.pixel_stride_x = static_cast<uint32_t>(w.stride_w) * p.local_pixel_pitch;
  }

  /// Cycles that the banks need for a full group of pixels.
  uint64_t bank_cycles(uint32_t columns) {
    set_strides(columns);
    abi::ComputeRun run = {};
    run.x_count = std::min(columns, chip_.npu.columns);
    run.y_count = 1;
    return chip::bank_demand(mapping_.program.config, run, chip_.npu.columns,
                             chip_.npu.scratchpads.banks)
        .cycles.front();
  }

  /// A slice reads few bytes of each pixel: where pixels lie a multiple of the banks apart, all
  /// columns ask the same bank. Then pixels are moved apart by a line.
  void spread_over_banks(uint32_t columns, uint32_t unit) {
    abi::LayerProgram& p = mapping_.program;
    bank_steps_ = bank_cycles(columns);
    if (slicing_.outputs == 0 ||
        bank_steps_ <= std::max<uint64_t>(mapping_.steps, chip_.npu.columns)) {
      return;
    }
    const uint32_t dense = p.local_pixel_pitch;
    p.local_pixel_pitch = round_up(dense, chip::kBankLineBytes) + chip::kBankLineBytes;
    if (p.local_pixel_pitch / chip::kBankLineBytes % 2 == 0) {
      p.local_pixel_pitch -= chip::kBankLineBytes;
    }
    const uint64_t spread = bank_cycles(columns);
    if (p.local_pixel_pitch != dense && spread < bank_steps_ && maps_fit(1, columns, unit)) {
      bank_steps_ = spread;
      return;
    }
    p.local_pixel_pitch = dense;
  }

  /// Sizes of the tiles along a dimension: all but the last, and the last.
  struct Cut {
    Cut(uint32_t whole, uint32_t tile) : size{tile, whole}, count{(whole - 1) / tile, 1} {
      size[1] = whole - static_cast<uint32_t>(count[0]) * tile;
    }
    uint64_t tiles() const { return count[0] + count[1]; }
    int kind(uint64_t tile) const { return tile < count[0] ? 0 : 1; }
    uint32_t size[2];
    uint64_t count[2];
  };

  /// Cycles of the RUN of a tile: slices follow each other.
  uint64_t run_cycles(uint32_t rows, uint32_t columns, uint32_t channels) const {
    chip::RunShape shape;
    shape.rows = chip_.npu.rows;
    shape.columns = chip_.npu.columns;
    shape.steps = std::max(mapping_.steps, slicing_.outputs != 0 ? bank_steps_ : 0);
    shape.pixels =
        uint64_t{rows} * columns * static_cast<uint64_t>(pool_.kernel_h * pool_.kernel_w);
    shape.channels = slicing_.outputs != 0 ? slicing_.outputs : channels;
    return channels / shape.channels * chip::run_cycles(shape).total;
  }

  /// Bytes of a tile, and the cycles in which one engine moves them.
  struct Traffic {
    uint64_t bytes = 0;
    uint64_t cycles = 0;

    Traffic& operator+=(const Traffic& other) {
      bytes += other.bytes;
      cycles += other.cycles;
      return *this;
    }
    friend Traffic operator*(uint64_t times, const Traffic& one) {
      return {times * one.bytes, times * one.cycles};
    }
  };

  /// What the tiles of a size cost; indices: 0 all but the last, 1 the last along rows, columns,
  /// channels.
  struct Costs {
    Traffic weights[2];
    Traffic input[2][2];
    Traffic residual[2][2][2];
    Traffic output[2][2][2];
    uint64_t compute[2][2][2];
  };

  Costs costs_of(const Cut& rows, const Cut& columns, const Cut& channels) const {
    Costs costs;
    for (int k = 0; k < 2; ++k) costs.weights[k] = weight_traffic(channels.size[k]);
    for (int y = 0; y < 2; ++y) {
      for (int x = 0; x < 2; ++x) {
        costs.input[y][x] = input_traffic(rows.size[y], columns.size[x]);
        for (int k = 0; k < 2; ++k) {
          const uint32_t tile[] = {rows.size[y], columns.size[x], channels.size[k]};
          costs.residual[y][x][k] = residual_traffic(tile[0], tile[1], tile[2]);
          costs.output[y][x][k] = output_traffic(tile[0], tile[1], tile[2]);
          costs.compute[y][x][k] = run_cycles(tile[0], tile[1], tile[2]);
        }
      }
    }
    return costs;
  }

  /// Ends of the last two steps of each engine; the slots of step n are free when step n - 2 is
  /// done.
  struct Pipeline {
    void step(uint64_t load_cycles, uint64_t compute_cycles, uint64_t store_cycles) {
      const uint64_t loaded = std::max(load[1], compute[0]) + load_cycles;
      const uint64_t computed = std::max({compute[1], loaded, store[0]}) + compute_cycles;
      const uint64_t stored = std::max(store[1], computed) + store_cycles;
      load[1] = loaded;
      compute[0] = compute[1];
      compute[1] = computed;
      store[0] = store[1];
      store[1] = stored;
    }
    uint64_t load[2] = {0, 0}, compute[2] = {0, 0}, store[2] = {0, 0};
  };

  /// The first cluster's share of a candidate, tile by tile.
  Candidate evaluate(uint32_t rows, uint32_t columns, uint32_t channels,
                     bool channels_outer) const {
    const abi::LayerProgram& p = mapping_.program;
    Candidate c;
    c.rows = rows;
    c.columns = columns;
    c.channels = channels;
    c.channels_outer = channels_outer;
    c.slice_channels = slicing_.outputs;
    const Cut row_cut(p.rows, rows);
    const Cut column_cut(p.columns, columns);
    const Cut channel_cut(p.channels, channels);
    const Costs costs = costs_of(row_cut, column_cut, channel_cut);
    const uint64_t maps = row_cut.tiles() * column_cut.tiles();
    const uint64_t tiles = maps * channel_cut.tiles();
    const uint64_t clusters = chip_.npu.clusters;
    const uint64_t share = (tiles + clusters - 1) / clusters;
    c.host_cycles = tiles * kHostCyclesPerStep;

    Pipeline pipeline;
    Traffic loads;
    Traffic stores;
    uint64_t map_in_slot = maps;
    uint64_t channel_in_slot = channel_cut.tiles();
    for (uint64_t i = 0; i < share; ++i) {
      const uint64_t map = channels_outer ? i % maps : i / channel_cut.tiles();
      const uint64_t channel = channels_outer ? i / maps : i % channel_cut.tiles();
      const int y = row_cut.kind(map / column_cut.tiles());
      const int x = column_cut.kind(map % column_cut.tiles());
      const int k = channel_cut.kind(channel);
      // A tile that is still in its slot is not loaded again; the residual shares the map's.
      Traffic load;
      if (channel != channel_in_slot) load += costs.weights[k];
      if (map != map_in_slot || (residual_ && channel != channel_in_slot)) {
        load += costs.input[y][x];
        load += costs.residual[y][x][k];
      }
      map_in_slot = map;
      channel_in_slot = channel;
      loads += load;
      stores += costs.output[y][x][k];
      c.compute_cycles += costs.compute[y][x][k];
      pipeline.step(load.cycles, costs.compute[y][x][k], costs.output[y][x][k].cycles);
    }
    c.traffic_bytes = (loads.bytes + stores.bytes) * tiles / share;
    // Reads and writes have channels of their own on the NoC, and share the DRAM.
    const auto dram =
        static_cast<uint64_t>(static_cast<double>(c.traffic_bytes) / dram_bytes_per_cycle(chip_));
    c.transfer_cycles = std::max({loads.cycles, stores.cycles, dram});
    c.cycles = std::max({pipeline.store[1], c.host_cycles, dram});
    return c;
  }

  Traffic weight_traffic(uint32_t channels) const {
    Traffic traffic = traffic_of(chip_, 1, weight_bytes(channels));
    traffic += traffic_of(chip_, 1, channels * sizeof(abi::ChannelParameters));
    return traffic;
  }
  Traffic input_traffic(uint32_t rows, uint32_t columns) const {
    const abi::LayerProgram& p = mapping_.program;
    const uint64_t pixels = input_columns(columns);
    if (p.local_pixel_pitch == p.input_pixel_bytes) {
      return traffic_of(chip_, input_rows(rows), pixels * p.input_pixel_bytes);
    }
    return traffic_of(chip_, input_rows(rows) * pixels, p.input_pixel_bytes);
  }
  Traffic residual_traffic(uint32_t rows, uint32_t columns, uint32_t channels) const {
    if (!residual_) return {};
    const uint64_t pixel = pixel_bytes(channels, residual_->bits);
    return traffic_of(chip_, residual_tile_bytes(rows, columns, channels) / pixel, pixel);
  }
  Traffic output_traffic(uint32_t rows, uint32_t columns, uint32_t channels) const {
    return traffic_of(chip_, uint64_t{rows} * columns, pixel_bytes(channels, out_.bits));
  }

  /// Pieces of contiguous bytes go as bursts; one takes its beats, or a share of the way to the
  /// DRAM and back that the outstanding ones do not hide.
  static Traffic traffic_of(const chip::Chip& chip, uint64_t pieces, uint64_t bytes) {
    const uint64_t burst = std::min<uint64_t>(bytes, chip.dma.burst_bytes);
    const uint64_t beats = (burst + chip.noc.width_bytes - 1) / chip.noc.width_bytes;
    const auto dram = static_cast<uint64_t>(chip.dram.t_cas_ns * chip.clock_mhz / 1000.0);
    const uint64_t way = 2 * chip.noc.latency_cycles + dram + beats;
    const uint64_t gap = (way + chip.dma.outstanding - 1) / chip.dma.outstanding;
    const uint64_t bursts = (bytes + chip.dma.burst_bytes - 1) / chip.dma.burst_bytes;
    return {pieces * bytes, pieces * bursts * std::max(beats, gap)};
  }

  void apply(const Candidate& best) {
    abi::LayerProgram& p = mapping_.program;
    set_strides(best.columns);
    p.rows_per_tile = best.rows;
    p.columns_per_tile = best.columns;
    p.channels_per_tile = best.channels;
    p.channels_outer = best.channels_outer ? 1 : 0;
    p.residual_slot_offset =
        round_up(static_cast<uint32_t>(input_tile_bytes(best.rows, best.columns)), 64);
    p.config.output_pixel_pitch = pixel_bytes(best.channels, out_.bits);
    p.config.output_row_pitch = p.config.output_pixel_pitch * best.columns;
    if (residual_) {
      p.config.residual_pixel_pitch = pixel_bytes(best.channels, residual_->bits);
      p.config.residual_row_pitch = p.config.residual_pixel_pitch *
                                    ((best.columns - 1) * p.config.pool_stride_x + p.config.pool_w);
    }
  }

  const FusedLayer& layer_;
  const graph::IntegerLayer& conv_;
  const chip::Chip& chip_;
  const Slicing slicing_;
  graph::IntegerTensor in_, out_;
  std::optional<graph::IntegerTensor> residual_;
  graph::Window pool_;
  int64_t conv_width_ = 0;
  uint64_t bank_steps_ = 0;  ///< cycles that the banks need for a group of pixels
  Mapping mapping_;
};

/// As many groups as fill the array's rows, all slices alike and at whole bytes; none if that is
/// one slice or cannot be.
Slicing slicing_of(const FusedLayer& layer, const graph::IntegerNetwork& net,
                   const chip::Chip& chip) {
  const graph::IntegerLayer& conv = layer.convolution;
  const auto groups = static_cast<uint32_t>(conv.groups);
  if (groups == 1) return {};
  const graph::IntegerTensor& in = net.tensors[static_cast<size_t>(layer.input)];
  const graph::IntegerTensor& out = net.tensors[static_cast<size_t>(layer.output)];
  const auto inputs = static_cast<uint32_t>(in.channels) / groups;
  const uint32_t outputs = static_cast<uint32_t>(conv.bias.size()) / groups;
  const auto whole = [](uint32_t channels, int bits) {
    return channels * static_cast<uint32_t>(bits) % 8 == 0;
  };
  for (uint32_t taken = std::min(std::max(1U, chip.npu.rows / outputs), groups / 2); taken > 0;
       --taken) {
    const bool residual_whole =
        layer.residual < 0 ||
        whole(taken * outputs, net.tensors[static_cast<size_t>(layer.residual)].bits);
    if (groups % taken == 0 && whole(taken * inputs, in.bits) && whole(taken * outputs, out.bits) &&
        residual_whole) {
      return {taken * outputs, taken * inputs};
    }
  }
  return {};
}

}  // namespace

const char* bound_of(uint64_t compute_cycles, uint64_t transfer_cycles, uint64_t host_cycles,
                     const chip::Chip& chip) {
  if (compute_cycles >= std::max(transfer_cycles, host_cycles)) return "compute";
  if (host_cycles >= transfer_cycles) return "host";
  return dram_bytes_per_cycle(chip) < chip.noc.width_bytes ? "DRAM" : "NoC";
}

Mapping map_layer(const FusedLayer& layer, const graph::IntegerNetwork& network,
                  const chip::Chip& chip) {
  const auto dense = [&] { return Mapper(layer, network, chip, {}).run(); };
  const Slicing slicing = slicing_of(layer, network, chip);
  if (slicing.outputs == 0) return dense();
  std::optional<Mapping> sliced;
  try {
    sliced = Mapper(layer, network, chip, slicing).run();
  } catch (const std::runtime_error&) {
    return dense();
  }
  try {
    const Mapping other = dense();
    if (other.best.cycles < sliced->best.cycles) return other;
    if (other.best.cycles > sliced->best.cycles &&
        (!sliced->second || other.best.cycles < sliced->second->cycles)) {
      sliced->second = other.best;
    }
  } catch (const std::runtime_error&) {
    // A dense reduction does not fit.
  }
  return *sliced;
}

}  // namespace tessera::deploy
