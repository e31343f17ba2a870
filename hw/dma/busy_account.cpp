#include "dma/busy_account.hpp"

#include <algorithm>

namespace tessera::dma {

void BusyAccount::charge(const BurstStamps& stamps, uint64_t cycle) {
  const uint64_t from = charged_until_;
  const uint64_t until = std::max(from, std::min(cycle, stamps.returned));
  // Borders between the shares, in order and inside [from, until].
  const auto border = [&](uint64_t least, uint64_t stamp) {
    return std::clamp(std::min(stamp, cycle), least, until);
  };
  const uint64_t issued = border(from, stamps.issued);
  const uint64_t delivered = border(issued, stamps.delivered);
  const uint64_t served = border(delivered, stamps.served);
  sums_.other_cycles += issued - from;
  sums_.noc_cycles += delivered - issued;
  sums_.dram_cycles += served - delivered;
  sums_.noc_cycles += until - served;
  sums_.total_cycles += until - from;
  charged_until_ = until;
}

void BusyAccount::repeat(const BurstStamps& last, uint64_t interval, uint64_t bursts) {
  const BurstStamps next{last.issued + interval, last.delivered + interval, last.served + interval,
                         last.returned + interval};
  BusyAccount one;
  one.start(charged_until_);
  one.charge(next, next.returned);
  sums_ = sums_ + one.sums_ * bursts;
  charged_until_ += interval * bursts;
}

void BusyAccount::charge_other(uint64_t cycle) {
  const uint64_t until = std::max(charged_until_, cycle);
  sums_.other_cycles += until - charged_until_;
  sums_.total_cycles += until - charged_until_;
  charged_until_ = until;
}

}  // namespace tessera::dma
