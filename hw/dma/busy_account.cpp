#include "dma/busy_account.hpp"

#include <algorithm>

namespace tessera::dma {

void BusyAccount::charge(const common::BurstTrace& trace, const sc_core::sc_time& when) {
  const uint64_t from = charged_until_;
  const uint64_t until = std::max(from, clock_.floor_cycles(std::min(when, trace.returned)));
  // Borders between the shares, in order and inside [from, until].
  const auto border = [&](uint64_t least, const sc_core::sc_time& stamp) {
    return std::clamp(clock_.floor_cycles(std::min(stamp, when)), least, until);
  };
  const uint64_t issued = border(from, trace.issued);
  const uint64_t delivered = border(issued, trace.delivered);
  const uint64_t served = border(delivered, trace.served);
  sums_.other_cycles += issued - from;
  sums_.noc_cycles += delivered - issued;
  sums_.dram_cycles += served - delivered;
  sums_.noc_cycles += until - served;
  sums_.total_cycles += until - from;
  charged_until_ = until;
}

void BusyAccount::charge_other(const sc_core::sc_time& when) {
  const uint64_t until = std::max(charged_until_, clock_.floor_cycles(when));
  sums_.other_cycles += until - charged_until_;
  sums_.total_cycles += until - charged_until_;
  charged_until_ = until;
}

}  // namespace tessera::dma
