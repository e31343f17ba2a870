// Bursts of a train that is alone and even, many at a time.
//
// A burst passes borders: issued, delivered, served, returned. Behind each it waits for two things:
// that it passed the border before, and that the burst before it has passed this one (a burst is
// issued when the one before has left and one further ahead has returned). Its time is the later of
// the two, each plus a constant. So once bursts pass a border at one interval, and come to it at
// that interval, they go on doing so: until the descriptor's run or the row of the memory ends, a
// refresh is due, or somebody else comes.
#include <algorithm>
#include <iterator>
#include <utility>

#include "noc/fabric.hpp"

namespace tessera::noc {

namespace {

constexpr uint64_t kEvenBursts = 2;    ///< that have to have returned
constexpr uint64_t kFewestBursts = 4;  ///< to leap; fewer are not worth it

/// Whether `b` follows `a`, without a gap in memory, by so many cycles at each border that both
/// have passed.
bool follows(const dma::BurstStamps& a, const dma::BurstStamps& b, uint64_t cycles) {
  const auto even = [&](uint64_t first, uint64_t second) {
    return first == kNever || second == kNever || second - first == cycles;
  };
  return even(a.issued, b.issued) && even(a.delivered, b.delivered) && even(a.served, b.served) &&
         even(a.returned, b.returned);
}

/// `cycles` may be the negative of some, modulo 2^64.
uint64_t later(uint64_t stamp, uint64_t cycles) {
  return stamp == kNever ? kNever : stamp + cycles;
}

dma::BurstStamps later(const dma::BurstStamps& stamps, uint64_t cycles) {
  return {later(stamps.issued, cycles), later(stamps.delivered, cycles),
          later(stamps.served, cycles), later(stamps.returned, cycles)};
}

}  // namespace

/// Listens to the bursts as they retire.
void Fabric::hear(Port& port, const Slot& retired) {
  Rhythm& rhythm = port.rhythm;
  const uint64_t cycles = retired.stamps.returned - rhythm.last.stamps.returned;
  const bool even = rhythm.last.address + rhythm.last.bytes == retired.address &&
                    rhythm.last.bytes == retired.bytes && cycles == rhythm.cycles &&
                    follows(rhythm.last.stamps, retired.stamps, cycles);
  rhythm.even = even ? rhythm.even + 1 : 0;
  if (!even) rhythm.pace.reset();
  rhythm.cycles = cycles;
  rhythm.last = retired;
}

/// After a burst has returned, at `cycle`.
void Fabric::leap(uint32_t initiator, uint64_t cycle) {
  Port& port = ports_[initiator];
  if (port.rhythm.even < kEvenBursts || horizon_ <= cycle) return;
  charge_returned(port, cycle);
  if (port.rhythm.even < port.retired - port.charged + kEvenBursts) return;
  if (!alone(initiator) || !in_flight_even(port)) {
    port.rhythm.pace.reset();
    return;
  }
  const std::optional<Pace> before = std::exchange(port.rhythm.pace, pace_of(initiator, cycle));
  if (!before || before->waiting != port.waiting) return;
  const uint64_t cycles = port.rhythm.cycles;
  const Pace& now = *port.rhythm.pace;
  const uint64_t accesses = now.memory.statistics.row_hits - before->memory.statistics.row_hits;
  const bool steady = now.cycle - before->cycle == cycles &&
                      now.memory.bus_free_ps - before->memory.bus_free_ps == cycles * period_ps_ &&
                      now.memory.statistics.activates == before->memory.statistics.activates &&
                      now.memory.statistics.refreshes == before->memory.statistics.refreshes &&
                      accesses > 0 &&
                      now.requests.link.packets - before->requests.link.packets == 1 &&
                      now.responses.link.packets - before->responses.link.packets == 1;
  if (!steady) return;
  const uint64_t bursts = bursts_to_leap(port, cycle);
  if (bursts < kFewestBursts) return;
  repeat(initiator, *before, bursts);
  port.rhythm.even = 0;
  port.rhythm.pace.reset();
}

/// Puts into the account what has returned by `cycle`.
void Fabric::charge_returned(Port& port, uint64_t cycle) {
  for (; port.charged < port.retired; ++port.charged) {
    const dma::BurstStamps& stamps = port.slot(port.charged).stamps;
    if (stamps.returned > cycle) return;
    port.account.charge(stamps, stamps.returned);
  }
}

/// No other train and no single request is in the network, the memory has one channel, and the
/// bursts come to it on links of their own.
bool Fabric::alone(uint32_t initiator) const {
  if (!requests_.is_crossbar() || !moving_.empty()) return false;
  const Place place = place_of(ports_[initiator].rhythm.last.address, 1, true);
  if (place.port == first_port_.back()) return false;
  if (memories_[target_of_[place.port]].channels.size() != 1) return false;
  if (ports_[initiator].window >= memory::kControllerDepth) return false;
  for (uint32_t i = 0; i < ports_.size(); ++i) {
    if (i != initiator && ports_[i].cutter && ports_[i].done_cycle == kNever) return false;
  }
  const Memory& memory = memories_[target_of_[place.port]];
  const uint32_t own[] = {place.port, first_response_link_ + initiator,
                          first_request_link_ + place.port, memory.first_event};
  const auto due = std::count_if(std::begin(own), std::end(own), [&](uint32_t thing) {
    return agenda_.due_cycle(thing) != kNever;
  });
  return agenda_.size() == static_cast<std::size_t>(due);
}

bool Fabric::in_flight_even(const Port& port) const {
  const Slot* before = &port.rhythm.last;
  const auto even = [&](const Slot& slot) {
    const bool result = before->address + before->bytes == slot.address &&
                        before->bytes == slot.bytes && !slot.failed &&
                        follows(before->stamps, slot.stamps, port.rhythm.cycles);
    before = &slot;
    return result;
  };
  for (uint64_t n = port.retired; n < port.sent; ++n) {
    if (!even(port.slot(n))) return false;
  }
  return !port.waiting || even(port.next);
}

Fabric::Pace Fabric::pace_of(uint32_t initiator, uint64_t cycle) const {
  const Port& port = ports_[initiator];
  const uint32_t target_port = place_of(port.rhythm.last.address, 1, true).port;
  const Memory& memory = memories_[target_of_[target_port]];
  return {cycle, port.waiting, requests_.pace(initiator, target_port),
          responses_.pace(target_port, initiator), memory.timing->pace(0)};
}

/// How many more bursts follow at the same interval, as far as is known.
uint64_t Fabric::bursts_to_leap(const Port& port, uint64_t cycle) const {
  const uint32_t bytes = port.rhythm.last.bytes;
  const Slot& newest = port.waiting ? port.next : port.slot(port.sent - 1);
  const memory::DramTiming& timing =
      *memories_[target_of_[place_of(newest.address, bytes, true).port]].timing;
  const uint64_t oldest_left = timing.bytes_to_row_end(port.rhythm.last.memory_address);
  const uint64_t row_left = timing.bytes_to_row_end(newest.memory_address);
  if (oldest_left < row_left) return 0;  // in the row before
  const uint64_t interval_ps = port.rhythm.cycles * period_ps_;
  const uint64_t bus_free_ps = timing.bus_free_ps(0);
  const uint64_t refresh_ps = timing.next_refresh_ps(0);
  if (refresh_ps <= bus_free_ps) return 0;
  const uint64_t run = port.cutter->even_bursts();
  return std::min({run == 0 ? 0 : run - 1, row_left / bytes - 1,
                   (refresh_ps - bus_free_ps) / interval_ps,
                   (horizon_ - 1 - cycle) / port.rhythm.cycles});
}

void Fabric::repeat(uint32_t initiator, const Pace& before, uint64_t bursts) {
  Port& port = ports_[initiator];
  const Slot last = port.rhythm.last;
  const uint64_t cycles = bursts * port.rhythm.cycles;
  const uint64_t bytes = bursts * last.bytes;
  const uint32_t target_port = place_of(last.address, 1, true).port;
  Memory& memory = memories_[target_of_[target_port]];
  agenda_.shift(cycles);
  requests_.repeat(initiator, target_port, true, before.requests, bursts, cycles);
  responses_.repeat(target_port, initiator, false, before.responses, bursts, cycles);
  memory.channels[0].shift(cycles, bytes, bursts);
  memory.timing->repeat(0, last.memory_address, port.is_write, before.memory, bursts);
  ResponseSource& source = sources_[target_port];
  source.free_cycle += cycles;
  for (Response& response : source.queue) {
    response.ready_cycle += cycles;
    response.packet.ready_cycle += cycles;
    response.packet.tag += bursts;
  }

  const uint64_t since_charged = (port.retired - port.charged) * port.rhythm.cycles;
  port.account.repeat(later(last.stamps, -since_charged), port.rhythm.cycles, bursts);
  const auto move = [&](Slot slot) {
    slot.address += bytes;
    slot.memory_address += bytes;
    slot.back_cycle = later(slot.back_cycle, cycles);
    slot.stamps = later(slot.stamps, cycles);
    return slot;
  };
  std::vector<Slot> moved(port.slots.size());
  for (uint64_t n = 0; n < moved.size(); ++n) {
    moved[(n + bursts) & (moved.size() - 1)] = move(port.slots[n]);
  }
  port.slots = std::move(moved);
  port.next = move(port.next);
  port.cutter->skip(bursts);
  for (uint64_t* count : {&port.sent, &port.retired, &port.charged}) *count += bursts;
  for (uint64_t* count : {&port.sent_bytes, &port.answered_bytes}) *count += bytes;
  port.released_cycle += cycles;
  port.last_served_cycle += cycles;
  port.last_retired_cycle += cycles;
  port.rhythm.last = move(last);
}

}  // namespace tessera::noc
