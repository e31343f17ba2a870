#include "noc/plane.hpp"

#include <algorithm>
#include <utility>

namespace tessera::noc {

namespace {

/// Links out of a node of a mesh.
enum Direction : unsigned { kEast, kWest, kSouth, kNorth, kDirections };

}  // namespace

uint32_t Agenda::pop() {
  const auto number = static_cast<uint32_t>(first_ & ((1U << kNumberBits) - 1));
  *std::find(entries_.begin(), entries_.end(), first_) = entries_.back();
  entries_.pop_back();
  due_[number] = kNever;
  first_ = kNever;
  for (const uint64_t entry : entries_) first_ = std::min(first_, entry);
  return number;
}

void Agenda::shift(uint64_t cycles) {
  for (uint64_t& entry : entries_) {
    entry += cycles << kNumberBits;
    due_[entry & ((1U << kNumberBits) - 1)] += cycles;
  }
  if (first_ != kNever) first_ += cycles << kNumberBits;
}

void Credits::repeat(uint64_t times, uint64_t cycles) {
  std::vector<uint64_t> shifted(returns_.size());
  for (uint64_t i = 0; i < returns_.size(); ++i) {
    shifted[(i + times) & (returns_.size() - 1)] = returns_[i] + cycles;
  }
  returns_ = std::move(shifted);
  taken_ += times;
  returned_ += times;
}

Plane::Plane(unsigned columns, unsigned rows, std::vector<unsigned> sources,
             std::vector<unsigned> destinations, uint32_t latency_cycles, Agenda& agenda,
             uint32_t first_event)
    : columns_(columns),
      rows_(rows),
      sources_(std::move(sources)),
      destinations_(std::move(destinations)),
      latency_cycles_(latency_cycles),
      first_destination_link_(columns * rows * kDirections),
      credits_(destinations_.size(), Credits(1)),
      links_(link_count(columns, rows, destinations_.size())),
      agenda_(agenda),
      first_event_(first_event),
      source_statistics_(sources_.size()),
      destination_statistics_(destinations_.size()) {
  for (const unsigned from : sources_) {
    for (uint32_t d = 0; d < destinations_.size(); ++d) {
      routes_.push_back(find_route(from, destinations_[d], d));
    }
  }
}

std::size_t Plane::link_count(unsigned columns, unsigned rows, std::size_t destinations) {
  return std::size_t{columns} * rows * kDirections + destinations;
}

std::vector<uint32_t> Plane::find_route(unsigned from, unsigned to, uint32_t destination) const {
  std::vector<uint32_t> route;
  if (columns_ != 0) {
    unsigned x = from % columns_;
    unsigned y = from / columns_;
    const unsigned to_x = to % columns_;
    const unsigned to_y = to / columns_;
    const auto take = [&](Direction direction) {
      route.push_back((y * columns_ + x) * kDirections + direction);
    };
    for (; x < to_x; ++x) take(kEast);
    for (; x > to_x; --x) take(kWest);
    for (; y < to_y; ++y) take(kSouth);
    for (; y > to_y; --y) take(kNorth);
  }
  route.push_back(first_destination_link_ + destination);
  return route;
}

void Plane::send(const Packet& packet, uint64_t cycle) {
  enter(route(packet.source, packet.destination).front(), {packet, 0, cycle});
}

void Plane::enter(uint32_t number, const Waiting& waiting) {
  Link& link = links_[number];
  link.waiting.push_back(waiting);
  const uint64_t cycle = grantable_cycle(number, waiting);
  if (cycle != kNever) agenda_.schedule(first_event_ + number, std::max(cycle, link.busy_until));
}

/// When the packet can be granted as far as it and its credits are concerned; kNever if not known.
uint64_t Plane::grantable_cycle(uint32_t number, const Waiting& waiting) const {
  if (!waiting.packet.takes_credit || number < first_destination_link_) {
    return waiting.arrival_cycle;
  }
  const uint64_t credit_cycle = credits_[number - first_destination_link_].available_cycle();
  return std::max(waiting.arrival_cycle, credit_cycle);
}

/// Puts on the agenda when the link can next be granted, as far as that is known.
void Plane::reschedule(uint32_t number) {
  const Link& link = links_[number];
  uint64_t first = kNever;
  for (const Waiting& w : link.waiting) first = std::min(first, grantable_cycle(number, w));
  if (first != kNever) agenda_.schedule(first_event_ + number, std::max(first, link.busy_until));
}

/// The waiting packet that is granted; their number if none can be.
std::size_t Plane::choose(uint32_t number, uint64_t cycle) const {
  const Link& link = links_[number];
  if (link.waiting.size() == 1) {
    return grantable_cycle(number, link.waiting.front()) > cycle ? 1 : 0;
  }
  const auto count = static_cast<uint32_t>(sources_.size());
  std::size_t best = link.waiting.size();
  uint32_t best_distance = count;
  for (std::size_t i = 0; i < link.waiting.size(); ++i) {
    const Waiting& w = link.waiting[i];
    const uint32_t distance = w.packet.source > link.last_source
                                  ? w.packet.source - link.last_source - 1
                                  : w.packet.source + count - link.last_source - 1;
    if (distance >= best_distance || grantable_cycle(number, w) > cycle) continue;
    best = i;
    best_distance = distance;
  }
  return best;
}

std::optional<Plane::Grant> Plane::arbitrate(uint32_t number, uint64_t cycle) {
  Link& link = links_[number];
  const std::size_t chosen = choose(number, cycle);
  if (chosen == link.waiting.size()) {
    reschedule(number);
    return std::nullopt;
  }
  std::optional<Grant> result(std::in_place);
  Grant& grant = *result;
  const auto granted = link.waiting.begin() + static_cast<std::ptrdiff_t>(chosen);
  const uint32_t hop = granted->hop;
  const uint64_t waited = cycle - granted->arrival_cycle;
  grant.packet = granted->packet;
  link.waiting.erase(granted);
  const Packet& packet = grant.packet;
  const std::vector<uint32_t>& way = route(packet.source, packet.destination);
  link.last_source = packet.source;
  link.busy_until = cycle + packet.flits();
  ++link.statistics.packets;
  link.statistics.flits += packet.flits();
  link.statistics.stall_cycles += waited;

  grant.first = hop == 0;
  grant.last = hop + 1 == way.size();
  grant.released_cycle = link.busy_until;
  grant.arrival_cycle = cycle + latency_cycles_ + packet.beats;
  if (grant.last) {
    if (packet.takes_credit) credits_[packet.destination].take();
    count(packet, cycle);
  } else {
    grant.next_link = way[hop + 1];
    enter(grant.next_link, {packet, hop + 1, cycle + latency_cycles_});
  }
  if (!link.waiting.empty()) reschedule(number);
  return result;
}

void Plane::count(const Packet& packet, uint64_t cycle) {
  const uint64_t hops = route(packet.source, packet.destination).size() - 1;
  for (PortStatistics* s :
       {&source_statistics_[packet.source], &destination_statistics_[packet.destination]}) {
    ++s->transactions;
    s->bytes += packet.bytes;
    s->contention_cycles += cycle - packet.ready_cycle - hops * latency_cycles_;
  }
}

void Plane::give_credit(uint32_t destination, uint64_t cycle) {
  credits_[destination].give_back(cycle);
  reschedule(first_destination_link_ + destination);
}

Plane::Pace Plane::pace(uint32_t source, uint32_t destination) const {
  return {links_[route(source, destination).back()].statistics, source_statistics_[source],
          destination_statistics_[destination]};
}

void Plane::repeat(uint32_t source, uint32_t destination, bool takes_credits, const Pace& before,
                   uint64_t times, uint64_t cycles) {
  Link& link = links_[route(source, destination).back()];
  link.busy_until += cycles;
  for (Waiting& w : link.waiting) {
    w.arrival_cycle += cycles;
    w.packet.ready_cycle += cycles;
    w.packet.tag += times;
  }
  const auto grow = [&](uint64_t& count, uint64_t then) { count += times * (count - then); };
  grow(link.statistics.packets, before.link.packets);
  grow(link.statistics.flits, before.link.flits);
  grow(link.statistics.stall_cycles, before.link.stall_cycles);
  for (auto [now, then] : {std::pair(&source_statistics_[source], &before.source),
                           std::pair(&destination_statistics_[destination], &before.destination)}) {
    grow(now->transactions, then->transactions);
    grow(now->bytes, then->bytes);
    grow(now->contention_cycles, then->contention_cycles);
  }
  if (takes_credits) credits_[destination].repeat(times, cycles);
}

uint32_t Plane::destination_of(uint32_t link) const {
  return link < first_destination_link_ ? kNobody : link - first_destination_link_;
}

std::string Plane::link_name(uint32_t number) const {
  if (number >= first_destination_link_) return "";
  const unsigned node = number / kDirections;
  const auto name = [](int x, int y) {
    return "(" + std::to_string(x) + "," + std::to_string(y) + ")";
  };
  const int x = static_cast<int>(node % columns_);
  const int y = static_cast<int>(node / columns_);
  constexpr int kStepX[] = {1, -1, 0, 0};
  constexpr int kStepY[] = {0, 0, 1, -1};
  const unsigned direction = number % kDirections;
  return name(x, y) + "->" + name(x + kStepX[direction], y + kStepY[direction]);
}

}  // namespace tessera::noc
