#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace tessera::core {

/// Exception codes of mcause (RISC-V privileged specification, table 3.6).
enum class Cause : uint32_t {
  kFetchMisaligned = 0,
  kFetchAccess = 1,
  kIllegalInstruction = 2,
  kBreakpoint = 3,
  kLoadMisaligned = 4,
  kLoadAccess = 5,
  kStoreMisaligned = 6,
  kStoreAccess = 7,
  kEnvironmentCall = 11,
};

/// The specification's name of a cause, e.g. "load access fault".
const char* cause_name(Cause cause);

/// Interrupt numbers: the bit in mip/mie and the code in mcause.
enum class Interrupt : uint32_t { kSoftware = 3, kTimer = 7, kExternal = 11 };

/// CSR numbers that others than the CSR file need.
namespace csr {
constexpr uint32_t kMstatus = 0x300, kMisa = 0x301, kMie = 0x304, kMtvec = 0x305,
                   kMcounteren = 0x306, kMstatush = 0x310, kMcountinhibit = 0x320,
                   kMscratch = 0x340, kMepc = 0x341, kMcause = 0x342, kMtval = 0x343, kMip = 0x344,
                   kMcycle = 0xB00, kMinstret = 0xB02, kMcycleh = 0xB80, kMinstreth = 0xB82,
                   kCycle = 0xC00, kTime = 0xC01, kInstret = 0xC02, kCycleh = 0xC80, kTimeh = 0xC81,
                   kInstreth = 0xC82, kMvendorid = 0xF11, kMarchid = 0xF12, kMimpid = 0xF13,
                   kMhartid = 0xF14, kMconfigptr = 0xF15;
}  // namespace csr

/// The control and status registers of a hart with machine mode only: mstatus.MPP is hard-wired
/// to M, misa to RV32IMAC. Hardware performance counters 3..31 exist and read as zero. mcounteren
/// holds its three low bits and has no effect, there being no lower mode. There are no PMP
/// registers.
class CsrFile {
 public:
  /// Counters of the core at the instruction that accesses a CSR.
  struct Counters {
    uint64_t cycles = 0;        ///< clock cycles since reset
    uint64_t instructions = 0;  ///< instructions retired before this one
  };

  /// The value of a CSR, or nothing if it does not exist.
  std::optional<uint32_t> read(uint32_t number, const Counters& now) const;

  /// Writes a CSR. False if it does not exist or is read-only.
  bool write(uint32_t number, uint32_t value, const Counters& now);

  /// Level of an interrupt input (mip).
  void set_pending(Interrupt interrupt, bool level);

  /// mip & mie: what ends a WFI.
  uint32_t pending_and_enabled() const { return mip_ & mie_; }

  /// The interrupt to take now, by priority external, software, timer; nothing if none is enabled.
  std::optional<Interrupt> interrupt_to_take() const;

  /// Enters the handler of an exception; returns its address.
  uint32_t enter_exception(Cause cause, uint32_t pc, uint32_t tval);
  /// Enters the handler of an interrupt; returns its address (vectored if mtvec says so).
  uint32_t enter_interrupt(Interrupt interrupt, uint32_t pc);
  /// mret; returns the address to go on at.
  uint32_t leave_trap();

  /// Source of the `time` CSR, in ticks. Without one, time reads as zero.
  void set_time_source(std::function<uint64_t()> source) { time_source_ = std::move(source); }

 private:
  /// A counter of the core plus an offset that software sets by writing it; held while inhibited.
  struct Counter {
    uint64_t offset = 0;
    std::optional<uint64_t> held;
    uint64_t value(uint64_t now) const { return held ? *held : now + offset; }
    void set(uint64_t value, uint64_t now);
    void inhibit(bool on, uint64_t now);
  };

  void enter(uint32_t pc);
  bool write_counter(uint32_t number, uint32_t value, const Counters& now);
  std::optional<uint32_t> read_counter(uint32_t number, const Counters& now) const;
  uint64_t time() const { return time_source_ ? time_source_() : 0; }

  bool interrupts_enabled_ = false;           ///< mstatus.MIE
  bool previous_interrupts_enabled_ = false;  ///< mstatus.MPIE
  uint32_t mie_ = 0;
  uint32_t mip_ = 0;
  uint32_t mtvec_ = 0;
  uint32_t mcounteren_ = 0;
  uint32_t mcountinhibit_ = 0;
  uint32_t mscratch_ = 0;
  uint32_t mepc_ = 0;
  uint32_t mcause_ = 0;
  uint32_t mtval_ = 0;
  Counter cycle_counter_;
  Counter instret_counter_;
  std::function<uint64_t()> time_source_;
};

}  // namespace tessera::core
