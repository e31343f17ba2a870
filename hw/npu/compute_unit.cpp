#include "npu/compute_unit.hpp"

#include <algorithm>
#include <cstring>

#include "npu/packing.hpp"

namespace tessera::npu {

namespace {

__extension__ using Wide = unsigned __int128;

/// Convolution pixels worked on at a time, unless their operands exceed the element limit.
constexpr std::size_t kChunkPixels = 256;
constexpr std::size_t kChunkElements = 1U << 22;

std::size_t round_up(std::size_t value, std::size_t step) {
  return (value + step - 1) / step * step;
}

ElementFormat format_of(bool is_signed) {
  return is_signed ? ElementFormat::kSigned : ElementFormat::kUnsigned;
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

}  // namespace

struct ComputeUnit::Layout {
  Layout(const abi::ComputeConfig& config, const abi::ComputeRun& run, const chip::Npu& npu)
      : mode(mode_of(config)),
        shape(chip::run_shape(config, run, npu.rows, npu.columns)),
        lanes(static_cast<std::size_t>(abi::lanes(mode))),
        segment_lanes(round_up(config.segment_elements, lanes)),
        reduction(shape.steps * lanes),
        stride(round_up(reduction, kOperandAlignment)),
        weight_bytes(shape.steps * static_cast<uint64_t>(abi::weight_word_bits(mode)) / 8),
        stream_bytes((weight_bytes + 15) / 16 * 16),
        rows((static_cast<uint64_t>(run.y_count) - 1) * config.pool_stride_y + config.pool_h),
        columns((static_cast<uint64_t>(run.x_count) - 1) * config.pool_stride_x + config.pool_w),
        output_bytes(packed_bytes(run.channel_count, config.output_bits)),
        residual_bytes(packed_bytes(run.channel_count, config.residual_bits)) {}

  abi::PeMode mode;
  chip::RunShape shape;
  std::size_t lanes;
  std::size_t segment_lanes;  ///< lanes of one segment, padding included
  std::size_t reduction;      ///< T * L
  std::size_t stride;         ///< of operand matrices
  uint64_t weight_bytes;      ///< of one channel, without the padding to 16
  uint64_t stream_bytes;
  uint64_t rows, columns;                 ///< convolution pixels the tile spans
  uint64_t output_bytes, residual_bytes;  ///< of one pixel
};

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

std::optional<Fault> ComputeUnit::check_run(const abi::ComputeConfig& config,
                                            const abi::ComputeRun& run,
                                            const Layout& layout) const {
  const auto activations = [&]() -> std::optional<Fault> {
    const uint64_t segment = packed_bytes(config.segment_elements, config.activation_bits);
    const uint64_t pixel = span_bytes(config.segments_y, config.segment_stride_y, config.segments_x,
                                      config.segment_stride_x, segment);
    const uint64_t tile = span_bytes(layout.rows, config.pixel_stride_y, layout.columns,
                                     config.pixel_stride_x, pixel);
    return check_span(run.activation_address, tile, Memory::kActivations, true);
  };
  if (const auto fault = activations()) return fault;
  if (const auto fault = check_span(run.weight_address, run.channel_count * layout.stream_bytes,
                                    Memory::kWeights, false)) {
    return fault;
  }
  if (const auto fault =
          check_span(run.parameter_address,
                     static_cast<uint64_t>(run.channel_count) * sizeof(abi::ChannelParameters),
                     Memory::kParameters, false)) {
    return fault;
  }
  const uint64_t outputs = span_bytes(run.y_count, config.output_row_pitch, run.x_count,
                                      config.output_pixel_pitch, layout.output_bytes);
  if (const auto fault = check_span(run.output_address, outputs, Memory::kActivations, true)) {
    return fault;
  }
  if (config.residual_bits == 0) return std::nullopt;
  const uint64_t residuals = span_bytes(layout.rows, config.residual_row_pitch, layout.columns,
                                        config.residual_pixel_pitch, layout.residual_bytes);
  return check_span(run.residual_address, residuals, Memory::kActivations, true);
}

std::optional<Fault> ComputeUnit::read_parameters(const abi::ComputeRun& run) {
  parameters_.resize(run.channel_count);
  std::memcpy(parameters_.data(), memories_.at(run.parameter_address),
              run.channel_count * sizeof(abi::ChannelParameters));
  for (uint32_t k = 0; k < run.channel_count; ++k) {
    if (parameters_[k].shift > 47) {
      return Fault{abi::NpuError::kIllegalMode, kParameterChannel + k};
    }
  }
  return std::nullopt;
}

void ComputeUnit::unpack_weights(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                                 const Layout& layout) {
  const auto format = config.p4 != 0 ? ElementFormat::kP4 : ElementFormat::kSigned;
  const std::size_t padding = layout.segment_lanes - config.segment_elements;
  const std::size_t segments = layout.reduction / layout.segment_lanes;
  weights_.assign(run.channel_count * layout.stride, 0);
  weight_nonzeros_.assign(layout.stride, 0);
  for (uint32_t k = 0; k < run.channel_count; ++k) {
    int16_t* row = weights_.data() + k * layout.stride;
    unpack(memories_.at(run.weight_address + k * layout.stream_bytes), layout.reduction,
           config.weight_bits, format, row);
    for (std::size_t s = 0; padding != 0 && s < segments; ++s) {
      int16_t* end = row + (s + 1) * layout.segment_lanes;
      std::fill(end - padding, end, int16_t{0});
    }
    for (std::size_t i = 0; i < layout.reduction; ++i) weight_nonzeros_[i] += row[i] != 0;
  }
}

void ComputeUnit::place_pixels(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                               uint64_t first_pixel, std::size_t count) {
  const uint64_t window = static_cast<uint64_t>(config.pool_h) * config.pool_w;
  pixels_.resize(count);
  positions_.resize(count);
  for (std::size_t p = 0; p < count; ++p) {
    const uint64_t output = (first_pixel + p) / window;
    const uint64_t tap = (first_pixel + p) % window;
    Pixel& pixel = pixels_[p];
    pixel.v = output / run.x_count * config.pool_stride_y + tap / config.pool_w;
    pixel.u = output % run.x_count * config.pool_stride_x + tap % config.pool_w;
    const uint64_t y = static_cast<uint64_t>(run.y_first) * config.pool_stride_y + pixel.v;
    const uint64_t x = static_cast<uint64_t>(run.x_first) * config.pool_stride_x + pixel.u;
    positions_[p] = static_cast<uint32_t>(y * config.convolution_width + x);
  }
}

void ComputeUnit::fetch_activations(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                                    const Layout& layout, std::size_t count) {
  // Padding lanes are zero from the start and never written.
  const ElementFormat format = format_of(config.activation_signed != 0);
  for (std::size_t p = 0; p < count; ++p) {
    const uint64_t base = run.activation_address + pixels_[p].v * config.pixel_stride_y +
                          pixels_[p].u * config.pixel_stride_x;
    int16_t* out = activations_.data() + p * layout.stride;
    for (uint32_t j = 0; j < config.segments_y; ++j) {
      uint64_t address = base + static_cast<uint64_t>(j) * config.segment_stride_y;
      for (uint32_t i = 0; i < config.segments_x; ++i) {
        unpack(memories_.at(address), config.segment_elements, config.activation_bits, format, out);
        address += config.segment_stride_x;
        out += layout.segment_lanes;
      }
    }
  }
}

void ComputeUnit::fetch_residuals(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                                  std::size_t count) {
  const std::size_t channels = run.channel_count;
  const bool is_signed = config.residual_signed != 0;
  std::vector<int16_t> row(channels);
  residuals_.resize(count * channels);
  for (std::size_t p = 0; p < count; ++p) {
    const uint64_t address = run.residual_address + pixels_[p].v * config.residual_row_pitch +
                             pixels_[p].u * config.residual_pixel_pitch;
    unpack(memories_.at(address), channels, config.residual_bits, format_of(is_signed), row.data());
    for (std::size_t k = 0; k < channels; ++k) {
      residuals_[p * channels + k] = element_value(row[k], config.residual_bits, is_signed);
    }
  }
}

/// MACs of the fetched pixels in which neither operand is zero. At each place of the reduction
/// every channel meets every pixel, so the counts of non-zero operands multiply.
uint64_t ComputeUnit::active_macs(const Layout& layout, std::size_t count) {
  activation_nonzeros_.assign(layout.stride, 0);
  int16_t* nonzeros = activation_nonzeros_.data();
  for (std::size_t p = 0; p < count; ++p) {
    const int16_t* row = activations_.data() + p * layout.stride;
    for (std::size_t i = 0; i < layout.stride; ++i) {
      nonzeros[i] = static_cast<int16_t>(nonzeros[i] + (row[i] != 0));
    }
  }
  uint64_t active = 0;
  for (std::size_t i = 0; i < layout.reduction; ++i) {
    active += static_cast<uint64_t>(nonzeros[i]) * weight_nonzeros_[i];
  }
  return active;
}

/// Takes `count` pixels from accumulators to staged outputs; returns the outputs they completed.
std::size_t ComputeUnit::finish_pixels(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                                       OutputPath& path, std::size_t count, uint64_t first_output) {
  values_.resize(count);
  outputs_.resize(count);
  std::size_t completed = 0;
  for (uint32_t k = 0; k < run.channel_count; ++k) {
    path.rescale(accumulators_.data() + k * count, count, parameters_[k], run.channel_first + k,
                 positions_.data(), values_.data());
    if (config.residual_bits != 0) {
      path.add_residual(values_.data(), count, residuals_.data() + k, run.channel_count);
    }
    completed = path.pool(k, values_.data(), count, outputs_.data());
    uint8_t* pixel = staged_.data() + first_output * staged_pixel_bytes_;
    for (std::size_t o = 0; o < completed; ++o, pixel += staged_pixel_bytes_) {
      put_element(pixel, k, config.output_bits, outputs_[o]);
    }
  }
  return completed;
}

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
  read(operand_memory(run.activation_address), bank_lines * chip::kBankLineBytes * shape.blocks());
  read(Memory::kWeights, shape.groups() * shape.channels * layout.weight_bytes);
  read(Memory::kParameters, shape.channels * sizeof(abi::ChannelParameters));
  if (config.residual_bits != 0) {
    read(operand_memory(run.residual_address), shape.pixels * layout.residual_bytes);
  }
  events.scratchpad_bytes_written[static_cast<std::size_t>(operand_memory(run.output_address))] +=
      static_cast<uint64_t>(run.y_count) * run.x_count * layout.output_bytes;
}

ComputeUnit::Run ComputeUnit::run(const abi::ComputeConfig& config, const abi::ComputeRun& run) {
  Run result;
  const auto illegal = [&](std::size_t offset) {
    result.fault = {abi::NpuError::kIllegalMode, kRunWord + static_cast<uint32_t>(offset / 4)};
    return result;
  };
  if (run.channel_count == 0) return illegal(offsetof(abi::ComputeRun, channel_count));
  if (run.y_count == 0) return illegal(offsetof(abi::ComputeRun, y_count));
  const uint64_t outputs = static_cast<uint64_t>(run.y_count) * run.x_count;
  const uint64_t window = static_cast<uint64_t>(config.pool_h) * config.pool_w;
  if (outputs == 0 || outputs > kMaxRunPixels / window) {
    return illegal(offsetof(abi::ComputeRun, x_count));
  }
  const Layout layout(config, run, npu_);
  if ((result.fault = check_run(config, run, layout))) return result;
  if ((result.fault = read_parameters(run))) return result;

  const chip::BankDemand demand =
      chip::bank_demand(config, run, npu_.columns, npu_.scratchpads.banks);
  unpack_weights(config, run, layout);
  array_->begin_run({layout.mode, layout.shape, &demand.cycles, {weights_.data(), layout.stride}});

  const std::size_t limit =
      std::clamp<std::size_t>(kChunkElements / layout.stride, 1, kChunkPixels);
  const std::size_t chunk = std::min<uint64_t>(round_up(limit, npu_.columns), layout.shape.pixels);
  activations_.assign(chunk * layout.stride, 0);
  accumulators_.resize(run.channel_count * chunk);
  staged_pixel_bytes_ = layout.output_bytes;
  staged_.assign(outputs * staged_pixel_bytes_, 0);
  OutputPath path(config, run.channel_count);
  uint64_t active = 0;
  uint64_t first_output = 0;
  for (uint64_t first = 0; first < layout.shape.pixels; first += chunk) {
    const auto count = std::min<uint64_t>(chunk, layout.shape.pixels - first);
    place_pixels(config, run, first, count);
    fetch_activations(config, run, layout, count);
    active += active_macs(layout, count);
    array_->compute(first, count, {activations_.data(), layout.stride}, accumulators_.data(),
                    count);
    if (config.residual_bits != 0) fetch_residuals(config, run, count);
    first_output += finish_pixels(config, run, path, count, first_output);
  }
  result.cycles = array_->end_run();
  if (const ArrayOverflow overflow = array_->overflow(); overflow.happened) {
    result.fault = {abi::NpuError::kAccumulatorOverflow,
                    run.channel_first + static_cast<uint32_t>(overflow.channel)};
    return result;
  }
  count_events(config, run, layout, demand.lines, result.events);
  result.events.saturations = path.saturations();
  result.events.gated_macs = result.events.macs - active;
  const uint64_t bricks = static_cast<uint64_t>(config.activation_bits / 2) *
                          static_cast<uint64_t>(config.weight_bits / 2);
  result.events.brick_cycles = config.p4 != 0 ? 0 : active * bricks;
  result.events.shift_add_bits = config.p4 != 0 ? active * config.activation_bits : 0;
  staged_run_ = run;
  staged_pixel_pitch_ = config.output_pixel_pitch;
  staged_row_pitch_ = config.output_row_pitch;
  return result;
}

void ComputeUnit::commit() {
  const uint8_t* pixel = staged_.data();
  for (uint32_t y = 0; y < staged_run_.y_count; ++y) {
    uint64_t address = staged_run_.output_address + static_cast<uint64_t>(y) * staged_row_pitch_;
    for (uint32_t x = 0; x < staged_run_.x_count; ++x) {
      std::memcpy(memories_.at(address), pixel, staged_pixel_bytes_);
      pixel += staged_pixel_bytes_;
      address += staged_pixel_pitch_;
    }
  }
}

}  // namespace tessera::npu
