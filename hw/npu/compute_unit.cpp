#include "npu/compute_unit.hpp"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "npu/packing.hpp"

namespace tessera::npu {

namespace {

/// RUNs of fewer steps of a PE are computed before another thread would have woken up.
constexpr uint64_t kStepsWorthAThread = 1U << 14;

/// RUNs that have ended while their values are computed; each holds its outputs.
constexpr std::size_t kMostPending = 8;

__extension__ using Wide = unsigned __int128;

std::size_t round_up(std::size_t value, std::size_t step) {
  return (value + step - 1) / step * step;
}

ElementFormat format_of(bool is_signed) {
  return is_signed ? ElementFormat::kSigned : ElementFormat::kUnsigned;
}

ElementFormat weight_format(const abi::ComputeConfig& config) {
  return config.p4 != 0 ? ElementFormat::kP4 : ElementFormat::kSigned;
}

abi::PeMode mode_of(const abi::ComputeConfig& config) {
  return {config.activation_bits, config.weight_bits, config.activation_signed != 0,
          config.p4 != 0};
}

/// Bytes from the start of the first to the end of the last of y by x items at the given strides.
uint64_t span_bytes(uint64_t y, uint64_t y_stride, uint64_t x, uint64_t x_stride, uint64_t bytes) {
  const Wide span = static_cast<Wide>(y - 1) * y_stride + static_cast<Wide>(x - 1) * x_stride;
  return span > UINT32_MAX ? UINT64_MAX / 2 : static_cast<uint64_t>(span) + bytes;
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

/// RUN number `number` of the array, with the addresses of its own operands.
abi::ComputeRun part_of(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                        const chip::ArrayRuns& parts, uint64_t number) {
  abi::ComputeRun part = chip::array_run(config, run, parts, number);
  const uint32_t channel = parts.first_channel(number);
  const chip::WeightStreams weights = chip::weight_streams(config);
  part.weight_address += static_cast<uint32_t>(channel * weights.per_channel * weights.pitch);
  part.residual_address += channel * config.residual_bits / 8;
  return part;
}

PeEvents pe_events(const chip::RunShape& shape, uint64_t active_macs) {
  return {shape.channels * shape.pixels * shape.steps, active_macs,
          shape.blocks() * shape.pixels * shape.steps,
          shape.groups() * shape.channels * shape.steps};
}

}  // namespace

struct ComputeUnit::Layout {
  Layout(const abi::ComputeConfig& config, const abi::ComputeRun& run, const chip::Npu& npu)
      : mode(mode_of(config)),
        shape(chip::run_shape(config, run, npu.rows, npu.columns)),
        lanes(static_cast<std::size_t>(abi::lanes(mode))),
        segment_lanes(round_up(config.segment_elements, lanes)),
        reduction(shape.steps * lanes),
        stride(round_up(reduction, kOperandAlignment)),
        weights(chip::weight_streams(config)),
        rows((static_cast<uint64_t>(run.y_count) - 1) * config.pool_stride_y + config.pool_h),
        columns((static_cast<uint64_t>(run.x_count) - 1) * config.pool_stride_x + config.pool_w),
        output_bytes(packed_bytes(run.channel_count, config.output_bits)),
        residual_bytes(packed_bytes(run.channel_count, config.residual_bits)) {}

  /// Sets of operands.
  uint64_t slices() const { return shape.sliced ? shape.blocks() : 1; }
  uint64_t slice_of(uint64_t row) const { return shape.sliced ? row / shape.rows : 0; }

  abi::PeMode mode;
  chip::RunShape shape;
  std::size_t lanes;
  std::size_t segment_lanes;  ///< lanes of one segment, padding included
  std::size_t reduction;      ///< T * L
  std::size_t stride;         ///< of operand matrices
  chip::WeightStreams weights;
  uint64_t rows, columns;                 ///< convolution pixels the tile spans
  uint64_t output_bytes, residual_bytes;  ///< of one pixel
};

struct ComputeUnit::Job {
  abi::ComputeConfig config{};
  abi::ComputeRun run{};
  std::vector<Operand> operands;
  AddressSpan outputs;
  std::vector<abi::ChannelParameters> parameters;
  chip::ArrayRuns parts;
  std::vector<chip::BankDemand> demands;  ///< of each part

  std::vector<uint8_t> staged;  ///< packed outputs, pixel by pixel
  std::size_t staged_pixel_bytes = 0;
  std::optional<Fault> fault;
  chip::RunCycles cycles;
  EventCounts events;
  std::chrono::duration<double> computing{};

  uint32_t layer = 0;
  common::Worker::Ticket ticket = 0;  ///< of what is left to do in another thread; 0: nothing
};

ComputeUnit::~ComputeUnit() = default;

ComputeUnit::ComputeUnit(const chip::Npu& npu, LocalMemories& memories,
                         std::unique_ptr<ArrayBackend> array)
    : npu_(npu), memories_(memories), array_(std::move(array)) {}

std::optional<Fault> ComputeUnit::check_span(uint64_t address, uint64_t bytes, Memory memory,
                                             bool or_outputs) const {
  const auto found = memories_.memory_at(address, bytes);
  if (found == memory || (or_outputs && found == Memory::kOutputs)) return std::nullopt;
  const uint64_t bad = memories_.first_bad_address(address, bytes);
  return Fault{abi::NpuError::kBadAddress, static_cast<uint32_t>(bad)};
}

std::vector<ComputeUnit::Operand> ComputeUnit::operands(const abi::ComputeConfig& config,
                                                        const abi::ComputeRun& run,
                                                        const Layout& layout) {
  std::vector<Operand> operands;
  if (run.input_rows != 0 && run.input_columns != 0) {
    // Slices read within the pixel; a RUN may begin with a later one.
    const uint64_t slices =
        config.slice_channels == 0 ? 1 : (run.channel_count - 1) / config.slice_channels + 1;
    const uint64_t pixel = config.slice_channels == 0
                               ? config.input_pixel_pitch
                               : (slices - 1) * uint64_t{config.slice_stride} +
                                     packed_bytes(config.segment_elements, config.activation_bits);
    const uint64_t held = span_bytes(run.input_rows, config.input_row_pitch, run.input_columns,
                                     config.input_pixel_pitch, pixel);
    operands.push_back({{run.activation_address, held}, Memory::kActivations, true});
  }
  const uint64_t streams = uint64_t{run.channel_count} * layout.weights.per_channel;
  operands.push_back(
      {{run.weight_address, streams * layout.weights.pitch}, Memory::kWeights, false});
  operands.push_back(
      {{run.parameter_address, uint64_t{run.channel_count} * sizeof(abi::ChannelParameters)},
       Memory::kParameters,
       false});
  if (config.residual_bits != 0) {
    const uint64_t residuals = span_bytes(layout.rows, config.residual_row_pitch, layout.columns,
                                          config.residual_pixel_pitch, layout.residual_bytes);
    operands.push_back({{run.residual_address, residuals}, Memory::kActivations, true});
  }
  return operands;
}

AddressSpan ComputeUnit::output_span(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                                     const Layout& layout) {
  return {run.output_address, span_bytes(run.y_count, config.output_row_pitch, run.x_count,
                                         config.output_pixel_pitch, layout.output_bytes)};
}

std::optional<Fault> ComputeUnit::check_run(const abi::ComputeConfig& config,
                                            const abi::ComputeRun& run,
                                            const Layout& layout) const {
  std::vector<Operand> all = operands(config, run, layout);
  all.push_back({output_span(config, run, layout), Memory::kActivations, true});
  for (const Operand& o : all) {
    const auto fault = check_span(o.span.address, o.span.bytes, o.memory, o.or_outputs);
    if (fault) return fault;
  }
  return std::nullopt;
}

std::optional<Fault> ComputeUnit::read_parameters(const abi::ComputeRun& run, Job& job) const {
  job.parameters.resize(run.channel_count);
  std::memcpy(job.parameters.data(), memories_.at(run.parameter_address),
              run.channel_count * sizeof(abi::ChannelParameters));
  for (uint32_t k = 0; k < run.channel_count; ++k) {
    if (job.parameters[k].shift > 47) {
      return Fault{abi::NpuError::kIllegalMode, kParameterChannel + k};
    }
  }
  return std::nullopt;
}

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

ComputeUnit::Started ComputeUnit::start(const abi::ComputeConfig& config,
                                        const abi::ComputeRun& run) {
  const auto illegal = [](std::size_t offset) {
    return Started{Fault{abi::NpuError::kIllegalMode, kRunWord + static_cast<uint32_t>(offset / 4)},
                   {}};
  };
  if (run.channel_count == 0) return illegal(offsetof(abi::ComputeRun, channel_count));
  if (run.y_count == 0) return illegal(offsetof(abi::ComputeRun, y_count));
  const uint64_t outputs = static_cast<uint64_t>(run.y_count) * run.x_count;
  const uint64_t window = static_cast<uint64_t>(config.pool_h) * config.pool_w;
  if (outputs == 0 || outputs > kMaxRunPixels / window) {
    return illegal(offsetof(abi::ComputeRun, x_count));
  }
  const Layout layout(config, run, npu_);
  if (const auto fault = check_run(config, run, layout)) return {fault, {}};
  auto job = std::make_shared<Job>();
  if (const auto fault = read_parameters(run, *job)) return {fault, {}};
  job->config = config;
  job->run = run;
  job->operands = operands(config, run, layout);
  job->outputs = output_span(config, run, layout);
  job->staged_pixel_bytes = layout.output_bytes;
  job->staged.assign(outputs * layout.output_bytes, 0);
  job->parts = chip::array_runs(config, run, npu_.rows);
  chip::RunCycles known;
  uint64_t steps = 0;
  for (uint64_t number = 0; number < job->parts.count; ++number) {
    const abi::ComputeRun part = part_of(config, run, job->parts, number);
    const chip::RunShape shape = chip::run_shape(config, part, npu_.rows, npu_.columns);
    job->demands.push_back(chip::bank_demand(config, part, shape, npu_.scratchpads.banks));
    const chip::RunCycles cycles = chip::run_cycles(shape, job->demands.back().cycles);
    known.total += cycles.total;
    known.bank += cycles.bank;
    steps += shape.channels * shape.pixels * shape.steps;
  }
  current_ = job;
  const bool small = steps < kStepsWorthAThread && worker_.idle();
  if (!small && array_->predictable(layout.mode, layout.reduction)) {
    job->ticket = worker_.push([this, job] { compute(*job); });
    return {std::nullopt, known};
  }
  worker_.wait_for_all();
  compute(*job);
  return {job->fault, job->cycles};
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

void ComputeUnit::finish(uint32_t layer) {
  const std::shared_ptr<Job> job = std::move(current_);
  job->layer = layer;
  if (job->ticket == 0) {
    write_outputs(*job);
  } else {
    job->ticket = worker_.push([this, job] { write_outputs(*job); });
  }
  pending_.push_back(job);
  if (pending_.size() > kMostPending)
    worker_.wait(pending_[pending_.size() - kMostPending]->ticket);
}

void ComputeUnit::write_outputs(const Job& job) {
  const uint8_t* pixel = job.staged.data();
  for (uint32_t y = 0; y < job.run.y_count; ++y) {
    uint64_t address = job.run.output_address + uint64_t{y} * job.config.output_row_pitch;
    for (uint32_t x = 0; x < job.run.x_count; ++x) {
      std::memcpy(memories_.at(address), pixel, job.staged_pixel_bytes);
      pixel += job.staged_pixel_bytes;
      address += job.config.output_pixel_pitch;
    }
  }
}

void ComputeUnit::before_read(const AddressSpan& span) {
  for (const auto& job : pending_) {
    if (job->outputs.overlaps(span)) worker_.wait(job->ticket);
  }
}

void ComputeUnit::before_write(const AddressSpan& span) {
  before_read(span);
  const auto reads = [&](const Job& job) {
    return std::any_of(job.operands.begin(), job.operands.end(), [&](const Operand& o) {
      return o.memory != Memory::kParameters && o.span.overlaps(span);  // those were read at once
    });
  };
  for (const auto& job : pending_) {
    if (reads(*job)) worker_.wait(job->ticket);
  }
  if (current_ && reads(*current_)) worker_.wait(current_->ticket);
}

void ComputeUnit::collect(bool all,
                          const std::function<void(uint32_t, const EventCounts&)>& count) {
  while (!pending_.empty()) {
    const Job& job = *pending_.front();
    if (all) worker_.wait(job.ticket);
    if (!worker_.done(job.ticket)) return;
    count(job.layer, job.events);
    kernel_seconds_ += job.computing.count();
    pending_.pop_front();
  }
}

}  // namespace tessera::npu
