#include "npu/accounting.hpp"

#include <algorithm>
#include <cassert>

#include "abi/npu_commands.hpp"

namespace tessera::npu {

namespace {

constexpr abi::Engine kLoadEngine = abi::Engine::kLoad;
constexpr abi::Engine kStoreEngine = abi::Engine::kStore;

CycleCounts transfer_split(uint64_t cycles, const TransferCycles& now, const TransferCycles& before,
                           Cause own) {
  CycleCounts counts;
  counts[Cause::kDram] = std::min(cycles, now.dram - before.dram);
  counts[Cause::kNoc] = std::min(cycles - counts[Cause::kDram], now.noc - before.noc);
  counts[own] = cycles - counts[Cause::kDram] - counts[Cause::kNoc];
  return counts;
}

}  // namespace

/// The transfer engine that the compute engine waits for, if one works.
const abi::Engine* Accounting::culprit() const {
  const auto awaited = [&](abi::Engine engine) {
    return compute_ == ComputeState::kWaiting && (missing_mask_ & abi::engine_bit(engine)) != 0;
  };
  if (load_busy_ && awaited(kLoadEngine)) return &kLoadEngine;
  if (store_busy_) return &kStoreEngine;
  return load_busy_ ? &kLoadEngine : nullptr;
}

CycleCounts Accounting::split(uint64_t cycles, const TransferCycles& load,
                              const TransferCycles& store) {
  CycleCounts counts;
  if (compute_ == ComputeState::kRunning) {
    counts[Cause::kCompute] = std::min(cycles, compute_cycles_left_);
    counts[Cause::kBank] = cycles - counts[Cause::kCompute];
    compute_cycles_left_ -= counts[Cause::kCompute];
  } else if (compute_ == ComputeState::kConfiguring) {
    counts[Cause::kConfiguration] = cycles;
  } else if (const abi::Engine* engine = culprit()) {
    counts = *engine == kLoadEngine ? transfer_split(cycles, load, load_seen_, Cause::kLoad)
                                    : transfer_split(cycles, store, store_seen_, Cause::kStore);
  } else {
    counts[fetch_busy_ ? Cause::kCommands : Cause::kHost] = cycles;
  }
  return counts;
}

void Accounting::advance(uint64_t cycle, const TransferCycles& load, const TransferCycles& store) {
  const CycleCounts counts = split(cycle - cycle_, load, store);
  if (phase_ != 0) {
    (compute_ == ComputeState::kIdle ? unclaimed_ : layers_[layer_].cycles) += counts;
  }
  cycle_ = cycle;
  load_seen_ = load;
  store_seen_ = store;
}

void Accounting::set_phase(uint32_t phase) {
  if (phase == phase_) return;
  if (phase_ != 0) {
    layers_[layer_].cycles += unclaimed_;
    unclaimed_ = {};
  }
  inferences_ += phase != 0;
  phase_ = phase;
}

void Accounting::set_transfer_busy(abi::Engine engine, bool busy) {
  assert(engine != abi::Engine::kCompute);
  (engine == abi::Engine::kLoad ? load_busy_ : store_busy_) = busy;
}

void Accounting::compute_takes(uint32_t layer) {
  layer_ = layer;
  if (unclaimed_.total() != 0) {
    layers_[layer_].cycles += unclaimed_;
    unclaimed_ = {};
  }
  compute_waits(0);
}

void Accounting::compute_waits(uint32_t missing_mask) {
  compute_ = ComputeState::kWaiting;
  missing_mask_ = missing_mask;
}

void Accounting::compute_runs(uint64_t compute_cycles) {
  compute_ = ComputeState::kRunning;
  compute_cycles_left_ = compute_cycles;
}

ClusterStatistics Accounting::statistics() const {
  std::map<uint32_t, LayerStatistics> layers = layers_;
  if (unclaimed_.total() != 0) layers[layer_].cycles += unclaimed_;
  ClusterStatistics result;
  result.inferences = inferences_;
  for (auto& [number, layer] : layers) {
    layer.layer = number;
    result.layers.push_back(layer);
    result.cycles += layer.cycles;
    result.events += layer.events;
  }
  return result;
}

}  // namespace tessera::npu
