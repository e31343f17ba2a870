#pragma once

/// What a cluster counts: cycles by cause and events, per layer and in total.

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "abi/npu_commands.hpp"
#include "chip/technology.hpp"

namespace tessera::npu {

/// Why a cycle of an inference passed, as seen from the compute engine.
enum class Cause : uint8_t {
  kCompute,        ///< a RUN advanced
  kBank,           ///< a RUN waited for conflicting banks of the activation scratchpad
  kConfiguration,  ///< a CONFIGURE waited for its words or switched the array
  kLoad,           ///< waited for the load engine: not for its memory, but for its own work
  kStore,          ///< waited for the store engine's own work
  kNoc,            ///< waited for a transfer that was in the network
  kDram,           ///< waited for a transfer that was in the DRAM
  kCommands,       ///< waited for commands that were on their way from a list
  kHost,           ///< nothing to do, and no transfer or list under way
};
constexpr std::size_t kCauseCount = 9;

constexpr const char* name_of(Cause cause) {
  constexpr const char* kNames[kCauseCount] = {"compute", "bank", "configuration", "load", "store",
                                               "noc",     "dram", "commands",      "host"};
  return kNames[static_cast<std::size_t>(cause)];
}

/// Clock cycles by cause; every cycle has exactly one.
struct CycleCounts {
  std::array<uint64_t, kCauseCount> by_cause{};

  uint64_t& operator[](Cause cause) { return by_cause[static_cast<std::size_t>(cause)]; }
  uint64_t operator[](Cause cause) const { return by_cause[static_cast<std::size_t>(cause)]; }
  uint64_t total() const;
  CycleCounts& operator+=(const CycleCounts& other);
};

/// The local memories, in the order of their address regions.
enum class Memory : uint8_t { kActivations, kWeights, kOutputs, kParameters };
constexpr std::size_t kMemoryCount = 4;

constexpr const char* name_of(Memory memory) {
  constexpr const char* kNames[kMemoryCount] = {"activations", "weights", "outputs", "parameters"};
  return kNames[static_cast<std::size_t>(memory)];
}

/// What the PEs did in one mode.
struct PeEvents {
  uint64_t steps = 0;             ///< of PEs that hold a channel and a pixel
  uint64_t active_macs = 0;       ///< without a zero operand
  uint64_t activation_words = 0;  ///< one a column that holds a pixel and step
  uint64_t weight_words = 0;      ///< one a row that holds a channel and step

  PeEvents& operator+=(const PeEvents& other);
};

/// Events of the commands that completed.
struct EventCounts {
  uint64_t runs = 0;
  uint64_t configurations = 0;
  uint64_t tiles = 0;          ///< R x C tiles
  uint64_t macs = 0;           ///< channels * convolution pixels * reduction, no lane padding
  uint64_t lane_slots = 0;     ///< R * C * L * T of every tile: what the array could have done
  uint64_t gated_macs = 0;     ///< of macs, those with a zero operand: they switch nothing
  uint64_t accumulations = 0;  ///< steps of PEs that hold a channel and a pixel
  std::array<PeEvents, chip::kPeModeCount> pe{};  ///< by chip::pe_mode_index
  uint64_t outputs = 0;                           ///< elements written, after pooling
  uint64_t saturations = 0;                       ///< see OutputPath
  uint64_t decoded_bytes = 0;                     ///< of coded weights
  uint64_t table_bytes = 0;                       ///< of code tables loaded
  uint64_t dram_bytes_read = 0;
  uint64_t dram_bytes_written = 0;
  std::array<uint64_t, kMemoryCount> scratchpad_bytes_read{};
  std::array<uint64_t, kMemoryCount> scratchpad_bytes_written{};

  uint64_t scratchpad_bytes() const;  ///< read and written, all memories
  EventCounts& operator+=(const EventCounts& other);
};

/// Of a load of coded weights into `memory`, and of a table.
EventCounts coded_events(const abi::CodedTransfer& coded, Memory memory);
EventCounts table_events(const abi::TableTransfer& table);

struct LayerStatistics {
  uint32_t layer = 0;  ///< abi::tag_layer of its commands
  CycleCounts cycles;
  EventCounts events;
};

/// `cycles` and `events` are the sums over `layers`, which are in ascending order.
struct ClusterStatistics {
  uint64_t inferences = 0;  ///< times PHASE changed to a value other than 0
  std::vector<LayerStatistics> layers;
  CycleCounts cycles;  ///< of all inferences; total() is the number of cycles with PHASE != 0
  EventCounts events;
};

}  // namespace tessera::npu
