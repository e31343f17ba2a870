#pragma once

#include <cstdint>
#include <systemc>

namespace tessera::common {

/// The chip clock as arithmetic: edges are the multiples of the period since time zero. Everything
/// is exact; simulated time counts whole units of the SystemC time resolution (a picosecond).
class Clock {
 public:
  /// `period_ps` is positive. The SystemC resolution must be a picosecond or finer.
  explicit Clock(uint64_t period_ps);

  sc_core::sc_time period() const { return sc_core::sc_time::from_value(period_units_); }
  uint64_t period_ps() const { return period_ps_; }

  /// Duration of `cycles`.
  sc_core::sc_time cycles(uint64_t cycles) const {
    return sc_core::sc_time::from_value(cycles * period_units_);
  }

  /// Whole cycles in `time`, rounded down or up.
  uint64_t floor_cycles(const sc_core::sc_time& time) const { return time.value() / period_units_; }
  uint64_t ceil_cycles(const sc_core::sc_time& time) const {
    return time.value() / period_units_ + (time.value() % period_units_ != 0 ? 1 : 0);
  }

  /// The first edge at or after `time`.
  sc_core::sc_time next_edge(const sc_core::sc_time& time) const {
    return cycles(ceil_cycles(time));
  }

  /// Edges passed since time zero.
  uint64_t now_cycles() const { return floor_cycles(sc_core::sc_time_stamp()); }

 private:
  uint64_t period_ps_;
  uint64_t period_units_;
};

}  // namespace tessera::common
