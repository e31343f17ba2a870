#pragma once

/// The RTL array checked against the model, column by column, while a whole network runs.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "npu/model_array.hpp"
#include "rtl/rtl_array.hpp"
#include "rtl/stored_run.hpp"

namespace tessera::rtl {

/// What the model says of a RUN.
struct ExpectedRun {
  std::vector<int64_t> accumulators;  ///< [channels][pixels]
  std::vector<int32_t> values;        ///< [channels][pixels]
  npu::ArrayResult result;
};

/// The first difference between RTL and model in a RUN.
struct Divergence {
  bool in_time = false;  ///< a cycle differs; else a value
  uint64_t run = 0;      ///< RUNs before
  uint64_t cycle = 0;    ///< of the RUN; the edge that ends it shows the difference
  uint64_t tile = 0;
  std::string what;                ///< "accumulator", "value", "column", "result", "end", ...
  std::optional<uint64_t> row;     ///< of the PE, if it is one's
  std::optional<uint64_t> column;  ///< the same
  int64_t expected = 0;
  int64_t got = 0;

  /// "RUN 3, cycle 120, tile 2: accumulator of PE (4, 11): expected -5, got 3".
  std::string text() const;
};

/// Compares every column and every result of a RUN and, unless the RUN is stalled, the cycle in
/// which each comes. With stalls the RUN's length must lie between the model's and that plus the
/// stalls, and it counts as hung after 500 times the model's.
class RunChecker final : public ArrayObserver {
 public:
  /// `expected` outlives the checker. `run_number` goes into the divergence.
  RunChecker(const npu::ArrayRun& run, const ExpectedRun& expected, bool stalled,
             uint64_t run_number);

  bool edge(uint64_t cycle, const ArrayOutputs& outputs, const ArrayEvents& events) override;

  /// To be called when the RUN is over, however it ended.
  void end(const npu::ArrayResult& result, uint64_t stall_cycles);

  const std::optional<Divergence>& divergence() const { return divergence_; }
  uint64_t columns() const { return results_seen_; }

 private:
  struct Place {
    uint64_t tile, channel, pixel, column;  ///< channel of row 0; column of the array
  };

  Place place_of(uint64_t number) const;
  void check_column(uint64_t cycle, const ArrayOutputs& outputs);
  void check_result(uint64_t cycle, const ArrayOutputs& outputs);
  void differ(const char* what, bool in_time, uint64_t cycle, uint64_t tile, int64_t expected,
              int64_t got);

  const chip::RunShape shape_;
  const ExpectedRun& expected_;
  const bool stalled_;
  const uint64_t latest_end_;  ///< cycles after which the RUN counts as hung
  const uint64_t run_number_;
  std::vector<uint64_t> tile_ends_;
  uint64_t columns_seen_ = 0;
  uint64_t results_seen_ = 0;
  std::optional<Divergence> divergence_;
};

/// What the model says of a run whose operands `client` gives; the client takes no results.
ExpectedRun expected_of(npu::ArrayBackend& model, const npu::ArrayRun& run,
                        npu::ArrayClient& client);

/// Runs every RUN on the RTL and on the model. At the first difference it keeps the RUN for a
/// replay and calls `on_divergence`; from then on the model alone goes on.
class LockstepArray final : public npu::ArrayBackend {
 public:
  LockstepArray(uint32_t rows, uint32_t columns) : rtl_(rows, columns) {}

  npu::ArrayResult run(const npu::ArrayRun& run, npu::ArrayClient& client) override;

  void on_divergence(std::function<void()> callback) { on_divergence_ = std::move(callback); }

  const std::optional<Divergence>& divergence() const { return divergence_; }
  /// The RUN that differed, with its fault if it had one.
  const std::optional<StoredRun>& diverged_run() const { return diverged_run_; }

  uint64_t runs() const { return runs_; }        ///< compared
  uint64_t tiles() const { return tiles_; }      ///< compared
  uint64_t results() const { return results_; }  ///< values compared
  uint64_t cycles() const { return rtl_.cycles(); }

  RtlArray& rtl() { return rtl_; }

 private:
  RtlArray rtl_;
  npu::ModelArray model_;
  std::function<void()> on_divergence_;
  std::optional<Divergence> divergence_;
  std::optional<StoredRun> diverged_run_;
  uint64_t runs_ = 0;
  uint64_t tiles_ = 0;
  uint64_t results_ = 0;
};

}  // namespace tessera::rtl
