#pragma once

/// What the firmware's instructions cost the host core besides register accesses: cycles on the ISS
/// with its CoreTiming, of the firmware as it is compiled (-O2 -flto). docs/estimate.md says how
/// they were measured.

#include <array>
#include <cstdint>

#include "abi/npu_commands.hpp"

namespace tessera::estimate {

constexpr uint64_t kSpaceReadCycles = 7;       ///< around a look at a FIFO's space
constexpr uint64_t kTrapCycles = 28;           ///< waking up, up to the PLIC's claim register
constexpr uint64_t kHandlerCycles = 21;        ///< between the accesses of the handler
constexpr uint64_t kReturnCycles = 29;         ///< from the handler to where it was
constexpr uint64_t kLogitCycles = 22;          ///< of the search for the largest, without DRAM
constexpr uint64_t kFinishCycles = 148;        ///< of an inference, the same
constexpr uint64_t kFinishAccesses = 7;        ///< to DRAM: tensor description, result
constexpr double kInstructionsPerCycle = 0.8;  ///< of the cycles above

constexpr uint64_t kShareCycles = 230;   ///< of a layer among several clusters, a cluster
constexpr uint64_t kBarrierCycles = 22;  ///< of waiting for a cluster, besides sleep

/// Cycles of computing and pushing commands, word by word of an inference.
class PushCost {
 public:
  /// `shared`: layers are shared among several clusters.
  explicit PushCost(bool shared) : shared_(shared) {}

  /// What the firmware does before it writes a word to the FIFO of an engine. All that a command
  /// costs is put before one of its words.
  uint64_t cycles_before(abi::Engine engine, uint32_t word);

 private:
  /// The command that is being written to a FIFO.
  struct Push {
    abi::CommandHeader header;
    uint32_t words = 0;
    uint32_t written = 0;
  };
  enum class Kind : uint8_t {
    kConfigure,
    kTable,
    kWeights,
    kParameters,
    kMap,
    kResidual,
    kEmpty,
    kRun,
    kStore
  };

  uint64_t before_configure(uint32_t number, uint32_t word);
  uint64_t before_load(uint32_t number, uint32_t word);
  uint64_t before_stream(abi::Opcode opcode, uint32_t number);
  uint64_t before_run(uint32_t number, uint32_t word);
  uint64_t before_store(uint32_t number, const abi::CommandHeader& header);
  /// Whether the command before ended a step.
  bool begins_step() const { return previous_ == Kind::kRun || previous_ == Kind::kStore; }

  bool shared_;
  std::array<Push, abi::kEngineCount> pushes_;
  Kind previous_ = Kind::kStore;
  uint32_t region_ = 0;                                     ///< of the load that is being written
  bool sliced_ = false, adds_ = false, loads_map_ = false;  ///< in this layer
};

}  // namespace tessera::estimate
