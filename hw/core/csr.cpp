#include "core/csr.hpp"

namespace tessera::core {
namespace {

constexpr uint32_t kStatusMie = 1U << 3;
constexpr uint32_t kStatusMpie = 1U << 7;
constexpr uint32_t kStatusMppMachine = 3U << 11;
constexpr uint32_t kInterruptMask = (1U << 3) | (1U << 7) | (1U << 11);
constexpr uint32_t kMisaRv32imac = (1U << 30) | (1U << 12) | (1U << 8) | (1U << 2) | 1U;
constexpr uint32_t kCauseInterrupt = 1U << 31;
constexpr uint32_t kInhibitCycle = 1U << 0;
constexpr uint32_t kInhibitInstret = 1U << 2;

constexpr uint32_t bit_of(Interrupt interrupt) { return 1U << static_cast<uint32_t>(interrupt); }
constexpr uint32_t low(uint64_t value) { return static_cast<uint32_t>(value); }
constexpr uint32_t high(uint64_t value) { return static_cast<uint32_t>(value >> 32); }
constexpr uint64_t with_low(uint64_t old, uint32_t value) { return (old >> 32 << 32) | value; }
constexpr uint64_t with_high(uint64_t old, uint32_t value) {
  return low(old) | (static_cast<uint64_t>(value) << 32);
}

constexpr bool in(uint32_t number, uint32_t first, uint32_t last) {
  return first <= number && number <= last;
}

/// Counters and event selectors that read as zero: mhpmevent, mhpmcounter(h).
constexpr bool is_zero_counter(uint32_t n) {
  return in(n, 0x323, 0x33F) || in(n, 0xB03, 0xB1F) || in(n, 0xB83, 0xB9F);
}
constexpr bool is_zero_counter_shadow(uint32_t n) {
  return in(n, 0xC03, 0xC1F) || in(n, 0xC83, 0xC9F);
}
constexpr bool is_identity(uint32_t n) { return in(n, csr::kMvendorid, csr::kMconfigptr); }

}  // namespace

const char* cause_name(Cause cause) {
  switch (cause) {
    case Cause::kFetchMisaligned:
      return "instruction address misaligned";
    case Cause::kFetchAccess:
      return "instruction access fault";
    case Cause::kIllegalInstruction:
      return "illegal instruction";
    case Cause::kBreakpoint:
      return "breakpoint";
    case Cause::kLoadMisaligned:
      return "load address misaligned";
    case Cause::kLoadAccess:
      return "load access fault";
    case Cause::kStoreMisaligned:
      return "store or AMO address misaligned";
    case Cause::kStoreAccess:
      return "store or AMO access fault";
    case Cause::kEnvironmentCall:
      return "environment call";
  }
  return "unknown cause";
}

void CsrFile::Counter::set(uint64_t value, uint64_t now) {
  offset = value - now;
  if (held) held = value;
}

void CsrFile::Counter::inhibit(bool on, uint64_t now) {
  if (on == held.has_value()) return;
  if (on) {
    held = now + offset;
  } else {
    offset = *held - now;
    held.reset();
  }
}

std::optional<uint32_t> CsrFile::read_counter(uint32_t number, const Counters& now) const {
  switch (number) {
    case csr::kMcycle:
    case csr::kCycle:
      return low(cycle_counter_.value(now.cycles));
    case csr::kMcycleh:
    case csr::kCycleh:
      return high(cycle_counter_.value(now.cycles));
    case csr::kMinstret:
    case csr::kInstret:
      return low(instret_counter_.value(now.instructions));
    case csr::kMinstreth:
    case csr::kInstreth:
      return high(instret_counter_.value(now.instructions));
    case csr::kTime:
      return low(time());
    case csr::kTimeh:
      return high(time());
    default:
      break;
  }
  if (is_zero_counter(number) || is_zero_counter_shadow(number)) return 0;
  return std::nullopt;
}

std::optional<uint32_t> CsrFile::read(uint32_t number, const Counters& now) const {
  switch (number) {
    case csr::kMstatus:
      return (interrupts_enabled_ ? kStatusMie : 0U) |
             (previous_interrupts_enabled_ ? kStatusMpie : 0U) | kStatusMppMachine;
    case csr::kMisa:
      return kMisaRv32imac;
    case csr::kMie:
      return mie_;
    case csr::kMip:
      return mip_;
    case csr::kMtvec:
      return mtvec_;
    case csr::kMcounteren:
      return mcounteren_;
    case csr::kMstatush:
      return 0;
    case csr::kMcountinhibit:
      return mcountinhibit_;
    case csr::kMscratch:
      return mscratch_;
    case csr::kMepc:
      return mepc_;
    case csr::kMcause:
      return mcause_;
    case csr::kMtval:
      return mtval_;
    default:
      break;
  }
  if (is_identity(number)) return 0;
  return read_counter(number, now);
}

bool CsrFile::write_counter(uint32_t number, uint32_t value, const Counters& now) {
  // The counter of retired instructions reads as written by the instruction after the write.
  const uint64_t next = now.instructions + 1;
  const uint64_t cycle = cycle_counter_.value(now.cycles);
  const uint64_t instret = instret_counter_.value(next);
  switch (number) {
    case csr::kMcycle:
      cycle_counter_.set(with_low(cycle, value), now.cycles);
      return true;
    case csr::kMcycleh:
      cycle_counter_.set(with_high(cycle, value), now.cycles);
      return true;
    case csr::kMinstret:
      instret_counter_.set(with_low(instret, value), next);
      return true;
    case csr::kMinstreth:
      instret_counter_.set(with_high(instret, value), next);
      return true;
    default:
      return is_zero_counter(number);
  }
}

bool CsrFile::write(uint32_t number, uint32_t value, const Counters& now) {
  switch (number) {
    case csr::kMstatus:
      interrupts_enabled_ = (value & kStatusMie) != 0;
      previous_interrupts_enabled_ = (value & kStatusMpie) != 0;
      return true;
    case csr::kMisa:
    case csr::kMstatush:
    case csr::kMip:
      return true;
    case csr::kMie:
      mie_ = value & kInterruptMask;
      return true;
    case csr::kMtvec:
      if ((value & 2U) == 0) mtvec_ = value;
      return true;
    case csr::kMcounteren:
      mcounteren_ = value & 7U;
      return true;
    case csr::kMcountinhibit:
      mcountinhibit_ = value & (kInhibitCycle | kInhibitInstret);
      cycle_counter_.inhibit((value & kInhibitCycle) != 0, now.cycles);
      instret_counter_.inhibit((value & kInhibitInstret) != 0, now.instructions + 1);
      return true;
    case csr::kMscratch:
      mscratch_ = value;
      return true;
    case csr::kMepc:
      mepc_ = value & ~1U;
      return true;
    case csr::kMcause:
      mcause_ = value;
      return true;
    case csr::kMtval:
      mtval_ = value;
      return true;
    default:
      return write_counter(number, value, now);
  }
}

void CsrFile::set_pending(Interrupt interrupt, bool level) {
  mip_ = level ? mip_ | bit_of(interrupt) : mip_ & ~bit_of(interrupt);
}

std::optional<Interrupt> CsrFile::interrupt_to_take() const {
  if (!interrupts_enabled_) return std::nullopt;
  for (const Interrupt candidate :
       {Interrupt::kExternal, Interrupt::kSoftware, Interrupt::kTimer}) {
    if ((pending_and_enabled() & bit_of(candidate)) != 0) return candidate;
  }
  return std::nullopt;
}

void CsrFile::enter(uint32_t pc) {
  mepc_ = pc;
  previous_interrupts_enabled_ = interrupts_enabled_;
  interrupts_enabled_ = false;
}

uint32_t CsrFile::enter_exception(Cause cause, uint32_t pc, uint32_t tval) {
  enter(pc);
  mcause_ = static_cast<uint32_t>(cause);
  mtval_ = tval;
  return mtvec_ & ~3U;
}

uint32_t CsrFile::enter_interrupt(Interrupt interrupt, uint32_t pc) {
  enter(pc);
  mcause_ = kCauseInterrupt | static_cast<uint32_t>(interrupt);
  mtval_ = 0;
  const uint32_t offset = (mtvec_ & 1U) != 0 ? 4 * static_cast<uint32_t>(interrupt) : 0;
  return (mtvec_ & ~3U) + offset;
}

uint32_t CsrFile::leave_trap() {
  interrupts_enabled_ = previous_interrupts_enabled_;
  previous_interrupts_enabled_ = true;
  return mepc_;
}

}  // namespace tessera::core
