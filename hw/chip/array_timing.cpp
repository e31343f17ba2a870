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

uint64_t convolution_pixels(const abi::ComputeConfig& config, const abi::ComputeRun& run) {
  return static_cast<uint64_t>(run.y_count) * run.x_count * config.pool_h * config.pool_w;
}

RunShape run_shape(const abi::ComputeConfig& config, const abi::ComputeRun& run, uint32_t rows,
                   uint32_t columns) {
  RunShape shape;
  shape.rows = rows;
  shape.columns = columns;
  shape.channels = run.channel_count;
  shape.pixels = convolution_pixels(config, run);
  shape.steps = reduction_steps(config);
  return shape;
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
  const uint64_t groups = shape.groups();
  if (bank_cycles.size() != groups) {
    throw std::invalid_argument("run_cycles: needs one bank entry a pixel group");
  }
  const RunCycles ideal = run_cycles(shape);
  const bool conflicts = std::any_of(bank_cycles.begin(), bank_cycles.end(),
                                     [&](uint32_t cycles) { return cycles > shape.steps; });
  if (!conflicts) return ideal;

  // All blocks repeat the same groups: only the first tile has no predecessor to drain.
  const auto tile_cycles = [&](uint64_t group) {
    return std::max<uint64_t>(shape.steps, bank_cycles[group]);
  };
  uint64_t inside_block = 0;
  for (uint64_t group = 1; group < groups; ++group) {
    inside_block += std::max(tile_cycles(group), shape.columns);
  }
  const uint64_t last = shape.last_columns();
  RunCycles cycles;
  cycles.total = kFillCycles + tile_cycles(0) + shape.blocks() * inside_block +
                 (shape.blocks() - 1) * std::max(tile_cycles(0), last) + last + kOutputPathCycles;
  cycles.bank = cycles.total - ideal.total;
  return cycles;
}

std::vector<uint64_t> tile_ends(const RunShape& shape, const std::vector<uint32_t>& bank_cycles) {
  const uint64_t groups = shape.groups();
  if (bank_cycles.size() != groups) {
    throw std::invalid_argument("tile_ends: needs one bank entry a pixel group");
  }
  std::vector<uint64_t> ends(shape.tiles());
  uint64_t end = kFillCycles;
  uint64_t draining = 0;
  for (uint64_t tile = 0; tile < ends.size(); ++tile) {
    const uint64_t group = tile % groups;
    end += std::max({shape.steps, uint64_t{bank_cycles[group]}, draining});
    draining = group + 1 == groups ? shape.last_columns() : shape.columns;
    ends[tile] = end;
  }
  return ends;
}

BankDemand bank_demand(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                       uint32_t columns, uint32_t banks) {
  const uint64_t segment_bytes =
      (static_cast<uint64_t>(config.segment_elements) * config.activation_bits + 7) / 8;
  BankDemand demand;
  demand.cycles.reserve(convolution_pixels(config, run) / columns + 1);
  BankCounter counter(banks);
  uint32_t column = 0;

  const auto fetch_pixel = [&](uint64_t base) {
    for (uint32_t j = 0; j < config.segments_y; ++j) {
      for (uint32_t i = 0; i < config.segments_x; ++i) {
        const uint64_t address = base + static_cast<uint64_t>(j) * config.segment_stride_y +
                                 static_cast<uint64_t>(i) * config.segment_stride_x;
        const uint64_t first = address / kBankLineBytes;
        const uint64_t lines = (address + segment_bytes - 1) / kBankLineBytes - first + 1;
        counter.add(first, lines);
        demand.lines += lines;
      }
    }
    if (++column == columns) {
      demand.cycles.push_back(counter.take_maximum());
      column = 0;
    }
  };

  for (uint32_t y = 0; y < run.y_count; ++y) {
    for (uint32_t x = 0; x < run.x_count; ++x) {
      for (uint32_t py = 0; py < config.pool_h; ++py) {
        for (uint32_t px = 0; px < config.pool_w; ++px) {
          const uint64_t v = static_cast<uint64_t>(y) * config.pool_stride_y + py;
          const uint64_t u = static_cast<uint64_t>(x) * config.pool_stride_x + px;
          fetch_pixel(run.activation_address + v * config.pixel_stride_y +
                      u * config.pixel_stride_x);
        }
      }
    }
  }
  if (column != 0) demand.cycles.push_back(counter.take_maximum());
  return demand;
}

}  // namespace tessera::chip
