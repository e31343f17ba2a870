#pragma once

/// Timing of the compute engine's commands, in clock cycles: the one definition that the model,
/// the deployer and the estimate evaluate and that the RTL is measured against. Derivation in
/// docs/timing.md.
///
/// Dataflow: output stationary. An array of R rows (output channels) by C columns (convolution
/// pixels) computes a tile of R x C accumulators in T steps, one step a cycle, L lanes a step. A
/// RUN is cut into tiles: for each block of R channels, for each group of C convolution pixels.
/// Convolution pixels are numbered output row, output column, pooling window row, pooling window
/// column, the last fastest. At the end of a tile all accumulators are captured in shadow
/// registers, which drain through the output path one column (R rows) a cycle while the next tile
/// computes; a tile whose end finds the shadow still draining waits for it.

#include <cstdint>
#include <vector>

#include "abi/npu_commands.hpp"
#include "abi/number_formats.hpp"

namespace tessera::chip {

constexpr uint64_t kFillCycles = 3;  ///< from the start of a RUN to its first step
constexpr uint64_t kOutputPathCycles =
    4;                                 ///< from a drained column to its result in the scratchpad
constexpr uint64_t kSwitchCycles = 1;  ///< taking the shadow configuration
constexpr uint64_t kModeSwitchCycles = 2;  ///< more, if the widths or p4 change
constexpr uint64_t kConfigureCycles = abi::words_of<abi::ComputeConfig>();  ///< shadow load

/// Bytes the activation scratchpad delivers in one access of one bank.
constexpr uint32_t kBankLineBytes = 16;

/// What the timing of a RUN depends on, apart from bank conflicts. All are at least 1.
struct RunShape {
  uint64_t rows = 0;      ///< R
  uint64_t columns = 0;   ///< C
  uint64_t channels = 0;  ///< output channels of the RUN, each once for every position of a spread
  uint64_t pixels = 0;    ///< convolution pixels of the RUN, every pooling window counted in full
  uint64_t steps = 0;     ///< T
  bool sliced = false;    ///< every block of R channels is a slice, with operands of its own

  uint64_t blocks() const { return (channels + rows - 1) / rows; }
  uint64_t groups() const { return (pixels + columns - 1) / columns; }
  uint64_t tiles() const { return blocks() * groups(); }
  /// Fetches of pixel groups that differ: blocks of one slice repeat the same.
  uint64_t fetches() const { return sliced ? tiles() : groups(); }
  /// Pixels of the last group, 1..C.
  uint64_t last_columns() const { return pixels - (groups() - 1) * columns; }
};

struct RunCycles {
  uint64_t total = 0;  ///< from the start of the RUN to its last result in the scratchpad
  uint64_t bank = 0;   ///< those of them that bank conflicts added

  uint64_t compute() const { return total - bank; }
};

/// T = segments_y * segments_x * ceil(segment_elements / L).
uint64_t reduction_steps(const abi::ComputeConfig& config);

/// Outputs of a channel that the rows of the array hold at once, 1 or more.
constexpr uint32_t positions(const abi::ComputeConfig& config) {
  return uint32_t{config.spread_y} * config.spread_x;
}

/// Rows and columns of the blocks of spread_y by spread_x outputs that cover a RUN's.
constexpr uint32_t block_rows(const abi::ComputeConfig& config, const abi::ComputeRun& run) {
  return (uint32_t{run.y_count} + config.spread_y - 1) / config.spread_y;
}
constexpr uint32_t block_columns(const abi::ComputeConfig& config, const abi::ComputeRun& run) {
  return (uint32_t{run.x_count} + config.spread_x - 1) / config.spread_x;
}

/// Weights as they lie in the weight scratchpad, stream after stream of 16-byte lines.
struct WeightStreams {
  uint64_t bytes = 0;        ///< of a stream, without the padding to whole lines
  uint64_t pitch = 0;        ///< with it
  uint32_t per_channel = 1;  ///< streams of a channel
};
WeightStreams weight_streams(const abi::ComputeConfig& config);

/// Taps of the kernel of slices; see abi::ComputeConfig. Wraps around if there are none.
constexpr uint32_t kernel_rows(const abi::ComputeConfig& config) {
  return config.segments_y - (config.spread_y - 1U) * (config.pixel_step_y / config.spread_y);
}
constexpr uint32_t kernel_columns(const abi::ComputeConfig& config) {
  return config.segments_x - (config.spread_x - 1U) * (config.pixel_step_x / config.spread_x);
}

/// Convolution pixels of a RUN: block_rows * block_columns * pool_h * pool_w.
uint64_t convolution_pixels(const abi::ComputeConfig& config, const abi::ComputeRun& run);

/// The RUNs of the array that a RUN command takes, one after the other: one, or one a slice where
/// slices do not fill the rows of the array.
struct ArrayRuns {
  uint32_t first_channel(uint64_t number) const { return static_cast<uint32_t>(number) * channels; }
  uint64_t count = 1;
  uint32_t channels = 0;  ///< of the layer, in all but the last; the last may have fewer
};
ArrayRuns array_runs(const abi::ComputeConfig& config, const abi::ComputeRun& run, uint32_t rows);

/// The part of `run` that is number `number` of its array RUNs. Its weights, parameters and outputs
/// start where those of `run` do.
abi::ComputeRun array_run(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                          const ArrayRuns& runs, uint64_t number);

/// Of one RUN of the array.
RunShape run_shape(const abi::ComputeConfig& config, const abi::ComputeRun& run, uint32_t rows,
                   uint32_t columns);

/// Where a segment lies in the scratchpad, as far as it does.
struct SegmentRead {
  uint64_t address = 0;  ///< of the first byte to read
  uint32_t skipped = 0;  ///< bytes of the segment before it, which are zero
  uint32_t bytes = 0;    ///< to read; what follows them is zero
};

/// Segment (j, i) of convolution pixel (v, u), of slice `slice`; see abi::ComputeConfig.
SegmentRead segment_read(const abi::ComputeConfig& config, const abi::ComputeRun& run, uint64_t v,
                         uint64_t u, uint32_t j, uint32_t i, uint64_t slice);

/// Cycles of a RUN without bank conflicts; closed form, for B blocks, G groups, c pixels in the
/// last group:
///   kFillCycles + T + B (G-1) max(T, C) + (B-1) max(T, c) + c + kOutputPathCycles
RunCycles run_cycles(const RunShape& shape);

/// Cycles of a RUN in which group g needs at least bank_cycles[g] cycles for its operands (one
/// entry a group, which every block repeats; if the RUN is sliced one a tile). With e_i the end of
/// tile i, T_i = max(T, bank_cycles), c_i its pixels:
///   e_0 = kFillCycles + T_0,  e_i = e_{i-1} + max(T_i, c_{i-1}),
///   total = e_last + c_last + kOutputPathCycles
/// Where no entry exceeds T this is the closed form. Time O(fetches). Throws std::invalid_argument
/// if the number of entries is not that of the fetches.
RunCycles run_cycles(const RunShape& shape, const std::vector<uint32_t>& bank_cycles);

/// e_i of every tile, as above: the cycle, counted from the start of the RUN, in which the tile's
/// first column leaves the shadow registers. Column k of the tile leaves k cycles later, and its
/// results reach the scratchpad kOutputPathCycles after that.
std::vector<uint64_t> tile_ends(const RunShape& shape, const std::vector<uint32_t>& bank_cycles);

/// What the groups of a RUN ask of the activation scratchpad.
struct BankDemand {
  std::vector<uint32_t> cycles;  ///< per fetch: lines of the bank asked for the most
  uint64_t lines = 0;            ///< kBankLineBytes-byte lines of all tiles together
};

/// Of one RUN of the array. Every column of a group fetches the distinct lines of each of its
/// segments; line n lies in bank n mod `banks`, and a bank delivers one line a cycle. Time
/// O((pixels * segments + groups * banks) * slices).
BankDemand bank_demand(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                       const RunShape& shape, uint32_t banks);

/// A CONFIGURE's words go to the shadow configuration while earlier commands run: from the cycle in
/// which the whole command is in the FIFO and the previous configuration has been taken, one cycle
/// a word. Returns the cycle in which the shadow is ready.
constexpr uint64_t configuration_ready(uint64_t whole_cycle, uint64_t previous_taken_cycle) {
  return (whole_cycle > previous_taken_cycle ? whole_cycle : previous_taken_cycle) +
         kConfigureCycles;
}

/// Whether taking `next` after `previous` rearranges the multipliers.
constexpr bool switches_mode(const abi::ComputeConfig& previous, const abi::ComputeConfig& next) {
  return previous.activation_bits != next.activation_bits ||
         previous.weight_bits != next.weight_bits || previous.p4 != next.p4;
}

/// Cycles to take a ready shadow configuration.
constexpr uint64_t switch_cycles(bool mode_changes) {
  return kSwitchCycles + (mode_changes ? kModeSwitchCycles : 0);
}

}  // namespace tessera::chip
