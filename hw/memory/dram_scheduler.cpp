#include "memory/dram_scheduler.hpp"

#include <algorithm>

namespace tessera::memory {

uint64_t DramScheduler::choice_cycle() const {
  const uint64_t bus_free_ps = timing_->bus_free_ps(channel_);
  const uint64_t lead_ps = timing_->row_conflict_ps();
  const uint64_t bus_cycle = bus_free_ps > lead_ps ? (bus_free_ps - lead_ps) / period_ps_ : 0;
  return std::max({bus_cycle, waiting_.front().access.arrival_cycle, last_choice_cycle_});
}

std::size_t DramScheduler::choose(uint64_t cycle) const {
  if (waiting_.front().passes >= kMostPasses) return 0;
  const uint64_t now_ps = cycle * period_ps_;
  const uint64_t bus_free_ps = timing_->bus_free_ps(channel_);
  std::size_t best = 0;
  uint64_t best_ps = UINT64_MAX;
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    if (waiting_[i].access.arrival_cycle > cycle) break;
    const uint64_t data_ps = timing_->data_ps(channel_, waiting_[i].place, now_ps);
    if (data_ps >= best_ps) continue;
    best = i;
    best_ps = data_ps;
    if (data_ps <= bus_free_ps) break;
  }
  return best;
}

void DramScheduler::shift(uint64_t cycles, uint64_t address, uint64_t tag) {
  last_choice_cycle_ += cycles;
  for (Waiting& w : waiting_) {
    w.access.arrival_cycle += cycles;
    w.access.address += address;
    w.access.tag += tag;
  }
}

DramScheduler::Served DramScheduler::serve(uint64_t cycle) {
  last_choice_cycle_ = cycle;
  const std::size_t chosen = choose(cycle);
  Served served{waiting_[chosen].access, 0};
  waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(chosen));
  for (std::size_t i = 0; i < chosen; ++i) ++waiting_[i].passes;
  const Access& access = served.access;
  const uint64_t done_ps =
      timing_->schedule(cycle * period_ps_, access.address, access.bytes, access.is_write);
  served.done_cycle = (done_ps + period_ps_ - 1) / period_ps_;
  return served;
}

}  // namespace tessera::memory
