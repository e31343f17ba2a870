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
  demands_.clear();
  slices_.clear();
}

RunTiming::Run RunTiming::run(const abi::ComputeRun& run) {
  Run sum;
  const uint32_t step = config_.slice_channels == 0 ? run.channel_count : config_.slice_channels;
  for (uint32_t first = 0; first < run.channel_count; first += step) {
    abi::ComputeRun part = run;
    part.channel_count = std::min(step, run.channel_count - first);
    part.activation_address += first / step * config_.slice_stride;
    const Run& found = slice(part);
    sum.cycles.total += found.cycles.total;
    sum.cycles.bank += found.cycles.bank;
    sum.events += found.events;
  }
  sum.events.runs = 1;
  return sum;
}

const chip::BankDemand& RunTiming::demand(const abi::ComputeRun& run) {
  const Pixels key{run.activation_address % chip::kBankLineBytes, run.y_count, run.x_count};
  const auto known = demands_.find(key);
  if (known != demands_.end()) return known->second;
  return demands_[key] = chip::bank_demand(config_, run, npu_.columns, npu_.scratchpads.banks);
}

const RunTiming::Run& RunTiming::slice(const abi::ComputeRun& run) {
  const Slice key{{run.activation_address % chip::kBankLineBytes, run.y_count, run.x_count},
                  run.channel_count};
  const auto known = slices_.find(key);
  if (known != slices_.end()) return known->second;
  const chip::BankDemand& banks = demand(run);
  const chip::RunShape shape = chip::run_shape(config_, run, npu_.rows, npu_.columns);
  Run& found = slices_[key];
  found.cycles = chip::run_cycles(shape, banks.cycles);
  found.events = count_events(run, banks.lines);
  return found;
}

npu::EventCounts RunTiming::count_events(const abi::ComputeRun& run, uint64_t bank_lines) const {
  const abi::PeMode mode = mode_of(config_);
  const chip::RunShape shape = chip::run_shape(config_, run, npu_.rows, npu_.columns);
  const uint64_t reduction =
      uint64_t{config_.segments_y} * config_.segments_x * config_.segment_elements;
  const auto weight_word_bits = static_cast<uint64_t>(abi::weight_word_bits(mode));
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
  read[memory_of(run.activation_address)] += bank_lines * chip::kBankLineBytes * shape.blocks();
  read[memory_of(run.weight_address)] +=
      shape.groups() * shape.channels * (shape.steps * weight_word_bits / 8);
  read[memory_of(run.parameter_address)] += shape.channels * sizeof(abi::ChannelParameters);
  if (config_.residual_bits != 0) {
    read[memory_of(run.residual_address)] +=
        shape.pixels * packed_bytes(run.channel_count, config_.residual_bits);
  }
  events.scratchpad_bytes_written[memory_of(run.output_address)] +=
      pixels * packed_bytes(run.channel_count, config_.output_bits);
  return events;
}

}  // namespace tessera::estimate
