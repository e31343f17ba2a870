// The values of a RUN: operand fetch, array, output path, counting.
#include <algorithm>
#include <chrono>
#include <cstring>

#include "npu/compute_job.hpp"

namespace tessera::npu {

namespace {

ElementFormat format_of(bool is_signed) {
  return is_signed ? ElementFormat::kSigned : ElementFormat::kUnsigned;
}

ElementFormat weight_format(const abi::ComputeConfig& config) {
  return config.p4 != 0 ? ElementFormat::kP4 : ElementFormat::kSigned;
}

/// A convolution pixel of a run, as numbered by chip/array_timing.hpp.
struct Pixel {
  Pixel(const abi::ComputeConfig& config, const abi::ComputeRun& run, uint64_t number) {
    const uint64_t window = static_cast<uint64_t>(config.pool_h) * config.pool_w;
    const uint64_t columns = chip::block_columns(config, run);
    const uint64_t block = number / window;
    const uint64_t tap = number % window;
    v = block / columns * config.pool_stride_y + tap / config.pool_w;
    u = block % columns * config.pool_stride_x + tap % config.pool_w;
  }

  /// In the layer's convolution map; only the rounding hash asks, and that of no spread RUN.
  uint32_t position(const abi::ComputeConfig& config, const abi::ComputeRun& run) const {
    const uint64_t y = static_cast<uint64_t>(run.y_first) * config.pool_stride_y + v;
    const uint64_t x = static_cast<uint64_t>(run.x_first) * config.pool_stride_x + u;
    return static_cast<uint32_t>(y * config.convolution_width + x);
  }

  uint64_t v, u;  ///< row and column within the tile
};

/// Channels of a RUN whose operands are the same, and the rows of the array that they take.
struct Slices {
  Slices(const abi::ComputeConfig& config, uint32_t channel_count)
      : channels(config.slice_channels == 0 ? channel_count
                                            : std::min(config.slice_channels, channel_count)),
        all(channel_count),
        positions(chip::positions(config)) {}

  uint32_t rows() const { return channels * positions; }  ///< of all but the last
  uint32_t channels_of(uint64_t slice) const {
    return std::min(channels, all - static_cast<uint32_t>(slice) * channels);
  }

  uint32_t channels, all, positions;
};

/// What row `row` of the array (counted over a RUN) computes.
struct Row {
  Row(const Slices& slices, uint64_t row) {
    const uint64_t slice = row / slices.rows();
    const uint64_t within = row % slices.rows();
    const uint32_t channels = slices.channels_of(slice);
    channel = static_cast<uint32_t>(slice * slices.channels + within % channels);
    position = static_cast<uint32_t>(within / channels);
  }

  uint32_t channel;   ///< within the RUN
  uint32_t position;  ///< in the blocks of a spread
};

PeEvents pe_events(const chip::RunShape& shape, uint64_t active_macs) {
  return {shape.channels * shape.pixels * shape.steps, active_macs,
          shape.blocks() * shape.pixels * shape.steps,
          shape.groups() * shape.channels * shape.steps};
}

}  // namespace

void ComputeUnit::unpack_weights(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                                 const Layout& layout) {
  const chip::RunShape& shape = layout.shape;
  weights_.assign(shape.channels * layout.stride, 0);
  weight_nonzeros_.assign(layout.slices() * layout.stride, 0);
  const Slices slices(config, run.channel_count);
  for (uint64_t k = 0; k < shape.channels; ++k) {
    int16_t* row = weights_.data() + k * layout.stride;
    if (config.slice_channels != 0) {
      const Row place(slices, k);
      place_group_weights(config, run.weight_address, place.channel, place.position, layout, row);
    } else {
      unpack_row(config, memories_.at(run.weight_address + k * layout.weights.pitch), layout, row);
    }
    uint32_t* nonzeros = weight_nonzeros_.data() + layout.slice_of(k) * layout.stride;
    for (std::size_t i = 0; i < layout.reduction; ++i) nonzeros[i] += row[i] != 0;
  }
}

void ComputeUnit::unpack_row(const abi::ComputeConfig& config, const uint8_t* stream,
                             const Layout& layout, int16_t* row) const {
  const std::size_t padding = layout.segment_lanes - config.segment_elements;
  const std::size_t segments = layout.reduction / layout.segment_lanes;
  unpack(stream, layout.reduction, config.weight_bits, weight_format(config), row);
  for (std::size_t s = 0; padding != 0 && s < segments; ++s) {
    int16_t* end = row + (s + 1) * layout.segment_lanes;
    std::fill(end - padding, end, int16_t{0});
  }
}

/// The weights of a channel of a slice go where the activations of its group and of its position's
/// taps are; the row is zero elsewhere.
void ComputeUnit::place_group_weights(const abi::ComputeConfig& config, uint32_t address,
                                      uint32_t channel, uint32_t position, const Layout& layout,
                                      int16_t* out) {
  const uint32_t rows = chip::kernel_rows(config);
  const uint32_t columns = chip::kernel_columns(config);
  group_weights_.resize(std::size_t{rows} * columns * config.group_inputs);
  unpack(memories_.at(address + channel * layout.weights.pitch), group_weights_.size(),
         config.weight_bits, weight_format(config), group_weights_.data());
  const uint32_t first_y = position / config.spread_x * (config.pixel_step_y / config.spread_y);
  const uint32_t first_x = position % config.spread_x * (config.pixel_step_x / config.spread_x);
  const uint32_t group = channel % config.slice_channels / config.group_outputs;
  const int16_t* weights = group_weights_.data();
  for (uint32_t y = 0; y < rows; ++y) {
    for (uint32_t x = 0; x < columns; ++x, weights += config.group_inputs) {
      const std::size_t segment = std::size_t{first_y + y} * config.segments_x + first_x + x;
      std::copy_n(weights, config.group_inputs,
                  out + segment * layout.segment_lanes + group * config.group_inputs);
    }
  }
}

void ComputeUnit::fetch_activations(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                                    const Layout& layout, uint64_t slice, uint64_t first_pixel,
                                    uint64_t count) {
  // Padding lanes are zero from the start and never written.
  if (activations_.size() < count * layout.stride) activations_.resize(count * layout.stride);
  positions_.resize(count);
  const ElementFormat format = format_of(config.activation_signed != 0);
  const auto bits = config.activation_bits;
  for (uint64_t p = 0; p < count; ++p) {
    const Pixel pixel(config, run, first_pixel + p);
    positions_[p] = pixel.position(config, run);
    int16_t* out = activations_.data() + p * layout.stride;
    for (uint32_t j = 0; j < config.segments_y; ++j) {
      for (uint32_t i = 0; i < config.segments_x; ++i, out += layout.segment_lanes) {
        const chip::SegmentRead read =
            chip::segment_read(config, run, pixel.v, pixel.u, j, i, slice);
        const uint32_t before = read.skipped * 8U / bits;
        const uint32_t end = std::min(before + read.bytes * 8U / bits, config.segment_elements);
        std::fill(out, out + before, int16_t{0});
        if (end > before)
          unpack(memories_.at(read.address), end - before, bits, format, out + before);
        std::fill(out + end, out + config.segment_elements, int16_t{0});
      }
    }
  }
}

void ComputeUnit::fetch_residuals(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                                  uint64_t first_pixel, uint64_t count) {
  const std::size_t channels = run.channel_count;
  const bool is_signed = config.residual_signed != 0;
  std::vector<int16_t> row(channels);
  residuals_.resize(count * channels);
  for (uint64_t p = 0; p < count; ++p) {
    const Pixel pixel(config, run, first_pixel + p);
    const uint64_t address = run.residual_address + pixel.v * config.residual_row_pitch +
                             pixel.u * config.residual_pixel_pitch;
    unpack(memories_.at(address), channels, config.residual_bits, format_of(is_signed), row.data());
    for (std::size_t k = 0; k < channels; ++k) {
      residuals_[p * channels + k] = element_value(row[k], config.residual_bits, is_signed);
    }
  }
}

/// MACs of the fetched pixels in which neither operand is zero. At each place of the reduction
/// every channel meets every pixel, so the counts of non-zero operands multiply.
uint64_t ComputeUnit::active_macs(const Layout& layout, uint64_t slice, uint64_t count) {
  activation_nonzeros_.assign(layout.stride, 0);
  int16_t* nonzeros = activation_nonzeros_.data();
  for (uint64_t p = 0; p < count; ++p) {
    const int16_t* row = activations_.data() + p * layout.stride;
    for (std::size_t i = 0; i < layout.stride; ++i) {
      nonzeros[i] = static_cast<int16_t>(nonzeros[i] + (row[i] != 0));
    }
  }
  uint64_t active = 0;
  const uint32_t* weights = weight_nonzeros_.data() + slice * layout.stride;
  for (std::size_t i = 0; i < layout.reduction; ++i) {
    active += static_cast<uint64_t>(nonzeros[i]) * weights[i];
  }
  return active;
}

class ComputeUnit::Client final : public ArrayClient {
 public:
  Client(ComputeUnit& unit, Job& job, const abi::ComputeRun& run, uint32_t first_channel,
         const Layout& layout)
      : unit_(unit),
        job_(job),
        config_(job.config),
        run_(run),
        first_channel_(first_channel),
        slices_(config_, run.channel_count),
        layout_(layout),
        window_(static_cast<uint64_t>(config_.pool_h) * config_.pool_w),
        path_(config_, run.channel_count) {
    unit_.activations_.clear();
  }

  PixelOperands pixels(uint64_t slice, uint64_t first, uint64_t count) override {
    unit_.fetch_activations(config_, run_, layout_, slice, first, count);
    if (slice * layout_.shape.pixels + first == counted_) {
      active_macs_ += unit_.active_macs(layout_, slice, count);
      counted_ += count;
    }
    return {{unit_.activations_.data(), layout_.stride}, unit_.positions_.data()};
  }

  void take(const ResultBlock& block) override {
    if (config_.residual_bits != 0) {
      unit_.fetch_residuals(config_, run_, block.first_pixel, block.pixels);
    }
    unit_.values_.resize(block.pixels);
    unit_.outputs_.resize(block.pixels);
    const uint64_t first_output = block.first_pixel / window_;
    for (uint64_t k = 0; k < block.channels; ++k) {
      const int32_t* values = block.values + k * block.stride;
      const Row row(slices_, block.first_channel + k);
      if (slices_.positions > 1) {
        stage_spread(row, block.first_pixel, values, block.pixels);
        continue;
      }
      if (config_.residual_bits != 0) {
        std::copy(values, values + block.pixels, unit_.values_.data());
        values = unit_.values_.data();
        path_.add_residual(unit_.values_.data(), block.pixels,
                           unit_.residuals_.data() + row.channel, run_.channel_count);
      }
      stage(row.channel, first_output,
            path_.pool(row.channel, values, block.pixels, unit_.outputs_.data()));
    }
  }

  uint64_t active_macs() const { return active_macs_; }
  uint64_t saturations() const { return path_.saturations(); }

 private:
  void stage(uint64_t channel, uint64_t first_output, std::size_t count) {
    uint8_t* pixel = job_.staged.data() + first_output * job_.staged_pixel_bytes;
    for (std::size_t o = 0; o < count; ++o, pixel += job_.staged_pixel_bytes) {
      put_element(pixel, first_channel_ + channel, config_.output_bits, unit_.outputs_[o]);
    }
  }

  /// The outputs of one position of blocks; those outside of the tile are dropped.
  void stage_spread(const Row& row, uint64_t first_block, const int32_t* values, uint64_t count) {
    const uint64_t columns = chip::block_columns(config_, run_);
    for (uint64_t n = 0; n < count; ++n) {
      const uint64_t block = first_block + n;
      const uint64_t y = block / columns * config_.spread_y + row.position / config_.spread_x;
      const uint64_t x = block % columns * config_.spread_x + row.position % config_.spread_x;
      if (y >= run_.y_count || x >= run_.x_count) continue;
      put_element(job_.staged.data() + (y * run_.x_count + x) * job_.staged_pixel_bytes,
                  first_channel_ + row.channel, config_.output_bits, values[n]);
    }
  }

  ComputeUnit& unit_;
  Job& job_;
  const abi::ComputeConfig& config_;
  const abi::ComputeRun& run_;
  const uint64_t first_channel_;  ///< of the array's RUN, within the command's
  const Slices slices_;
  const Layout& layout_;
  const uint64_t window_;
  OutputPath path_;
  uint64_t counted_ = 0;  ///< pixels of all slices whose operands have been looked at
  uint64_t active_macs_ = 0;
};

void ComputeUnit::count_events(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                               const Layout& layout, uint64_t bank_lines,
                               EventCounts& events) const {
  const chip::RunShape& shape = layout.shape;
  const uint64_t reduction =
      static_cast<uint64_t>(config.segments_y) * config.segments_x * config.segment_elements;
  events.runs = 1;
  events.tiles = shape.tiles();
  events.macs = shape.channels * shape.pixels * reduction;
  events.lane_slots = shape.tiles() * shape.rows * shape.columns * layout.reduction;
  events.accumulations = shape.channels * shape.pixels * shape.steps;
  events.outputs = static_cast<uint64_t>(run.y_count) * run.x_count * run.channel_count;

  const auto read = [&](Memory memory, uint64_t bytes) {
    events.scratchpad_bytes_read[static_cast<std::size_t>(memory)] += bytes;
  };
  const auto operand_memory = [&](uint64_t address) {
    return memories_.memory_at(address, 1).value_or(Memory::kActivations);
  };
  read(operand_memory(run.activation_address), bank_lines * chip::kBankLineBytes);
  read(Memory::kWeights,
       shape.groups() * run.channel_count * layout.weights.per_channel * layout.weights.bytes);
  read(Memory::kParameters, run.channel_count * sizeof(abi::ChannelParameters));
  if (config.residual_bits != 0) {
    read(operand_memory(run.residual_address), shape.pixels * layout.residual_bytes);
  }
  events.scratchpad_bytes_written[static_cast<std::size_t>(operand_memory(run.output_address))] +=
      static_cast<uint64_t>(run.y_count) * run.x_count * layout.output_bytes;
}

void ComputeUnit::compute(Job& job) {
  const auto start = std::chrono::steady_clock::now();
  for (uint64_t number = 0; number < job.parts.count && !job.fault; ++number) {
    compute_part(job, number);
  }
  job.events.runs = 1;
  job.computing = std::chrono::steady_clock::now() - start;
}

void ComputeUnit::compute_part(Job& job, uint64_t number) {
  const abi::ComputeConfig& config = job.config;
  const uint32_t first_channel = job.parts.first_channel(number);
  const abi::ComputeRun run = part_of(config, job.run, job.parts, number);
  const Layout layout(config, run, npu_);
  const chip::BankDemand& demand = job.demands[number];
  unpack_weights(config, run, layout);
  const Slices slices(config, run.channel_count);
  row_parameters_.resize(layout.shape.channels);
  for (uint64_t k = 0; k < row_parameters_.size(); ++k) {
    row_parameters_[k] = job.parameters[first_channel + Row(slices, k).channel];
  }
  Client client(*this, job, run, first_channel, layout);
  ArrayRun array_run{};
  array_run.mode = layout.mode;
  array_run.shape = layout.shape;
  array_run.bank_cycles = &demand.cycles;
  array_run.weights = {weights_.data(), layout.stride};
  array_run.rescaling = {config.stochastic != 0, config.seed, run.channel_first, config.low,
                         config.high};
  array_run.parameters = row_parameters_.data();
  const ArrayResult answer = array_->run(array_run, client);
  job.cycles.total += answer.cycles.total;
  job.cycles.bank += answer.cycles.bank;
  if (answer.overflow.happened) {
    const uint32_t channel = Row(slices, answer.overflow.channel).channel;
    job.fault = {abi::NpuError::kAccumulatorOverflow, run.channel_first + channel};
    return;
  }
  EventCounts events;
  count_events(config, run, layout, demand.lines, events);
  const uint64_t active = client.active_macs();
  events.saturations = answer.saturations + client.saturations();
  events.gated_macs = events.macs - active;
  events.pe[chip::pe_mode_index(layout.mode)] = pe_events(layout.shape, active);
  job.events += events;
}

}  // namespace tessera::npu
