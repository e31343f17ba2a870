#include "deploy/mapping.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>

#include "abi/number_formats.hpp"
#include "chip/array_timing.hpp"

namespace tessera::deploy {
namespace {

class Mapper {
 public:
  Mapper(const FusedLayer& layer, const graph::IntegerNetwork& net, const chip::Chip& chip)
      : layer_(layer),
        conv_(layer.convolution),
        chip_(chip),
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

    const int64_t conv_span_h = (w.kernel_h - 1) * w.dilation_h + 1;
    const int64_t conv_span_w = (w.kernel_w - 1) * w.dilation_w + 1;
    conv_width_ = (in_.width + w.pad_left + w.pad_right - conv_span_w) / w.stride_w + 1;
    const graph::Window pool = layer_.pool ? layer_.pool->window : graph::Window{};
    pool_ = pool;

    const uint32_t pixel = pixel_bytes(in_.channels, in_.bits);
    p.input_rows = static_cast<uint32_t>(in_.height);
    p.input_row_bytes = pixel * static_cast<uint32_t>(in_.width);
    p.input_row_step = static_cast<uint32_t>(w.stride_h * pool.stride_h);
    p.input_row_window = static_cast<uint32_t>((pool.kernel_h - 1) * w.stride_h + conv_span_h);
    p.pad_top = static_cast<uint32_t>(w.pad_top);
    p.pad_left_bytes = static_cast<uint32_t>(w.pad_left) * pixel;
    p.pad_right_bytes = static_cast<uint32_t>(w.pad_right) * pixel;
    p.local_row_pitch = p.pad_left_bytes + p.input_row_bytes + p.pad_right_bytes;
    if (p.pad_left_bytes > 0xFFFF || p.pad_right_bytes > 0xFFFF || p.pad_top > 0xFFFF) {
      fail("its padding exceeds 65,535 bytes a row");
    }
  }

  void set_segments() {
    const graph::Window& w = conv_.window;
    abi::LayerProgram& p = mapping_.program;
    abi::ComputeConfig& c = p.config;
    const uint32_t pixel = pixel_bytes(in_.channels, in_.bits);
    const uint32_t per_pixel = pixel_elements(in_.channels, in_.bits);
    Segments& s = mapping_.segments;
    s = {static_cast<uint32_t>(w.kernel_h), static_cast<uint32_t>(w.kernel_w), per_pixel};
    // Neighbouring taps of a row are contiguous; so are whole rows if the kernel spans the map.
    if (w.dilation_w == 1) {
      s.count_x = 1;
      s.elements = static_cast<uint32_t>(w.kernel_w) * per_pixel;
      if (static_cast<uint32_t>(w.kernel_w) * pixel == p.local_row_pitch && w.dilation_h == 1) {
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
    c.segment_stride_y = static_cast<uint32_t>(w.dilation_h) * p.local_row_pitch;
    c.segment_stride_x = static_cast<uint32_t>(w.dilation_w) * pixel;
    c.pixel_stride_y = static_cast<uint32_t>(w.stride_h) * p.local_row_pitch;
    c.pixel_stride_x = static_cast<uint32_t>(w.stride_w) * pixel;
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

  uint64_t input_tile_bytes(uint32_t rows) const {
    const abi::LayerProgram& p = mapping_.program;
    return ((rows - 1) * uint64_t{p.input_row_step} + p.input_row_window) * p.local_row_pitch;
  }
  uint64_t residual_tile_bytes(uint32_t rows, uint32_t channels) const {
    if (!residual_) return 0;
    const uint64_t conv_rows =
        (rows - 1) * static_cast<uint64_t>(pool_.stride_h) + static_cast<uint64_t>(pool_.kernel_h);
    return conv_rows * static_cast<uint64_t>(conv_width_) * pixel_bytes(channels, residual_->bits);
  }
  uint64_t activation_bytes(uint32_t rows, uint32_t channels) const {
    return (input_tile_bytes(rows) + 63) / 64 * 64 + residual_tile_bytes(rows, channels);
  }
  uint64_t output_bytes(uint32_t rows, uint32_t channels) const {
    return uint64_t{rows} * mapping_.program.columns * pixel_bytes(channels, out_.bits);
  }

  bool fits(uint32_t rows, uint32_t channels) const {
    const chip::Scratchpads& s = chip_.npu.scratchpads;
    return activation_bytes(rows, channels) <= s.activation_bytes / 2 &&
           output_bytes(rows, channels) <= s.output_bytes / 2 &&
           uint64_t{channels} * mapping_.program.weight_channel_bytes <= s.weight_bytes / 2 &&
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
    check("activation", activation_bytes(1, channels), s.activation_bytes / 2);
    check("output", output_bytes(1, channels), s.output_bytes / 2);
    check("weight", uint64_t{channels} * mapping_.program.weight_channel_bytes, s.weight_bytes / 2);
    check("parameter", channels * sizeof(abi::ChannelParameters), s.parameter_bytes / 2);
  }

  struct Candidate {
    uint32_t rows = 0;
    uint32_t channels = 0;
    bool channels_outer = false;
    uint64_t compute = 0;
    uint64_t traffic = 0;
    uint64_t cycles = ~uint64_t{0};
  };

  void search() {
    const abi::LayerProgram& p = mapping_.program;
    // Channel tiles start at whole bytes of 2-bit outputs.
    const uint32_t unit = std::min(std::max(chip_.npu.rows, 4U), p.channels);
    if (!fits(1, unit)) explain_shortage(unit);
    Candidate best;
    for (uint32_t channels = unit;; channels = std::min(channels + unit, p.channels)) {
      for (uint32_t rows = 1; rows <= p.rows && fits(rows, channels); ++rows) {
        for (const bool channels_outer : {false, true}) {
          const Candidate c = evaluate(rows, channels, channels_outer);
          if (c.cycles < best.cycles) best = c;
        }
      }
      if (channels == p.channels) break;
    }
    apply(best);
  }

  Candidate evaluate(uint32_t rows, uint32_t channels, bool channels_outer) const {
    const abi::LayerProgram& p = mapping_.program;
    Candidate c{rows, channels, channels_outer};
    const uint64_t row_tiles = (p.rows + rows - 1) / rows;
    const uint64_t channel_tiles = (p.channels + channels - 1) / channels;
    const uint64_t steps = row_tiles * channel_tiles;

    chip::RunShape shape;
    shape.rows = chip_.npu.rows;
    shape.columns = chip_.npu.columns;
    shape.steps = mapping_.steps;
    const auto run = [&](uint64_t tile_rows, uint64_t tile_channels) {
      shape.channels = tile_channels;
      shape.pixels = tile_rows * p.columns * static_cast<uint64_t>(pool_.kernel_h * pool_.kernel_w);
      return chip::run_cycles(shape).total;
    };
    const uint64_t last_rows = p.rows - (row_tiles - 1) * rows;
    const uint64_t last_channels = p.channels - (channel_tiles - 1) * channels;
    c.compute = (row_tiles - 1) * (channel_tiles - 1) * run(rows, channels) +
                (channel_tiles - 1) * run(last_rows, channels) +
                (row_tiles - 1) * run(rows, last_channels) + run(last_rows, last_channels);

    const uint64_t weights = uint64_t{p.channels} * (p.weight_channel_bytes + 8);
    const uint64_t inputs = row_tiles * input_tile_bytes(rows);
    const uint64_t residual = row_tiles * residual_tile_bytes(rows, p.channels);
    // A tile that is still in its slot is not loaded again.
    const uint64_t weight_passes = channels_outer || channel_tiles == 1 ? 1 : row_tiles;
    const uint64_t input_passes =
        (channels_outer && row_tiles > 1) || residual_ ? channel_tiles : 1;
    const uint64_t outputs = uint64_t{p.rows} * p.columns * pixel_bytes(p.channels, out_.bits);
    c.traffic = weights * weight_passes + inputs * input_passes + residual + outputs;

    const double bytes_per_cycle = std::min(
        static_cast<double>(chip_.noc.width_bytes),
        chip_.dram.bus_bytes * chip_.dram.data_rate_mtps / chip_.clock_mhz * chip_.dram.channels);
    const auto transfer = static_cast<uint64_t>(static_cast<double>(c.traffic) / bytes_per_cycle);
    // The first load and the last store have nothing to hide behind.
    const uint64_t edges = static_cast<uint64_t>(
        static_cast<double>(input_tile_bytes(rows) + channels * p.weight_channel_bytes +
                            output_bytes(rows, channels)) /
        bytes_per_cycle);
    c.cycles = std::max({c.compute, transfer, steps * kHostCyclesPerStep}) + edges;
    return c;
  }

  void apply(const Candidate& best) {
    abi::LayerProgram& p = mapping_.program;
    p.rows_per_tile = best.rows;
    p.channels_per_tile = best.channels;
    p.channels_outer = best.channels_outer ? 1 : 0;
    p.residual_slot_offset = round_up(static_cast<uint32_t>(input_tile_bytes(best.rows)), 64);
    p.config.output_pixel_pitch = pixel_bytes(best.channels, out_.bits);
    p.config.output_row_pitch = p.config.output_pixel_pitch * p.columns;
    if (residual_) {
      p.config.residual_pixel_pitch = pixel_bytes(best.channels, residual_->bits);
      p.config.residual_row_pitch =
          p.config.residual_pixel_pitch * static_cast<uint32_t>(conv_width_);
    }
    mapping_.compute_cycles = best.compute;
    mapping_.traffic_bytes = best.traffic;
    mapping_.estimated_cycles = best.cycles;
  }

  const FusedLayer& layer_;
  const graph::IntegerLayer& conv_;
  const chip::Chip& chip_;
  graph::IntegerTensor in_, out_;
  std::optional<graph::IntegerTensor> residual_;
  graph::Window pool_;
  int64_t conv_width_ = 0;
  Mapping mapping_;
};

}  // namespace

Mapping map_layer(const FusedLayer& layer, const graph::IntegerNetwork& network,
                  const chip::Chip& chip) {
  return Mapper(layer, network, chip).run();
}

}  // namespace tessera::deploy
