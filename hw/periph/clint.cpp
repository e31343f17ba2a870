#include "periph/clint.hpp"

#include "abi/memory_map.hpp"

namespace tessera::periph {
namespace {

constexpr uint32_t kMsip = 0x0;
constexpr uint32_t kMtimecmp = 0x4000;
constexpr uint32_t kMtimecmpHigh = 0x4004;
constexpr uint32_t kMtime = 0xBFF8;
constexpr uint32_t kMtimeHigh = 0xBFFC;
constexpr uint32_t kMappedBytes = 0xC000;

const RegisterTable& clint_registers() {
  static const RegisterTable table({{"msip", kMsip, 4},
                                    {"mtimecmp", kMtimecmp, 4},
                                    {"mtimecmph", kMtimecmpHigh, 4},
                                    {"mtime", kMtime, 4},
                                    {"mtimeh", kMtimeHigh, 4}});
  return table;
}

AccessRules clint_rules() {
  AccessRules rules;
  rules.size_bytes = kMappedBytes;
  return rules;
}

const sc_core::sc_time& tick() {
  static const sc_core::sc_time period(1.0 / abi::kTimebaseHz, sc_core::SC_SEC);
  return period;
}

uint64_t with_half(uint64_t old, bool high, uint32_t value) {
  const uint64_t v = value;
  return high ? (old & 0xFFFF'FFFFU) | (v << 32) : (old >> 32 << 32) | v;
}

}  // namespace

Clint::Clint(const sc_core::sc_module_name& name)
    : Peripheral(name, clint_registers(), clint_rules()) {
  SC_HAS_PROCESS(Clint);
  SC_METHOD(timer_process);
  sensitive << timer_event_;
  dont_initialize();
}

void Clint::set_software_interrupt_callback(std::function<void(bool level)> callback) {
  software_callback_ = std::move(callback);
}

void Clint::set_timer_interrupt_callback(std::function<void(bool level)> callback) {
  timer_callback_ = std::move(callback);
}

uint64_t Clint::ticks_at(const sc_core::sc_time& now) const {
  return now.value() / tick().value() + mtime_offset_;
}

uint32_t Clint::value_at(uint32_t offset, const sc_core::sc_time& now) const {
  switch (offset) {
    case kMsip:
      return msip_;
    case kMtimecmp:
      return static_cast<uint32_t>(mtimecmp_);
    case kMtimecmpHigh:
      return static_cast<uint32_t>(mtimecmp_ >> 32);
    case kMtime:
      return static_cast<uint32_t>(ticks_at(now));
    case kMtimeHigh:
      return static_cast<uint32_t>(ticks_at(now) >> 32);
    default:
      return 0;
  }
}

uint32_t Clint::read(uint32_t offset, uint32_t, const sc_core::sc_time& now) {
  return value_at(offset, now);
}

uint8_t Clint::peek(uint32_t offset) const {
  return byte_of(value_at(offset & ~3U, sc_core::sc_time_stamp()), offset);
}

void Clint::write(uint32_t offset, uint32_t, uint32_t value, const sc_core::sc_time& now) {
  const bool high = (offset & 4U) != 0;
  switch (offset) {
    case kMsip:
      msip_ = value & 1U;
      if (software_callback_) software_callback_(msip_ != 0);
      return;
    case kMtimecmp:
    case kMtimecmpHigh:
      mtimecmp_ = with_half(mtimecmp_, high, value);
      break;
    case kMtime:
    case kMtimeHigh: {
      const uint64_t ticks = ticks_at(now);
      mtime_offset_ += with_half(ticks, high, value) - ticks;
      break;
    }
    default:
      return;
  }
  update_timer();
}

void Clint::timer_process() { update_timer(); }

void Clint::update_timer() {
  const sc_core::sc_time now = sc_core::sc_time_stamp();
  const bool level = ticks_at(now) >= mtimecmp_;
  timer_event_.cancel();
  if (!level) {
    // mtime reaches mtimecmp at this many ticks of simulated time; beyond 2^64 it never does.
    const uint64_t due_ticks = mtimecmp_ - mtime_offset_;
    const uint64_t limit = UINT64_MAX / tick().value();
    if (due_ticks <= limit) {
      timer_event_.notify(sc_core::sc_time::from_value(due_ticks * tick().value()) - now);
    }
  }
  if (level == timer_level_) return;
  timer_level_ = level;
  if (timer_callback_) timer_callback_(level);
}

}  // namespace tessera::periph
