#pragma once

/// Drives the RTL output path (rtl/output_path.sv, four rows) alone, with or without stalls.

#include <array>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "abi/npu_commands.hpp"
#include "npu/rescale.hpp"

namespace tessera::rtl {

constexpr std::size_t kPathRows = 4;

using Random = std::mt19937_64;

/// What goes in at an edge.
struct PathColumn {
  std::array<int64_t, kPathRows> accumulators{};
  std::array<abi::ChannelParameters, kPathRows> parameters{};
  uint32_t channel = 0;  ///< of row 0, within the RUN
  uint32_t position = 0;
};

/// What comes out for it.
struct PathResult {
  std::array<int32_t, kPathRows> values{};
  std::array<bool, kPathRows> saturated{};
  uint16_t tag = 0;
  uint64_t taken_cycle = 0;   ///< in which the column was taken, at its end
  uint64_t shown_cycle = 0;   ///< the first in which the result was shown
  uint64_t stored_cycle = 0;  ///< in which the result was taken, at its end
};

struct PathStalls {
  unsigned column_percent = 0;  ///< probability of a cycle without a column
  unsigned result_percent = 0;  ///< probability of a cycle in which nobody takes results
};

struct PathRun {
  std::vector<PathResult> results;      ///< in the order in which they came
  std::vector<std::string> violations;  ///< of the ports' rules
};

class OutputPathDriver {
 public:
  OutputPathDriver();
  ~OutputPathDriver();

  /// Sends the columns through; column n has tag n modulo 2^16.
  PathRun run(const npu::Rescaling& rescaling, const std::vector<PathColumn>& columns,
              const PathStalls& stalls, Random& random);

  /// Resets with columns under way, and tells whether a result is shown afterwards.
  bool shows_a_result_after_reset(const PathColumn& column);

 private:
  struct Model;

  void reset();
  void put(const npu::Rescaling& rescaling, const PathColumn& column, uint16_t tag);
  PathResult shown() const;
  void rising_edge();

  std::unique_ptr<Model> model_;
};

}  // namespace tessera::rtl
