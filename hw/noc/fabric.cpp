#include "noc/fabric.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace tessera::noc {

namespace {

/// The nodes of all ports of all targets, then of nobody.
std::vector<unsigned> port_nodes(const Layout& layout) {
  std::vector<unsigned> nodes;
  for (const auto& target : layout.targets) {
    nodes.insert(nodes.end(), target.begin(), target.end());
  }
  nodes.push_back(layout.targets.front().front());
  return nodes;
}

std::size_t agenda_size(const Layout& layout) {
  const std::size_t ports = port_nodes(layout).size();
  return ports + Plane::link_count(layout.columns, layout.rows, layout.initiators.size()) +
         Plane::link_count(layout.columns, layout.rows, ports);
}

}  // namespace

Fabric::Fabric(const Layout& layout, const chip::Noc& config, uint64_t period_ps)
    : width_bytes_(config.width_bytes),
      width_bits_(0),
      latency_cycles_(config.latency_cycles),
      period_ps_(period_ps),
      memories_(layout.targets.size()),
      agenda_(agenda_size(layout)),
      first_response_link_(static_cast<uint32_t>(port_nodes(layout).size())),
      first_request_link_(first_response_link_ +
                          static_cast<uint32_t>(Plane::link_count(layout.columns, layout.rows,
                                                                  layout.initiators.size()))),
      requests_(layout.columns, layout.rows, layout.initiators, port_nodes(layout),
                config.latency_cycles, agenda_, first_request_link_),
      responses_(layout.columns, layout.rows, port_nodes(layout), layout.initiators,
                 config.latency_cycles, agenda_, first_response_link_),
      ports_(layout.initiators.size()),
      sources_(first_response_link_) {
  for (uint32_t target = 0; target < layout.targets.size(); ++target) {
    first_port_.push_back(static_cast<uint32_t>(target_of_.size()));
    target_of_.insert(target_of_.end(), layout.targets[target].size(), target);
  }
  first_port_.push_back(static_cast<uint32_t>(target_of_.size()));
  while (width_bytes_ >> width_bits_ > 1) ++width_bits_;
  const std::size_t unaccepted = std::size_t{config.latency_cycles} + 2;
  for (uint32_t port = 0; port < target_of_.size(); ++port) {
    requests_.set_credits(port, unaccepted);
  }
  for (uint32_t initiator = 0; initiator < ports_.size(); ++initiator) {
    responses_.set_credits(initiator, unaccepted);
  }
}

void Fabric::attach_memory(unsigned target, memory::DramTiming& timing) {
  Memory& memory = memories_[target];
  memory.timing = &timing;
  memory.first_event = agenda_.add(timing.channels());
  for (uint32_t channel = 0; channel < timing.channels(); ++channel) {
    memory.channels.emplace_back(timing, channel, period_ps_);
    memory_of_event_.push_back(target);
  }
  for (uint32_t port = first_port_[target]; port < first_port_[target + 1]; ++port) {
    requests_.set_credits(port, memory::kControllerDepth);
  }
}

Fabric::Place Fabric::place_of(uint64_t address, uint32_t bytes, bool memories_only) const {
  const AddressRange* range = map_.find(address, bytes);
  if (range == nullptr || (memories_only && !is_memory(range->output))) {
    return {first_port_.back(), address};
  }
  const uint64_t inside = address - range->base + range->offset;
  return {port_in(range->output, inside), inside};
}

uint32_t Fabric::port_in(uint32_t target, uint64_t address) const {
  const uint64_t stripe = address / memory::kChannelInterleaveBytes;
  const uint32_t ports = first_port_[target + 1] - first_port_[target];
  return first_port_[target] + static_cast<uint32_t>(stripe & (ports - 1));
}

// ---- requests

void Fabric::start(uint32_t initiator, const Train& train, uint64_t cycle) {
  Port& port = ports_[initiator];
  std::vector<Slot> slots = std::move(port.slots);
  slots.assign(ring_size(train.outstanding), Slot());
  port = Port();
  port.slots = std::move(slots);
  port.window = train.outstanding;
  port.cutter.emplace(train.descriptor, train.burst_bytes);
  port.is_write = train.is_write;
  port.total_bytes = train.descriptor.bytes();
  port.released_cycle = cycle;
  port.account.start(cycle);
  issue_next(initiator);
}

/// Cuts the next burst as soon as it is known when it will be issued.
void Fabric::issue_next(uint32_t initiator) {
  Port& port = ports_[initiator];
  if (port.waiting || port.stopped || port.cutter->done()) return;
  if (port.sent >= port.window + port.retired) return;
  uint64_t cycle = port.released_cycle;
  if (port.sent >= port.window) {
    cycle = std::max(cycle, port.slot(port.sent - port.window).stamps.returned);
  }
  dma::Burst burst;
  port.cutter->next(burst);
  port.next = Slot();
  const Place place = place_of(burst.address, burst.bytes, true);
  port.next.address = burst.address;
  port.next.memory_address = place.address;
  port.next.bytes = burst.bytes;
  port.next.stamps.issued = cycle;
  port.waiting = true;

  Packet packet;
  packet.source = initiator;
  packet.destination = place.port;
  packet.bytes = port.is_write ? burst.bytes : 0;
  packet.beats = beats(packet.bytes);
  packet.takes_credit = packet.destination != first_port_.back();
  packet.of_train = true;
  packet.tag = port.sent;
  packet.ready_cycle = cycle;
  requests_.send(packet, cycle);
}

void Fabric::send(uint32_t id, const Request& request, uint64_t cycle) {
  const Place place = place_of(request.address, request.bytes, false);
  if (singles_.size() <= id) singles_.resize(id + 1);
  Single& single = singles_[id];
  single = {request, place.port, place.address, 0, kNever};

  Packet packet;
  packet.source = request.initiator;
  packet.destination = place.port;
  packet.bytes = request.is_write ? request.bytes : 0;
  packet.beats = beats(packet.bytes);
  packet.takes_credit = packet.destination != first_port_.back();
  packet.tag = id;
  packet.ready_cycle = cycle;
  requests_.send(packet, cycle);
  single.waits_for =
      first_request_link_ + requests_.route(packet.source, packet.destination).front();
  moving_.push_back(id);
}

void Fabric::request_granted(const Plane::Grant& grant) {
  const auto id = static_cast<uint32_t>(grant.packet.tag);
  if (grant.first) {
    if (grant.packet.of_train) {
      burst_left(grant);
    } else {
      note(Notice::Kind::kRequestReleased, grant.released_cycle, id);
    }
  }
  if (grant.last) {
    request_arrives(grant);
  } else if (!grant.packet.of_train) {
    singles_[id].waits_for = first_request_link_ + grant.next_link;
  }
}

void Fabric::burst_left(const Plane::Grant& grant) {
  Port& port = ports_[grant.packet.source];
  Slot& slot = port.slot(port.sent);
  if (port.sent - port.charged == port.slots.size()) {
    port.account.charge(slot.stamps, slot.stamps.returned);
    ++port.charged;
  }
  slot = port.next;
  ++port.sent;
  port.sent_bytes += slot.bytes;
  port.waiting = false;
  port.released_cycle = grant.released_cycle;
  issue_next(grant.packet.source);
}

void Fabric::request_arrives(const Plane::Grant& grant) {
  const Packet& request = grant.packet;
  const uint64_t arrival = grant.arrival_cycle;
  const bool nobody = request.destination == first_port_.back();
  if (request.of_train) {
    Slot& slot = slot_of(request.source, request.tag);
    slot.failed = nobody;
    slot.stamps.delivered = arrival;
  } else {
    const auto id = static_cast<uint32_t>(request.tag);
    stop_moving(id);
    note(Notice::Kind::kRequestDelivered, arrival, id);
    if (!nobody && !is_memory(target_of_[request.destination])) return;
    moving_.push_back(id);
  }
  const bool refused = !request.of_train && singles_[request.tag].request.refused;
  if (nobody || refused) {
    respond_to(request, arrival, false);
  } else {
    enter_memory(request, arrival);
  }
}

void Fabric::enter_memory(const Packet& request, uint64_t arrival_cycle) {
  memory::DramScheduler::Access access;
  access.arrival_cycle = arrival_cycle;
  access.tag = request.tag;
  access.owner = request.source;
  if (request.of_train) {
    const Slot& slot = slot_of(request.source, request.tag);
    access.address = slot.memory_address;
    access.bytes = slot.bytes;
    access.is_write = ports_[request.source].is_write;
  } else {
    const Single& single = singles_[request.tag];
    access.owner |= kSingle;
    access.address = single.address;
    access.bytes = single.request.bytes;
    access.is_write = single.request.is_write;
  }
  Memory& memory = memories_[target_of_[request.destination]];
  const uint32_t channel = memory.timing->channel_of(access.address);
  memory.channels[channel].push(access);
  agenda_.schedule(memory.first_event + channel, memory.channels[channel].choice_cycle());
  if (!request.of_train) singles_[request.tag].waits_for = memory.first_event + channel;
}

/// Lets a channel of a memory make its next choice.
void Fabric::serve(uint32_t event, uint64_t cycle) {
  const uint32_t target = memory_of_event_[event - memories_begin()];
  Memory& memory = memories_[target];
  memory::DramScheduler& channel = memory.channels[event - memory.first_event];
  const memory::DramScheduler::Served served = channel.serve(cycle);
  if (!channel.empty()) agenda_.schedule(event, channel.choice_cycle());
  Packet request;
  request.of_train = (served.access.owner & kSingle) == 0;
  request.source = served.access.owner & ~kSingle;
  request.destination =
      request.of_train ? port_in(target, served.access.address) : singles_[served.access.tag].port;
  request.tag = served.access.tag;
  respond_to(request, served.done_cycle, true);
}

/// The answer to a request of a memory or nobody.
void Fabric::respond_to(const Packet& request, uint64_t served_cycle, bool has_served) {
  Packet response;
  response.source = request.destination;
  response.destination = request.source;
  response.of_train = request.of_train;
  response.takes_credit = !request.of_train;
  response.tag = request.tag;
  if (request.of_train) {
    Port& port = ports_[request.source];
    Slot& slot = slot_of(request.source, request.tag);
    slot.stamps.served = served_cycle;
    port.last_served_cycle = std::max(port.last_served_cycle, served_cycle);
    response.bytes = has_served && !port.is_write ? slot.bytes : 0;
  } else {
    Single& single = singles_[request.tag];
    single.served_cycle = served_cycle;
    single.waits_for = response.source;
    response.bytes = has_served && !single.request.is_write ? single.request.bytes : 0;
  }
  queue_response(response, served_cycle);
}

void Fabric::accept(uint32_t id, uint64_t cycle) {
  requests_.give_credit(singles_[id].port, cycle);
}

// ---- responses

void Fabric::respond(uint32_t id, uint32_t bytes, uint64_t cycle) {
  Single& single = singles_[id];
  Packet response;
  response.source = single.port;
  response.destination = single.request.initiator;
  response.takes_credit = true;
  response.bytes = bytes;
  response.tag = id;
  single.waits_for = single.port;
  moving_.push_back(id);
  queue_response(response, cycle);
}

void Fabric::queue_response(const Packet& packet, uint64_t ready_cycle) {
  ResponseSource& source = sources_[packet.source];
  auto place = source.queue.end();
  while (place != source.queue.begin() && std::prev(place)->ready_cycle > ready_cycle) --place;
  Packet response = packet;
  response.beats = beats(packet.bytes);
  response.ready_cycle = ready_cycle;
  source.queue.insert(place, {ready_cycle, response});
  if (!source.waiting) {
    agenda_.schedule(packet.source, std::max(source.free_cycle, source.queue.front().ready_cycle));
  }
}

void Fabric::emit(uint32_t port, uint64_t cycle) {
  ResponseSource& source = sources_[port];
  if (source.waiting || source.queue.empty()) return;
  const Packet packet = source.queue.front().packet;
  source.queue.erase(source.queue.begin());
  source.waiting = true;
  responses_.send(packet, cycle);
  if (packet.of_train) return;
  singles_[packet.tag].waits_for =
      first_response_link_ + responses_.route(packet.source, packet.destination).front();
}

void Fabric::response_granted(const Plane::Grant& grant, uint64_t cycle) {
  const Packet& packet = grant.packet;
  const auto id = static_cast<uint32_t>(packet.tag);
  if (grant.first) {
    ResponseSource& source = sources_[packet.source];
    source.waiting = false;
    source.free_cycle = grant.released_cycle;
    if (!source.queue.empty()) {
      agenda_.schedule(packet.source,
                       std::max(source.free_cycle, source.queue.front().ready_cycle));
    }
    const bool nobody = packet.source == first_port_.back();
    if (!nobody && is_memory(target_of_[packet.source])) {
      requests_.give_credit(packet.source, grant.released_cycle);
    } else if (!packet.of_train) {
      note(Notice::Kind::kResponseReleased, grant.released_cycle, id);
    }
  }
  if (!grant.last) {
    if (!packet.of_train) singles_[id].waits_for = first_response_link_ + grant.next_link;
  } else if (packet.of_train) {
    burst_returns(grant, cycle);
  } else {
    stop_moving(id);
    note(Notice::Kind::kResponseDelivered, grant.arrival_cycle, id);
  }
}

void Fabric::burst_returns(const Plane::Grant& grant, uint64_t cycle) {
  const uint32_t initiator = grant.packet.destination;
  Port& port = ports_[initiator];
  Slot& returned = port.slot(grant.packet.tag);
  returned.back_cycle = grant.arrival_cycle;
  port.answered_bytes += returned.bytes;
  port.stopped = port.stopped || returned.failed;
  while (port.retired < port.sent && port.slot(port.retired).back_cycle != kNever) {
    Slot& slot = port.slot(port.retired++);
    port.last_retired_cycle = std::max(slot.back_cycle, port.last_retired_cycle);
    slot.stamps.returned = port.last_retired_cycle;
    hear(port, slot);
    if (slot.failed && !port.failing_address) port.failing_address = slot.address;
  }
  issue_next(initiator);
  if (!port.waiting && port.retired == port.sent) {
    port.done_cycle = port.last_retired_cycle;
    note(Notice::Kind::kTrainDone, port.done_cycle, initiator);
  } else {
    leap(initiator, cycle);
  }
}

void Fabric::finish(uint32_t id, uint64_t cycle) {
  responses_.give_credit(singles_[id].request.initiator, cycle);
}

// ---- performing

void Fabric::perform_next_event() {
  const uint64_t cycle = agenda_.next_cycle();
  const uint32_t number = agenda_.pop();
  if (number < first_response_link_) {
    emit(number, cycle);
  } else if (number < first_request_link_) {
    const auto grant = responses_.arbitrate(number - first_response_link_, cycle);
    if (grant) response_granted(*grant, cycle);
  } else if (number >= memories_begin()) {
    serve(number, cycle);
  } else {
    const auto grant = requests_.arbitrate(number - first_request_link_, cycle);
    if (grant) request_granted(*grant);
  }
}

void Fabric::advance(uint64_t cycle) {
  horizon_ = cycle;
  while (agenda_.next_cycle() < cycle) perform_next_event();
  horizon_ = 0;
}

void Fabric::note(Notice::Kind kind, uint64_t cycle, uint64_t id) {
  notices_.push_back({kind, cycle, static_cast<uint32_t>(id)});
}

const std::vector<Fabric::Notice>& Fabric::take_notices() {
  taken_.clear();
  taken_.swap(notices_);
  return taken_;
}

void Fabric::stop_moving(uint32_t id) {
  moving_.erase(std::find(moving_.begin(), moving_.end(), id));
}

/// A bound from below. Until it is done, the responses of a read follow each other at the
/// initiator, the requests of a write leave it one after the other, and nobody is faster than an
/// empty network.
uint64_t Fabric::earliest_done(const Port& port, uint64_t cycle) const {
  uint64_t earliest = std::max(cycle, port.last_served_cycle) + latency_cycles_;
  if (port.stopped) return earliest;
  if (!port.is_write) {
    earliest =
        std::max(earliest, cycle + latency_cycles_ + beats(port.total_bytes - port.answered_bytes));
  } else if (port.sent_bytes < port.total_bytes) {
    earliest = std::max(earliest, cycle + 2 * uint64_t{latency_cycles_} +
                                      beats(port.total_bytes - port.sent_bytes));
  }
  return earliest;
}

uint64_t Fabric::quiet_until(uint64_t cycle) {
  uint64_t quiet = kNever;
  for (const Port& port : ports_) {
    if (!port.cutter || port.done_cycle != kNever) continue;
    quiet = std::min(quiet, earliest_done(port, cycle));
  }
  for (const uint32_t id : moving_) {
    const uint64_t due = agenda_.due_cycle(singles_[id].waits_for);
    const uint64_t next = due == kNever ? agenda_.next_cycle() : due;
    if (next != kNever) quiet = std::min(quiet, next + 1);
  }
  return quiet;
}

}  // namespace tessera::noc
