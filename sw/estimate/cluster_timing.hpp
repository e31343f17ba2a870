#pragma once

/// The engines of an NPU cluster on paper: commands in, cycles out.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "abi/npu_registers.hpp"
#include "chip/chip.hpp"
#include "estimate/run_timing.hpp"
#include "noc/fabric.hpp"
#include "npu/accounting.hpp"
#include "npu/command_fetcher.hpp"
#include "npu/command_fifo.hpp"
#include "npu/statistics.hpp"
#include "npu/tokens.hpp"
#include "npu/weight_decoder.hpp"

namespace tessera::estimate {

using noc::kNever;

/// What hw/npu/cluster_engines.cpp and cluster_fetch.cpp do, by events instead of processes: an
/// engine takes its next command when it is whole, waits for its tokens, works, gives tokens; the
/// fetch engine reads pieces of a list and delivers a word a cycle. A RUN takes what RunTiming
/// says, a CONFIGURE what chip/array_timing.hpp says, a transfer its bursts on the noc::Fabric.
/// Fetcher, FIFOs, tokens and the accounting are those of the model.
///
/// Commands are taken to be legal: the firmware makes them from a checked image. Cycles that are
/// passed in never go back.
class ClusterTiming {
 public:
  /// The load engine is initiator `first_port` of the network, the store and the fetch engine the
  /// next.
  ClusterTiming(const chip::Chip& chip, noc::Fabric& network, uint32_t first_port);

  /// What lists and coded weights are read from: bytes of DRAM from `address` on, which must
  /// outlive this.
  void hold(uint32_t address, const uint8_t* bytes, std::size_t size) {
    held_.push_back({address, bytes, size});
  }

  /// When an engine is done with what it does; kNever if no engine does anything, or the memory
  /// does not know yet.
  uint64_t next_event_cycle() const;
  /// Lets the engines do all that they can do by `cycle`, which is now.
  void settle(uint64_t cycle);

  /// A word arrives in an engine's FIFO, which has the space.
  void push(abi::Engine engine, uint32_t word, uint64_t cycle);
  /// Fetches a list; the one before has been delivered.
  void fetch(uint32_t address, uint32_t words, uint64_t cycle);
  bool fetches() const { return fetcher_.busy(); }
  void set_base(uint32_t number, uint32_t address) { bases_.at(number - 1) = address; }
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
  uint64_t list_cycle() const;
  bool progress_list();
  void deliver_word(abi::Engine engine);
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
  struct Held {
    uint32_t address = 0;
    const uint8_t* bytes = nullptr;
    std::size_t size = 0;
  };
  std::vector<Held> held_;
  npu::CommandFetcher fetcher_;
  bool reading_list_ = false;
  uint64_t word_cycle_ = 0;  ///< from which on the next word can be delivered, if it is there
  std::array<uint32_t, abi::kBases> bases_{};
  npu::Accounting accounting_;
  uint64_t cycle_ = 0;
  uint64_t accounted_cycle_ = 0;
  uint32_t notify_count_ = 0;
  std::optional<abi::ComputeConfig> config_;
  uint64_t configuration_taken_cycle_ = 0;
  std::vector<uint64_t> transfer_cycles_;
};

}  // namespace tessera::estimate
