#pragma once

/// What CONFIGURE and RUN do, without time: checks, operand fetch, array, output path, counting.

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "abi/npu_commands.hpp"
#include "chip/array_timing.hpp"
#include "chip/chip.hpp"
#include "common/worker.hpp"
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
  ~ComputeUnit();

  /// What is known when a RUN starts.
  struct Started {
    std::optional<Fault> fault;  ///< then nothing is under way
    chip::RunCycles cycles;
  };

  /// Starts a RUN under `config`, which has passed check_config. Operands are those of now. Values
  /// that cannot change a cycle are computed in another thread.
  Started start(const abi::ComputeConfig& config, const abi::ComputeRun& run);

  /// The RUN ends: its outputs are in their scratchpad for whoever asks before_read(), and its
  /// events count for `layer`. The bits past the last channel in the last byte of an output pixel
  /// are zero. A RUN that never ends leaves nothing.
  void finish(uint32_t layer);

  /// Somebody is about to write there: what other threads still have to do there is done first.
  void before_write(const AddressSpan& span);
  /// Somebody is about to read there.
  void before_read(const AddressSpan& span);

  /// Calls count(layer, events) for RUNs that have ended since the last call: those that are known
  /// by now, or all.
  void collect(bool all, const std::function<void(uint32_t, const EventCounts&)>& count);

  /// Wall clock in which values were computed, in this thread or the other, of what is collected.
  double kernel_seconds() const { return kernel_seconds_; }

 private:
  struct Layout;  // derived sizes of a run
  /// Where a RUN reads.
  struct Operand {
    AddressSpan span;
    Memory memory = Memory::kActivations;  ///< in which it has to lie
    bool or_outputs = false;
  };
  class Client;  // between a run and the array

  struct Job;  // a RUN from start to the writing of its outputs

  void compute(Job& job);
  void compute_part(Job& job, uint64_t number);
  void write_outputs(const Job& job);
  std::optional<Fault> check_run(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                                 const Layout& layout) const;
  static std::vector<Operand> operands(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                                       const Layout& layout);
  static AddressSpan output_span(const abi::ComputeConfig& config, const abi::ComputeRun& run,
                                 const Layout& layout);
  std::optional<Fault> check_span(uint64_t address, uint64_t bytes, Memory memory,
                                  bool or_outputs) const;
  std::optional<Fault> read_parameters(const abi::ComputeRun& run, Job& job) const;
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

  double kernel_seconds_ = 0;
  std::shared_ptr<Job> current_;              ///< that has started and not ended
  std::deque<std::shared_ptr<Job>> pending_;  ///< that have ended, in order, and are not collected

  // Of the RUN that is computed.
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

  common::Worker worker_;  ///< last: it stops before what it works on goes
};

}  // namespace tessera::npu
