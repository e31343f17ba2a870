#include "npu/compute_unit.hpp"

#include <algorithm>
#include <cstring>

#include "npu/compute_job.hpp"

namespace tessera::npu {

namespace {

/// RUNs of fewer steps of a PE are computed before another thread would have woken up.
constexpr uint64_t kStepsWorthAThread = 1U << 14;

/// RUNs that have ended while their values are computed; each holds its outputs.
constexpr std::size_t kMostPending = 8;

__extension__ using Wide = unsigned __int128;

/// Bytes from the start of the first to the end of the last of y by x items at the given strides.
uint64_t span_bytes(uint64_t y, uint64_t y_stride, uint64_t x, uint64_t x_stride, uint64_t bytes) {
  const Wide span = static_cast<Wide>(y - 1) * y_stride + static_cast<Wide>(x - 1) * x_stride;
  return span > UINT32_MAX ? UINT64_MAX / 2 : static_cast<uint64_t>(span) + bytes;
}

}  // namespace

abi::PeMode mode_of(const abi::ComputeConfig& config) {
  return {config.activation_bits, config.weight_bits, config.activation_signed != 0,
          config.p4 != 0};
}

abi::ComputeRun part_of(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                        const chip::ArrayRuns& parts, uint64_t number) {
  abi::ComputeRun part = chip::array_run(config, run, parts, number);
  const uint32_t channel = parts.first_channel(number);
  const chip::WeightStreams weights = chip::weight_streams(config);
  part.weight_address += static_cast<uint32_t>(channel * weights.per_channel * weights.pitch);
  part.residual_address += channel * config.residual_bits / 8;
  return part;
}

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
