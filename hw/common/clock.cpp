#include "common/clock.hpp"

namespace tessera::common {

Clock::Clock(uint64_t period_ps)
    : period_ps_(period_ps),
      period_units_(sc_core::sc_time(static_cast<double>(period_ps), sc_core::SC_PS).value()) {
  if (period_ps == 0 || period_units_ < period_ps) {
    SC_REPORT_FATAL("tessera/common/clock", "a period must be whole picoseconds, one or more");
  }
}

}  // namespace tessera::common
