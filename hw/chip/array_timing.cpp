#include "chip/array_timing.hpp"

#include <algorithm>
#include <stdexcept>

namespace tessera::chip {

namespace {

/// Lines asked of each bank by the ranges added so far; a range costs O(1) however long it is.
class BankCounter {
 public:
  explicit BankCounter(uint32_t banks) : edges_(banks + 1, 0) {}

  void add(uint64_t first_line, uint64_t lines) {
    const uint64_t banks = edges_.size() - 1;
    every_bank_ += static_cast<int64_t>(lines / banks);
    const uint64_t rest = lines % banks;
    if (rest == 0) return;
    const uint64_t begin = first_line % banks;
    const uint64_t end = begin + rest;
    ++edges_[begin];
    --edges_[std::min(end, banks)];
    if (end > banks) {
      ++edges_[0];
      --edges_[end - banks];
    }
  }

  /// The most lines of any bank; starts over.
  uint32_t take_maximum() {
    int64_t level = 0;
    int64_t highest = 0;
    for (int64_t& edge : edges_) {
      level += edge;
      highest = std::max(highest, level);
      edge = 0;
    }
    const int64_t maximum = every_bank_ + highest;
    every_bank_ = 0;
    return static_cast<uint32_t>(maximum);
  }

 private:
  std::vector<int64_t> edges_;
  int64_t every_bank_ = 0;
};

}  // namespace

uint64_t reduction_steps(const abi::ComputeConfig& config) {
  const auto lanes = static_cast<uint64_t>(abi::lanes(config.activation_bits, config.weight_bits));
  return static_cast<uint64_t>(config.segments_y) * config.segments_x *
         ((config.segment_elements + lanes - 1) / lanes);
}

WeightStreams weight_streams(const abi::ComputeConfig& config) {
  const abi::PeMode mode{config.activation_bits, config.weight_bits, config.activation_signed != 0,
                         config.p4 != 0};
  WeightStreams streams;
  if (config.slice_channels != 0) {
    const uint64_t weights =
        uint64_t{kernel_rows(config)} * kernel_columns(config) * config.group_inputs;
    streams.bytes = (weights * config.weight_bits + 7) / 8;
  } else {
    streams.bytes =
        reduction_steps(config) * static_cast<uint64_t>(abi::weight_word_bits(mode)) / 8;
    streams.per_channel = positions(config);
  }
  streams.pitch = (streams.bytes + 15) / 16 * 16;
  return streams;
}

uint64_t convolution_pixels(const abi::ComputeConfig& config, const abi::ComputeRun& run) {
  return uint64_t{block_rows(config, run)} * block_columns(config, run) * config.pool_h *
         config.pool_w;
}

ArrayRuns array_runs(const abi::ComputeConfig& config, const abi::ComputeRun& run, uint32_t rows) {
  const uint32_t slice = config.slice_channels;
  const bool separate =
      slice != 0 && slice < run.channel_count && slice * positions(config) != rows;
  if (!separate) return {1, run.channel_count};
  return {(uint64_t{run.channel_count} + slice - 1) / slice, slice};
}

abi::ComputeRun array_run(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                          const ArrayRuns& runs, uint64_t number) {
  abi::ComputeRun part = run;
  part.channel_first += runs.first_channel(number);
  part.channel_count = std::min(runs.channels, run.channel_count - runs.first_channel(number));
  part.activation_address += static_cast<uint32_t>(number) * config.slice_stride;
  return part;
}

RunShape run_shape(const abi::ComputeConfig& config, const abi::ComputeRun& run, uint32_t rows,
                   uint32_t columns) {
  RunShape shape;
  shape.rows = rows;
  shape.columns = columns;
  shape.channels = uint64_t{run.channel_count} * positions(config);
  shape.pixels = convolution_pixels(config, run);
  shape.steps = reduction_steps(config);
  shape.sliced = config.slice_channels != 0 && config.slice_channels < run.channel_count;
  return shape;
}

SegmentRead segment_read(const abi::ComputeConfig& config, const abi::ComputeRun& run, uint64_t v,
                         uint64_t u, uint32_t j, uint32_t i, uint64_t slice) {
  const auto place = [](int16_t first, uint64_t pixel, uint64_t pixel_step, uint64_t tap,
                        uint64_t tap_step) {
    return first + static_cast<int64_t>(pixel * pixel_step + tap * tap_step);
  };
  const int64_t row = place(run.input_row, v, config.pixel_step_y, j, config.tap_step_y);
  const int64_t column = place(run.input_column, u, config.pixel_step_x, i, config.tap_step_x);
  if (row < 0 || row >= run.input_rows) return {};
  const auto segment_bytes =
      static_cast<int64_t>((uint64_t{config.segment_elements} * config.activation_bits + 7) / 8);
  const auto pitch = static_cast<int64_t>(config.input_pixel_pitch);
  const int64_t start = column * pitch;
  const int64_t first = std::max<int64_t>(start, 0);
  const int64_t end = std::min(start + segment_bytes, run.input_columns * pitch);
  if (first >= end) return {};
  return {run.activation_address + static_cast<uint64_t>(row) * config.input_row_pitch +
              slice * config.slice_stride + static_cast<uint64_t>(first),
          static_cast<uint32_t>(first - start), static_cast<uint32_t>(end - first)};
}

RunCycles run_cycles(const RunShape& shape) {
  const uint64_t last = shape.last_columns();
  RunCycles cycles;
  cycles.total = kFillCycles + shape.steps +
                 shape.blocks() * (shape.groups() - 1) * std::max(shape.steps, shape.columns) +
                 (shape.blocks() - 1) * std::max(shape.steps, last) + last + kOutputPathCycles;
  return cycles;
}

RunCycles run_cycles(const RunShape& shape, const std::vector<uint32_t>& bank_cycles) {
  if (bank_cycles.size() != shape.fetches()) {
    throw std::invalid_argument("run_cycles: needs one bank entry a fetch of pixels");
  }
  const RunCycles ideal = run_cycles(shape);
  const bool conflicts = std::any_of(bank_cycles.begin(), bank_cycles.end(),
                                     [&](uint32_t cycles) { return cycles > shape.steps; });
  if (!conflicts) return ideal;

  const uint64_t groups = shape.groups();
  const uint64_t last = shape.last_columns();
  const auto tile_cycles = [&](uint64_t fetch) {
    return std::max<uint64_t>(shape.steps, bank_cycles[fetch]);
  };
  // Only the first tile of the RUN has no predecessor to drain.
  uint64_t in_order = 0;
  for (uint64_t fetch = 1; fetch < bank_cycles.size(); ++fetch) {
    in_order += std::max(tile_cycles(fetch), fetch % groups == 0 ? last : shape.columns);
  }
  const uint64_t repeats = shape.tiles() / bank_cycles.size();
  RunCycles cycles;
  cycles.total = kFillCycles + tile_cycles(0) + repeats * in_order +
                 (repeats - 1) * std::max(tile_cycles(0), last) + last + kOutputPathCycles;
  cycles.bank = cycles.total - ideal.total;
  return cycles;
}

std::vector<uint64_t> tile_ends(const RunShape& shape, const std::vector<uint32_t>& bank_cycles) {
  if (bank_cycles.size() != shape.fetches()) {
    throw std::invalid_argument("tile_ends: needs one bank entry a fetch of pixels");
  }
  std::vector<uint64_t> ends(shape.tiles());
  uint64_t end = kFillCycles;
  uint64_t draining = 0;
  for (uint64_t tile = 0; tile < ends.size(); ++tile) {
    end += std::max({shape.steps, uint64_t{bank_cycles[tile % bank_cycles.size()]}, draining});
    draining = (tile + 1) % shape.groups() == 0 ? shape.last_columns() : shape.columns;
    ends[tile] = end;
  }
  return ends;
}

BankDemand bank_demand(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                       const RunShape& shape, uint32_t banks) {
  BankDemand demand;
  demand.cycles.reserve(shape.fetches());
  BankCounter counter(banks);
  uint64_t column = 0;

  const auto fetch_pixel = [&](uint64_t slice, uint64_t v, uint64_t u) {
    for (uint32_t j = 0; j < config.segments_y; ++j) {
      for (uint32_t i = 0; i < config.segments_x; ++i) {
        const SegmentRead read = segment_read(config, run, v, u, j, i, slice);
        if (read.bytes == 0) continue;
        const uint64_t first = read.address / kBankLineBytes;
        const uint64_t lines = (read.address + read.bytes - 1) / kBankLineBytes - first + 1;
        counter.add(first, lines);
        demand.lines += lines;
      }
    }
    if (++column == shape.columns) {
      demand.cycles.push_back(counter.take_maximum());
      column = 0;
    }
  };

  const uint32_t rows = block_rows(config, run);
  const uint32_t columns = block_columns(config, run);
  for (uint64_t slice = 0; slice < shape.fetches() / shape.groups(); ++slice) {
    for (uint32_t y = 0; y < rows; ++y) {
      for (uint32_t x = 0; x < columns; ++x) {
        for (uint32_t py = 0; py < config.pool_h; ++py) {
          for (uint32_t px = 0; px < config.pool_w; ++px) {
            fetch_pixel(slice, uint64_t{y} * config.pool_stride_y + py,
                        uint64_t{x} * config.pool_stride_x + px);
          }
        }
      }
    }
    if (column != 0) demand.cycles.push_back(counter.take_maximum());
    column = 0;
  }
  demand.lines *= shape.tiles() / shape.fetches();
  return demand;
}

}  // namespace tessera::chip
