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
  uint64_t channels = 0;  ///< output channels of the RUN
  uint64_t pixels = 0;    ///< convolution pixels of the RUN, every pooling window counted in full
  uint64_t steps = 0;     ///< T

  uint64_t blocks() const { return (channels + rows - 1) / rows; }
  uint64_t groups() const { return (pixels + columns - 1) / columns; }
  uint64_t tiles() const { return blocks() * groups(); }
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

/// Convolution pixels of a RUN: y_count * x_count * pool_h * pool_w.
uint64_t convolution_pixels(const abi::ComputeConfig& config, const abi::ComputeRun& run);

RunShape run_shape(const abi::ComputeConfig& config, const abi::ComputeRun& run, uint32_t rows,
                   uint32_t columns);

/// Cycles of a RUN without bank conflicts; closed form, for B blocks, G groups, c pixels in the
/// last group:
///   kFillCycles + T + B (G-1) max(T, C) + (B-1) max(T, c) + c + kOutputPathCycles
RunCycles run_cycles(const RunShape& shape);

/// Cycles of a RUN in which group g needs at least bank_cycles[g] cycles for its operands (one
/// entry a group; every block reads them again). With e_i the end of tile i, T_i = max(T,
/// bank_cycles), c_i its pixels:
///   e_0 = kFillCycles + T_0,  e_i = e_{i-1} + max(T_i, c_{i-1}),
///   total = e_last + c_last + kOutputPathCycles
/// Where no entry exceeds T this is the closed form. Time O(groups). Throws std::invalid_argument
/// if the number of entries is not the number of groups.
RunCycles run_cycles(const RunShape& shape, const std::vector<uint32_t>& bank_cycles);

/// e_i of every tile, as above: the cycle, counted from the start of the RUN, in which the tile's
/// first column leaves the shadow registers. Column k of the tile leaves k cycles later, and its
/// results reach the scratchpad kOutputPathCycles after that.
std::vector<uint64_t> tile_ends(const RunShape& shape, const std::vector<uint32_t>& bank_cycles);

/// What the groups of a RUN ask of the activation scratchpad.
struct BankDemand {
  std::vector<uint32_t> cycles;  ///< per group: lines of the bank asked for the most
  uint64_t lines = 0;            ///< kBankLineBytes-byte lines of all groups together
};

/// Every column of a group fetches the distinct lines of each of its segments; line n lies in bank
/// n mod `banks`, and a bank delivers one line a cycle. Time O(pixels * segments + groups *
/// banks).
BankDemand bank_demand(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                       uint32_t columns, uint32_t banks);

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
