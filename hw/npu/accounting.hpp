#pragma once

/// Gives every cycle of an inference its cause and its layer.
///
/// The cause is what the compute engine does, or waits for:
///   - a RUN under way: compute, and for the cycles that bank conflicts added (taken to be its
///     last) bank; a CONFIGURE under way: configuration;
///   - waiting for a token of the load engine while that one works: its transfer's state, dram or
///     noc, or load for everything else it does (zero filling, command overhead); so for the store
///     engine, with store. If both are awaited, load goes first;
///   - without a command, or waiting for an engine that does not work itself: a working store
///     engine's state, else a working load engine's state, else commands while the fetch engine has
///     words of a list to deliver, else host.
/// The layer is that of the command that the compute engine holds. Cycles without one belong to
/// the command that it takes next, or, if the inference ends before, to the one it took last.

#include <cstdint>
#include <map>

#include "abi/npu_registers.hpp"
#include "npu/statistics.hpp"

namespace tessera::npu {

/// Cycles that an engine's transfers have spent so far in the DRAM and in the network.
struct TransferCycles {
  uint64_t dram = 0;
  uint64_t noc = 0;
};

class Accounting {
 public:
  /// Accounts for the cycles since the last call in the state that held since then. Every change
  /// of state below comes after an advance to its cycle.
  void advance(uint64_t cycle, const TransferCycles& load, const TransferCycles& store);

  void set_phase(uint32_t phase);
  void set_transfer_busy(abi::Engine engine, bool busy);
  /// The fetch engine has words to deliver.
  void set_fetch_busy(bool busy) { fetch_busy_ = busy; }

  void compute_idles() { compute_ = ComputeState::kIdle; }
  /// The compute engine took a command of `layer`.
  void compute_takes(uint32_t layer);
  void compute_waits(uint32_t missing_mask);
  void compute_configures() { compute_ = ComputeState::kConfiguring; }
  void compute_runs(uint64_t compute_cycles);

  void count(uint32_t layer, const EventCounts& events) { layers_[layer].events += events; }

  /// Up to the last advance.
  ClusterStatistics statistics() const;

 private:
  enum class ComputeState : uint8_t { kIdle, kWaiting, kConfiguring, kRunning };

  CycleCounts split(uint64_t cycles, const TransferCycles& load, const TransferCycles& store);
  const abi::Engine* culprit() const;

  uint64_t cycle_ = 0;
  uint32_t phase_ = 0;
  uint64_t inferences_ = 0;
  ComputeState compute_ = ComputeState::kIdle;
  uint32_t missing_mask_ = 0;
  uint64_t compute_cycles_left_ = 0;  ///< of the RUN under way, before its bank cycles
  bool load_busy_ = false;
  bool store_busy_ = false;
  bool fetch_busy_ = false;
  TransferCycles load_seen_;
  TransferCycles store_seen_;
  uint32_t layer_ = 0;
  CycleCounts unclaimed_;  ///< cycles without a command, for the next layer
  std::map<uint32_t, LayerStatistics> layers_;
};

}  // namespace tessera::npu
