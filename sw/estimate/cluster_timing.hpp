#pragma once

/// The three engines of an NPU cluster on paper: commands in, cycles out.

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "abi/npu_registers.hpp"
#include "chip/chip.hpp"
#include "estimate/run_timing.hpp"
#include "noc/fabric.hpp"
#include "npu/accounting.hpp"
#include "npu/command_fifo.hpp"
#include "npu/statistics.hpp"
#include "npu/tokens.hpp"
#include "npu/weight_decoder.hpp"

namespace tessera::estimate {

using noc::kNever;

/// What hw/npu/cluster_engines.cpp does, by events instead of processes: an engine takes its next
/// command when it is whole, waits for its tokens, works, gives tokens. A RUN takes what RunTiming
/// says, a CONFIGURE what chip/array_timing.hpp says, a transfer its bursts on the noc::Fabric.
/// FIFOs, tokens and the accounting are those of the model.
///
/// Commands are taken to be legal: the firmware makes them from a checked image. Cycles that are
/// passed in never go back.
class ClusterTiming {
 public:
  /// The load engine is initiator `first_port` of the network, the store engine the next.
  ClusterTiming(const chip::Chip& chip, noc::Fabric& network, uint32_t first_port);

  /// What coded weights are read from: bytes of DRAM from `address` on, which must outlive this.
  /// The decoder's time depends on them.
  void hold(uint32_t address, const std::vector<uint8_t>& bytes) {
    held_address_ = address;
    held_ = &bytes;
  }

  /// When an engine is done with what it does; kNever if no engine does anything, or the memory
  /// does not know yet.
  uint64_t next_event_cycle() const;
  /// Lets the engines do all that they can do by `cycle`, which is now.
  void settle(uint64_t cycle);

  /// A word arrives in an engine's FIFO, which has the space.
  void push(abi::Engine engine, uint32_t word, uint64_t cycle);
  uint32_t space_words(abi::Engine engine) const { return state(engine).fifo.space_words(); }
  uint32_t notify_count() const { return notify_count_; }
  void set_phase(uint32_t phase, uint64_t cycle);

  npu::ClusterStatistics statistics() const { return accounting_.statistics(); }
  /// Cycles in which a transfer engine worked on a command of the layer (the load engine's, if both
  /// did), by layer.
  const std::vector<uint64_t>& transfer_cycles() const { return transfer_cycles_; }

 private:
  enum class Activity : uint8_t { kIdle, kWaiting, kTransferring, kComputing };

  struct EngineState {
    EngineState(abi::Engine engine, uint32_t fifo_words) : fifo(engine, fifo_words) {}
    npu::CommandFifo fifo;
    Activity activity = Activity::kIdle;
    npu::Command command;
    uint32_t missing = 0;           ///< tokens that it waits for, as a mask of engines
    uint64_t ready_cycle = kNever;  ///< end of computing
    uint64_t decoder_cycles = 0;    ///< behind the end of the transfer
    npu::EventCounts events;        ///< of the command
  };

  EngineState& state(abi::Engine engine) { return engines_[static_cast<std::size_t>(engine)]; }
  const EngineState& state(abi::Engine engine) const {
    return engines_[static_cast<std::size_t>(engine)];
  }

  uint64_t ready_cycle(abi::Engine engine) const;
  uint32_t port_of(abi::Engine engine) const;
  void account();
  bool progress(abi::Engine engine);
  void take(abi::Engine engine);
  void begin(abi::Engine engine);
  void begin_configure(EngineState& e);
  void begin_transfer(abi::Engine engine);
  void begin_coded();
  void begin_table();
  void begin_stream(uint32_t dram_address, uint32_t bytes);
  const uint8_t* held(uint32_t address, uint32_t bytes) const;
  void complete(abi::Engine engine);

  uint32_t burst_bytes_;
  uint32_t outstanding_;
  std::array<EngineState, abi::kEngineCount> engines_;
  npu::Tokens tokens_;
  noc::Fabric& network_;
  uint32_t first_port_;
  RunTiming runs_;
  npu::WeightDecoder decoder_;
  uint32_t held_address_ = 0;
  const std::vector<uint8_t>* held_ = nullptr;
  npu::Accounting accounting_;
  uint64_t cycle_ = 0;
  uint64_t accounted_cycle_ = 0;
  uint32_t notify_count_ = 0;
  std::optional<abi::ComputeConfig> config_;
  uint64_t configuration_taken_cycle_ = 0;
  std::vector<uint64_t> transfer_cycles_;
};

}  // namespace tessera::estimate
