#pragma once

#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/tlm_quantumkeeper.h>

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <systemc>
#include <vector>

#include "core/block_cache.hpp"
#include "core/csr.hpp"
#include "core/dmi_table.hpp"
#include "core/instruction.hpp"
#include "core/timing.hpp"

namespace tessera::core {

/// What a core is built with.
struct IssConfig {
  uint32_t reset_pc = 0x8000'0000;
  sc_core::sc_time clock_period{1, sc_core::SC_NS};  ///< greater than zero
  /// The core lets the rest of the system catch up after this many instructions, at the next end
  /// of a basic block; blocks are cut to this length, so 1 runs in step with the system. At
  /// least 1.
  uint64_t quantum_instructions = 1000;
  CoreTiming timing;
};

/// A synchronous exception as the handler sees it.
struct Exception {
  Cause cause = Cause::kIllegalInstruction;
  uint32_t pc = 0;    ///< mepc: the instruction that raised it
  uint32_t tval = 0;  ///< mtval: the address or the instruction bits
};

/// Why the core stands still.
enum class HaltReason { kRequested, kBreakpoint, kStep };

/// An instruction-set simulator of one RV32IMAC + Zicsr hart with machine mode only.
///
/// Behaviour is that of `qemu-system-riscv32` with an rv32 CPU of the same extensions where the
/// specification leaves a choice: misaligned loads and stores work, misaligned LR and AMO trap, a
/// failing SC does not look at memory, SC compares the value that LR read, mtval holds the bits of
/// an illegal instruction.
///
/// Time: the core runs ahead of the system by up to a quantum. It catches up before every access
/// that does not go through DMI, and lets the target's delay pass after it, so that devices see
/// such accesses at their exact time whatever the quantum. Over the bus, the fetch and the data
/// access of one instruction follow each other; through DMI they overlap. Interrupt inputs and
/// requests are looked at between basic blocks, and after each instruction that accessed a device.
///
/// Code: basic blocks are predecoded from DMI memory and dropped by fence.i, flush_code() and DMI
/// invalidation; a store into code takes effect after fence.i. Code in memory without DMI is
/// fetched again each time it runs.
///
/// Debugging: a gdb server sets a halt hook. It is called inside the core's process when the core
/// halts, and may block while it serves its client: registers through read_register() and pc(),
/// memory through debug_read() and debug_write() (transport_dbg), breakpoints through
/// set_breakpoint(). It then calls resume() or step() and returns; if it calls neither, the core
/// stays halted, simulated time goes on, and a later resume() or step() restarts it.
class Iss : public sc_core::sc_module {
 public:
  tlm_utils::simple_initiator_socket<Iss> bus;

  Iss(const sc_core::sc_module_name& name, const IssConfig& config);

  /// Interrupt inputs, level sensitive. They end a WFI.
  void set_software_interrupt(bool level) { set_interrupt(Interrupt::kSoftware, level); }
  void set_timer_interrupt(bool level) { set_interrupt(Interrupt::kTimer, level); }
  void set_external_interrupt(bool level) { set_interrupt(Interrupt::kExternal, level); }
  /// Source of the `time` CSR in ticks; called when the core has caught up with the system.
  void set_time_source(std::function<uint64_t()> source);

  /// Register x0..x31; writes to x0 are ignored.
  uint32_t read_register(unsigned index) const { return x_.at(index); }
  void write_register(unsigned index, uint32_t value);
  uint32_t pc() const { return pc_; }
  /// Bit 0 is cleared.
  void set_pc(uint32_t pc) { pc_ = pc & ~1U; }
  /// A CSR as an instruction would access it, without side effects on the instruction count.
  /// Reading gives nothing and writing false if it does not exist or is read-only.
  std::optional<uint32_t> read_csr(uint32_t number) const { return csr_.read(number, counters()); }
  bool write_csr(uint32_t number, uint32_t value);

  /// Instructions that completed, traps not counted.
  uint64_t instructions_retired() const { return issued_ - exceptions_; }
  /// Clock cycles since reset, WFI and waiting for the bus included.
  uint64_t cycles() const { return cycles_; }
  /// Cycles of those spent in WFI.
  uint64_t idle_cycles() const { return idle_cycles_; }
  const sc_core::sc_time& clock_period() const { return config_.clock_period; }
  bool waiting_for_interrupt() const { return waiting_; }

  /// The latest synchronous exception, if there was one.
  const std::optional<Exception>& last_exception() const { return last_exception_; }
  /// Called on each synchronous exception before its handler runs; it may call halt().
  void set_exception_observer(std::function<void(const Exception&)> observer);

  /// Calls back with the value whenever the core stores to `address`, after the store. Used for
  /// `tohost`. One address at a time.
  void watch_stores(uint32_t address, std::function<void(uint32_t value)> callback);

  /// Halts before the next instruction, or at once in WFI. May be called at any time.
  void halt();
  /// The same without calling the halt hook: the platform ends a run with it.
  void stop();
  void resume();
  /// Runs one instruction (or takes one exception) and halts again; interrupts are not taken.
  void step();
  bool halted() const { return halted_; }
  void set_halt_hook(std::function<void(HaltReason)> hook) { halt_hook_ = std::move(hook); }
  /// The core halts before it runs the instruction at `address`.
  void set_breakpoint(uint32_t address);
  void clear_breakpoint(uint32_t address);

  /// Memory by debug transport. Returns the number of bytes that could be accessed.
  /// debug_write() also drops predecoded code.
  uint32_t debug_read(uint32_t address, void* data, uint32_t size_bytes);
  uint32_t debug_write(uint32_t address, const void* data, uint32_t size_bytes);
  /// Drops predecoded code, after something else than the core wrote code.
  void flush_code();

 private:
  struct Reservation {
    uint32_t address = 0;
    uint32_t value = 0;
  };

  // iss.cpp: process, time, halting.
  void thread();
  void synchronize_to(uint64_t cycle);
  uint64_t cycle_at(const sc_core::sc_time& delay) const;
  void serve_requests();
  void serve_halt();
  void wait_for_interrupt();
  void set_interrupt(Interrupt interrupt, bool level);
  void request_halt(HaltReason reason);
  void update_attention();
  void raise(Cause cause, uint32_t pc, uint32_t tval);
  CsrFile::Counters counters() const { return {cycles_, instructions_retired()}; }

  // execute.cpp: instructions. Those that return bool return false if the block was left.
  void run(uint64_t until_issued);
  void run_one();
  void execute(const Block& block);
  void retire(const Instruction& i, uint32_t next_pc);
  void branch(const Instruction& i, bool taken);
  void trap(const Instruction& i, Cause cause, uint32_t tval);
  bool go_on(const Instruction& i);
  template <typename T>
  bool load(const Instruction& i);
  template <typename T>
  bool store(const Instruction& i);
  bool load_reserved(const Instruction& i);
  bool store_conditional(const Instruction& i);
  bool atomic(const Instruction& i);
  void system(const Instruction& i);
  void access_csr(const Instruction& i);

  // memory_access.cpp: everything that leaves the core. Those that return bool return false on an
  // access fault, with the failing address.
  const Block* next_block(uint32_t limit);
  bool predecode(Block& block, uint32_t limit);
  bool fetch_direct(uint32_t pc, uint32_t& bits, uint32_t& stall_cycles) const;
  bool fetch_over_bus(Block& block);
  bool read_memory(uint32_t cycles_before, uint32_t& address, uint32_t size_bytes, uint32_t& value);
  bool write_memory(uint32_t cycles_before, uint32_t& address, uint32_t size_bytes, uint32_t value);
  bool transport(tlm::tlm_command command, uint32_t address, void* data, uint32_t size_bytes,
                 uint32_t cycles_before);
  uint32_t debug_transport(tlm::tlm_command command, uint32_t address, void* data,
                           uint32_t size_bytes);
  void request_dmi(uint32_t address, tlm::tlm_command command);
  void invalidate_direct_mem_ptr(sc_dt::uint64 start, sc_dt::uint64 end);

  IssConfig config_;
  std::array<uint32_t, 33> x_{};  ///< [kSink] takes what is written to x0
  uint32_t pc_;
  CsrFile csr_;
  std::optional<Reservation> reservation_;

  BlockCache cache_;
  Block uncached_block_;
  DmiTable dmi_;
  DmiRegion load_region_;   ///< region of the latest load through DMI
  DmiRegion store_region_;  ///< region of the latest store through DMI

  tlm_utils::tlm_quantumkeeper keeper_;
  uint64_t cycles_ = 0;
  uint64_t idle_cycles_ = 0;
  uint64_t issued_ = 0;  ///< instructions begun: retired ones and those that raised an exception
  uint64_t exceptions_ = 0;  ///< synchronous ones

  bool attention_ = false;  ///< serve_requests() has something to do
  bool waiting_ = false;    ///< in WFI
  bool halted_ = false;
  bool stepping_ = false;
  bool quiet_ = false;  ///< the pending halt came from stop()
  std::optional<HaltReason> pending_halt_;
  sc_core::sc_event wake_;
  std::set<uint32_t> breakpoints_;
  std::function<void(HaltReason)> halt_hook_;

  std::optional<Exception> last_exception_;
  std::function<void(const Exception&)> exception_observer_;
  uint32_t watched_address_ = 0;
  uint32_t watched_word_ = 1;  ///< word of watched_address_; odd, and so never met, without one
  std::function<void(uint32_t)> store_callback_;
};

}  // namespace tessera::core
