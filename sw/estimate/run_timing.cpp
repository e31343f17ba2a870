#include "estimate/run_timing.hpp"

#include <algorithm>
#include <cstddef>

#include "abi/number_formats.hpp"

namespace tessera::estimate {

namespace {

abi::PeMode mode_of(const abi::ComputeConfig& config) {
  return {config.activation_bits, config.weight_bits, config.activation_signed != 0,
          config.p4 != 0};
}

uint64_t packed_bytes(uint64_t elements, uint64_t bits) { return (elements * bits + 7) / 8; }

/// The local memory of an address.
std::size_t memory_of(uint32_t address) { return address / abi::kLocalRegionBytes; }

}  // namespace

void RunTiming::configure(const abi::ComputeConfig& config) {
  config_ = config;
  parts_.clear();
}

RunTiming::Run RunTiming::run(const abi::ComputeRun& run) {
  Run sum;
  const chip::ArrayRuns parts = chip::array_runs(config_, run, npu_.rows);
  for (uint64_t number = 0; number < parts.count; ++number) {
    const Run& found = part(chip::array_run(config_, run, parts, number));
    sum.cycles.total += found.cycles.total;
    sum.cycles.bank += found.cycles.bank;
    sum.events += found.events;
  }
  sum.events.runs = 1;
  return sum;
}

const RunTiming::Run& RunTiming::part(const abi::ComputeRun& run) {
  const Key key{run.activation_address % chip::kBankLineBytes,
                run.channel_count,
                run.y_count,
                run.x_count,
                run.input_row,
                run.input_column,
                run.input_rows,
                run.input_columns};
  const auto known = parts_.find(key);
  if (known != parts_.end()) return known->second;
  const chip::RunShape shape = chip::run_shape(config_, run, npu_.rows, npu_.columns);
  const chip::BankDemand banks = chip::bank_demand(config_, run, shape, npu_.scratchpads.banks);
  Run& found = parts_[key];
  found.cycles = chip::run_cycles(shape, banks.cycles);
  found.events = count_events(run, banks.lines);
  return found;
}

npu::EventCounts RunTiming::count_events(const abi::ComputeRun& run, uint64_t bank_lines) const {
  const abi::PeMode mode = mode_of(config_);
  const chip::RunShape shape = chip::run_shape(config_, run, npu_.rows, npu_.columns);
  const uint64_t reduction =
      uint64_t{config_.segments_y} * config_.segments_x * config_.segment_elements;
  const auto lanes = static_cast<uint64_t>(abi::lanes(mode));
  npu::EventCounts events;
  events.tiles = shape.tiles();
  events.macs = shape.channels * shape.pixels * reduction;
  events.lane_slots = shape.tiles() * shape.rows * shape.columns * shape.steps * lanes;
  events.accumulations = shape.channels * shape.pixels * shape.steps;
  events.pe[chip::pe_mode_index(mode)] = {events.accumulations, events.macs,
                                          shape.blocks() * shape.pixels * shape.steps,
                                          shape.groups() * shape.channels * shape.steps};
  const uint64_t pixels = uint64_t{run.y_count} * run.x_count;
  events.outputs = pixels * run.channel_count;

  auto& read = events.scratchpad_bytes_read;
  read[memory_of(run.activation_address)] += bank_lines * chip::kBankLineBytes;
  const chip::WeightStreams weights = chip::weight_streams(config_);
  read[memory_of(run.weight_address)] +=
      shape.groups() * run.channel_count * weights.per_channel * weights.bytes;
  read[memory_of(run.parameter_address)] += run.channel_count * sizeof(abi::ChannelParameters);
  if (config_.residual_bits != 0) {
    read[memory_of(run.residual_address)] +=
        shape.pixels * packed_bytes(run.channel_count, config_.residual_bits);
  }
  events.scratchpad_bytes_written[memory_of(run.output_address)] +=
      pixels * packed_bytes(run.channel_count, config_.output_bits);
  return events;
}

}  // namespace tessera::estimate
