#pragma once

/// What CONFIGURE and RUN do, without time: checks, operand fetch, array, output path, counting.

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "abi/npu_commands.hpp"
#include "chip/array_timing.hpp"
#include "chip/chip.hpp"
#include "npu/array.hpp"
#include "npu/output_path.hpp"
#include "npu/scratchpad.hpp"
#include "npu/statistics.hpp"

namespace tessera::npu {

/// An error that a command meets, as it appears in ERROR_CAUSE and ERROR_INFO.
struct Fault {
  abi::NpuError error = abi::NpuError::kNone;
  uint32_t info = 0;
};

/// ERROR_INFO of kIllegalMode: the number of the offending word of ComputeConfig; with kRunWord
/// added, of ComputeRun; with kParameterChannel added, the channel (within the RUN) whose
/// parameters have a shift above 47.
constexpr uint32_t kRunWord = 0x100;
constexpr uint32_t kParameterChannel = 0x1'0000;

/// The longest RUN, in convolution pixels, and the longest reduction, in elements.
constexpr uint64_t kMaxRunPixels = 1U << 26;
constexpr uint64_t kMaxReduction = 1U << 26;

/// kIllegalMode if the array or the output path cannot do `config`: an operand width other than 2,
/// 4, 8, 16; p4 with weights that are not 4 bit; a flag other than 0 and 1; an empty or
/// overlong reduction; an empty window; a window without pooling; a spread with pooling, a residual
/// or stochastic rounding; pixels that do not start at whole elements; slices that are not whole
/// groups; a shift out of range; a clamp
/// whose low exceeds its high, or that lets values outside of the output format through, or (an
/// inner stage) outside of -32768..65535.
std::optional<Fault> check_config(const abi::ComputeConfig& config);

class ComputeUnit {
 public:
  /// `memories` outlives the unit.
  ComputeUnit(const chip::Npu& npu, LocalMemories& memories, std::unique_ptr<ArrayBackend> array);

  struct Run {
    std::optional<Fault> fault;  ///< then nothing else is valid, and nothing was written
    chip::RunCycles cycles;
    EventCounts events;
  };

  /// Computes a RUN under `config`, which has passed check_config. Operands are read now; the
  /// outputs are held back until commit. The bits past the last channel in the last byte of an
  /// output pixel are written as zero.
  Run run(const abi::ComputeConfig& config, const abi::ComputeRun& run);

  /// Writes the outputs of the last run to their scratchpad.
  void commit();

 private:
  struct Layout;  // derived sizes of a run
  class Client;   // between a run and the array

  void run_part(const abi::ComputeConfig& config, const abi::ComputeRun& whole,
                const chip::ArrayRuns& parts, uint64_t number, Run& result);
  std::optional<Fault> check_run(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                                 const Layout& layout) const;
  std::optional<Fault> check_span(uint64_t address, uint64_t bytes, Memory memory,
                                  bool or_outputs) const;
  std::optional<Fault> read_parameters(const abi::ComputeRun& run);
  void unpack_weights(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                      const Layout& layout);
  void unpack_row(const abi::ComputeConfig& config, const uint8_t* stream, const Layout& layout,
                  int16_t* row) const;
  void place_group_weights(const abi::ComputeConfig& config, uint32_t address, uint32_t channel,
                           uint32_t position, const Layout& layout, int16_t* row);
  void fetch_activations(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                         const Layout& layout, uint64_t slice, uint64_t first_pixel,
                         uint64_t count);
  void fetch_residuals(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                       uint64_t first_pixel, uint64_t count);
  uint64_t active_macs(const Layout& layout, uint64_t slice, uint64_t count);
  void count_events(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                    const Layout& layout, uint64_t bank_lines, EventCounts& events) const;

  const chip::Npu npu_;
  LocalMemories& memories_;
  std::unique_ptr<ArrayBackend> array_;

  std::vector<abi::ChannelParameters> parameters_;      ///< of the command's channels
  std::vector<abi::ChannelParameters> row_parameters_;  ///< of the array's rows
  std::vector<int16_t> weights_;
  std::vector<int16_t> group_weights_;     ///< of one channel of a slice
  std::vector<uint32_t> weight_nonzeros_;  ///< per slice and place in the reduction
  std::vector<int16_t> activations_;
  std::vector<int16_t> activation_nonzeros_;
  std::vector<uint32_t> positions_;
  std::vector<int32_t> residuals_;
  std::vector<int32_t> values_;
  std::vector<int32_t> outputs_;

  std::vector<uint8_t> staged_;  ///< packed outputs of the last run, pixel by pixel
  std::size_t staged_pixel_bytes_ = 0;
  abi::ComputeRun staged_run_{};
  uint32_t staged_pixel_pitch_ = 0;
  uint32_t staged_row_pitch_ = 0;
};

}  // namespace tessera::npu
