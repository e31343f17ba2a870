#pragma once

/// One NPU cluster: registers, three command engines and one that fetches their commands, local
/// memories, PE array, DMA.

#include <tlm_utils/simple_target_socket.h>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <systemc>
#include <vector>

#include "abi/npu_registers.hpp"
#include "chip/chip.hpp"
#include "common/clock.hpp"
#include "common/timing_mode.hpp"
#include "dma/dma_engine.hpp"
#include "npu/accounting.hpp"
#include "npu/array.hpp"
#include "npu/command_fetcher.hpp"
#include "npu/command_fifo.hpp"
#include "npu/compute_unit.hpp"
#include "npu/scratchpad.hpp"
#include "npu/tokens.hpp"
#include "npu/weight_decoder.hpp"

namespace tessera::npu {

/// Register accesses synchronise: they happen at the initiator's local time, whatever its quantum.
/// A bad access answers TLM_ADDRESS_ERROR_RESPONSE (no such register), TLM_COMMAND_ERROR_RESPONSE
/// (read of a WO, write of a RO register) or TLM_BURST_ERROR_RESPONSE (not an aligned word).
///
/// After an error the engines stop: FIFOs are emptied, the command list is forgotten, words written
/// are dropped, nothing is signalled, until CONTROL resets. A transfer in flight at an error or a
/// reset runs to its end and is then forgotten.
class Cluster : public sc_core::sc_module {
 public:
  tlm_utils::simple_target_socket<Cluster> registers;
  tlm::tlm_initiator_socket<32> load_bus;   ///< DRAM reads of the load engine
  tlm::tlm_initiator_socket<32> store_bus;  ///< DRAM writes of the store engine
  tlm::tlm_initiator_socket<32> list_bus;   ///< DRAM reads of the fetch engine

  /// `array` defaults to ModelArray.
  Cluster(const sc_core::sc_module_name& name, const chip::Chip& chip, common::TimingMode timing,
          std::unique_ptr<ArrayBackend> array = nullptr);

  /// Called with the level of the interrupt line at every change; low before the first.
  void on_interrupt(std::function<void(bool)> callback) { interrupt_ = std::move(callback); }

  /// Cycles and events so far.
  ClusterStatistics statistics();

  /// Wall clock in which the array's values were computed, up to the last statistics().
  double kernel_seconds() const { return compute_unit_.kernel_seconds(); }

  /// One line on the sticky error ("compute engine: illegal mode (info 0x1) at layer 3, command
  /// 7"), or empty.
  std::string error_text() const;

  /// One line on what each engine does or waits for.
  std::string status_text() const;

  /// The last bad register access, in words, or empty.
  const std::string& bad_access_text() const { return bad_access_; }

  const LocalMemories& memories() {
    collect_events(true);
    return memories_;
  }

 private:
  enum class Activity : uint8_t { kIdle, kWaiting, kWorking };

  struct EngineState {
    EngineState(abi::Engine engine, uint32_t fifo_words) : fifo(engine, fifo_words) {}

    CommandFifo fifo;
    sc_core::sc_event wake;   ///< a word, a token or a reset came
    sc_core::sc_event space;  ///< words left the FIFO, or are dropped from now on
    Activity activity = Activity::kIdle;
    Command command;       ///< in hand, unless idle
    uint32_t missing = 0;  ///< engines whose token it waits for
  };

  // cluster_registers.cpp
  void b_transport(tlm::tlm_generic_payload& payload, sc_core::sc_time& delay);
  unsigned transport_dbg(tlm::tlm_generic_payload& payload);
  tlm::tlm_response_status check_access(const tlm::tlm_generic_payload& payload) const;
  uint32_t read_register(uint32_t offset) const;
  void write_register(uint32_t offset, uint32_t value);
  void write_fifo(abi::Engine engine, uint32_t word);
  void push_word(abi::Engine engine, uint32_t word);
  void reset();
  uint32_t pending_interrupts() const;
  void update_interrupt();

  // cluster_fetch.cpp
  void start_list(uint32_t words);
  void end_list();
  void fetch_thread();
  void deliver_thread();
  void deliver_word(uint32_t epoch);

  // cluster_engines.cpp
  void load_thread() { run_engine(abi::Engine::kLoad); }
  void compute_thread() { run_engine(abi::Engine::kCompute); }
  void store_thread() { run_engine(abi::Engine::kStore); }
  void run_engine(abi::Engine engine);
  void take_command(abi::Engine engine);
  bool take_tokens(abi::Engine engine, uint32_t epoch);
  void execute(abi::Engine engine, uint32_t epoch);
  void complete(abi::Engine engine);
  void idle(abi::Engine engine);
  void execute_configure(const Command& command, uint32_t epoch);
  void execute_run(const Command& command, uint32_t epoch);
  void collect_events(bool all);
  void execute_transfer(abi::Engine engine, const Command& command, uint32_t epoch);
  void execute_coded(const Command& command, uint32_t epoch);
  void execute_table(const Command& command, uint32_t epoch);
  bool fetch_stream(uint32_t dram_address, uint32_t bytes, abi::NpuError fault,
                    const Command& command, uint32_t epoch);
  void fail(abi::Engine engine, Fault fault, uint32_t tag);
  bool wait_cycles(uint64_t cycles, uint32_t epoch);
  uint32_t productive_engines() const;
  uint32_t stuck_engines() const;
  void review_watchdog();
  void watchdog();

  uint64_t now_cycles() const { return clock_.now_cycles(); }
  void account();
  EngineState& state(abi::Engine engine) { return *engines_[static_cast<std::size_t>(engine)]; }
  const EngineState& state(abi::Engine engine) const {
    return *engines_[static_cast<std::size_t>(engine)];
  }

  const chip::Npu npu_;
  const common::Clock clock_;
  LocalMemories memories_;
  ComputeUnit compute_unit_;
  dma::DmaEngine load_dma_;
  dma::DmaEngine store_dma_;
  dma::DmaEngine list_dma_;
  WeightDecoder decoder_;
  std::vector<uint8_t> stream_;  ///< what the decoder is given
  Accounting accounting_;
  Tokens tokens_;
  std::array<std::unique_ptr<EngineState>, abi::kEngineCount> engines_;

  CommandFetcher fetcher_;
  bool reading_list_ = false;              ///< a transfer of a list is in flight
  std::optional<abi::Engine> blocked_at_;  ///< whose full FIFO the next word waits at
  sc_core::sc_event fetch_event_;          ///< a list began, or a buffer may be free
  sc_core::sc_event deliver_event_;        ///< a piece arrived
  sc_core::sc_event list_end_;

  abi::ComputeConfig config_{};
  bool configured_ = false;
  uint64_t configuration_taken_cycle_ = 0;

  uint32_t epoch_ = 0;         ///< counts errors and resets: work of an older epoch is forgotten
  sc_core::sc_event aborted_;  ///< the epoch changed
  sc_core::sc_event watchdog_event_;

  struct Error {
    abi::NpuError cause = abi::NpuError::kNone;
    abi::Engine engine = abi::Engine::kLoad;
    uint32_t tag = 0;
    uint32_t info = 0;
  };
  Error error_;
  bool failed() const { return error_.cause != abi::NpuError::kNone; }

  uint32_t irq_enable_ = 0;
  uint32_t irq_events_ = 0;  ///< latched bits of IRQ_PENDING
  bool irq_level_ = false;
  uint32_t space_threshold_ = 0;
  uint32_t notify_count_ = 0;
  uint32_t token_timeout_ = 0;
  uint32_t phase_ = 0;
  uint32_t list_address_ = 0;
  std::array<uint32_t, abi::kBases> bases_{};
  std::function<void(bool)> interrupt_;
  std::string bad_access_;
};

}  // namespace tessera::npu
