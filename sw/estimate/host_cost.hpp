#pragma once

/// What the firmware's instructions cost the host core besides register accesses: cycles on the ISS
/// with its CoreTiming, of the firmware as it is compiled (-O2 -flto). docs/estimate.md says how
/// they were measured.

#include <array>
#include <cstdint>
#include <optional>

#include "abi/npu_commands.hpp"

namespace tessera::estimate {

constexpr uint64_t kSpaceReadCycles = 7;       ///< around a look at a FIFO's space
constexpr uint64_t kTrapCycles = 28;           ///< waking up, up to the PLIC's claim register
constexpr uint64_t kHandlerCycles = 21;        ///< between the accesses of the handler
constexpr uint64_t kReturnCycles = 29;         ///< from the handler to where it was
constexpr uint64_t kLogitCycles = 18;          ///< of the search for the largest, without DRAM
constexpr uint64_t kFinishCycles = 54;         ///< of an inference, the same
constexpr uint64_t kFinishAccesses = 7;        ///< to DRAM: tensor description, result
constexpr double kInstructionsPerCycle = 0.8;  ///< of the cycles above

/// Cycles of computing and pushing commands, word by word of an inference.
class PushCost {
 public:
  /// What the firmware does before it writes a word to the FIFO of an engine.
  uint64_t cycles_before(abi::Engine engine, uint32_t word);

 private:
  /// The command that is being written to a FIFO.
  struct Push {
    uint32_t words = 0;
    uint32_t written = 0;
  };

  uint64_t load_cycles(uint32_t local_address);

  std::array<Push, abi::kEngineCount> pushes_;
  std::optional<uint32_t> last_load_;  ///< region that the tile's last load went to
  bool stored_ = false;                ///< a store was the last command but loads
};

}  // namespace tessera::estimate
