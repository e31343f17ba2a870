#pragma once

/// What compute_unit.cpp and compute_values.cpp share: the derived sizes of a RUN, and a RUN from
/// its start to the writing of its outputs.

#include <chrono>
#include <cstdint>
#include <optional>
#include <vector>

#include "npu/compute_unit.hpp"
#include "npu/packing.hpp"

namespace tessera::npu {

inline std::size_t round_up(std::size_t value, std::size_t step) {
  return (value + step - 1) / step * step;
}

/// RUN number `number` of the array, with the addresses of its own operands.
abi::ComputeRun part_of(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                        const chip::ArrayRuns& parts, uint64_t number);

abi::PeMode mode_of(const abi::ComputeConfig& config);

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

}  // namespace tessera::npu
