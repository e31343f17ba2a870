// Blocking transport, DMI and debug transport of the network.
#include <algorithm>

#include "common/burst_trace.hpp"
#include "noc/interconnect.hpp"

namespace tessera::noc {

using common::BurstTrace;
using sc_core::sc_time;
using sc_core::sc_time_stamp;

/// When all channels are free, from `when` on; they are booked for `cycles` from then. A request
/// that lies before the last booking went through before it.
sc_time Interconnect::book(std::initializer_list<Channel*> channels, const sc_time& when,
                           uint64_t cycles) {
  const sc_time duration = clock_.cycles(cycles);
  sc_time start = when;
  const auto wait_for = [&](const Channel& channel) {
    const bool overlaps = start < channel.busy_until && start + duration > channel.busy_from;
    if (overlaps) start = channel.busy_until;
  };
  for (const Channel* channel : channels) wait_for(*channel);
  wait_for(**channels.begin());
  for (Channel* channel : channels) {
    if (start + duration > channel->busy_until) {
      if (start != channel->busy_until) channel->busy_from = start;
      channel->busy_until = start + duration;
    }
  }
  return start;
}

/// When a packet that is at its source at `when` is at its destination.
sc_time Interconnect::cross(Bookings& bookings, const Plane& plane, uint32_t source,
                            uint32_t destination, uint64_t beats, const sc_time& when) {
  const uint64_t flits = std::max<uint64_t>(1, beats);
  sc_time head = when;
  bool first = true;
  for (const uint32_t number : plane.route(source, destination)) {
    Channel& link = bookings.links[number];
    const sc_time granted =
        first ? book({&bookings.sources[source], &link}, head, flits) : book({&link}, head, flits);
    ++link.statistics.packets;
    link.statistics.flits += flits;
    link.statistics.stall_cycles += clock_.floor_cycles(granted - head);
    head = granted + clock_.cycles(latency_cycles_);
    first = false;
  }
  return head + clock_.cycles(beats);
}

void Interconnect::b_transport(int number, Transaction& transaction, sc_time& delay) {
  const auto initiator = static_cast<unsigned>(number);
  if (auto* train = transaction.get_extension<dma::BurstTrain>()) {
    carry(initiator, transaction, *train, delay);
    return;
  }
  const sc_time now = sc_time_stamp();
  const sc_time issued = clock_.next_edge(now + delay);
  const uint64_t address = transaction.get_address();
  const uint32_t bytes = transaction.get_data_length();
  const AddressRange* range = fabric_.address_map().find(address, bytes);
  const uint32_t port = fabric_.port_of(address, bytes);
  const Plane& requests = fabric_.requests();
  common::stamp_once(transaction, &BurstTrace::issued, issued);
  if (range == nullptr) {
    transaction.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    delay = issued + clock_.cycles(2 * requests.one_way_cycles(initiator, port)) - now;
    return;
  }
  const unsigned target = range->output;
  const uint64_t request_bytes = transaction.is_write() ? bytes : 0;
  const sc_time delivered =
      cross(request_bookings_, requests, initiator, port, beats(request_bytes), issued);
  common::stamp_once(transaction, &BurstTrace::delivered, delivered);

  transaction.set_address(address - range->base + range->offset);
  delay = delivered - now;
  to_target[target]->b_transport(transaction, delay);
  transaction.set_address(address);
  // The target may have waited.
  const sc_time then = sc_time_stamp();
  const sc_time served = clock_.next_edge(then + delay);
  common::stamp_once(transaction, &BurstTrace::served, served);

  const bool has_data = transaction.is_read() && transaction.is_response_ok();
  const uint64_t response_bytes = has_data ? bytes : 0;
  const sc_time returned = cross(response_bookings_, fabric_.responses(), port, initiator,
                                 beats(response_bytes), served);
  common::stamp_once(transaction, &BurstTrace::returned, returned);
  delay = returned - then;

  const uint64_t moving =
      2 * requests.one_way_cycles(initiator, port) + beats(request_bytes) + beats(response_bytes);
  const uint64_t on_the_way = clock_.floor_cycles(delivered - issued + returned - served);
  for (PortStatistics* statistics : {&blocking_initiator_[initiator], &blocking_target_[target]}) {
    ++statistics->transactions;
    statistics->bytes += request_bytes + response_bytes;
    statistics->contention_cycles += on_the_way - moving;
  }
}

bool Interconnect::get_direct_mem_ptr(int initiator, Transaction& transaction, tlm::tlm_dmi& dmi) {
  const uint64_t address = transaction.get_address();
  const AddressRange* range = fabric_.address_map().find(address, 1);
  if (range == nullptr) {
    dmi.allow_none();
    dmi.set_start_address(address);
    dmi.set_end_address(address);
    return false;
  }
  transaction.set_address(address - range->base + range->offset);
  const bool granted = to_target[range->output]->get_direct_mem_ptr(transaction, dmi);
  transaction.set_address(address);
  const uint64_t last_offset = range->offset + (range->size - 1);
  if (dmi.get_start_address() > last_offset || dmi.get_end_address() < range->offset) return false;
  const uint64_t start = std::max<uint64_t>(dmi.get_start_address(), range->offset);
  const uint64_t end = std::min<uint64_t>(dmi.get_end_address(), last_offset);
  if (granted) dmi.set_dmi_ptr(dmi.get_dmi_ptr() + (start - dmi.get_start_address()));
  dmi.set_start_address(start - range->offset + range->base);
  dmi.set_end_address(end - range->offset + range->base);
  const uint64_t one_way = fabric_.one_way_cycles(static_cast<unsigned>(initiator), range->output);
  const sc_time crossing = clock_.cycles(2 * one_way + 1);
  dmi.set_read_latency(dmi.get_read_latency() + crossing);
  dmi.set_write_latency(dmi.get_write_latency() + crossing);
  return granted;
}

unsigned Interconnect::transport_dbg(int, Transaction& transaction) {
  const uint64_t address = transaction.get_address();
  const AddressRange* range = fabric_.address_map().find(address, transaction.get_data_length());
  if (range == nullptr) {
    transaction.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    return 0;
  }
  transaction.set_address(address - range->base + range->offset);
  const unsigned moved = to_target[range->output]->transport_dbg(transaction);
  transaction.set_address(address);
  return moved;
}

void Interconnect::invalidate_direct_mem_ptr(int target, sc_dt::uint64 start, sc_dt::uint64 end) {
  for (const AddressRange& range : fabric_.address_map().ranges()) {
    const uint64_t last_offset = range.offset + (range.size - 1);
    if (range.output != static_cast<unsigned>(target)) continue;
    if (start > last_offset || end < range.offset) continue;
    const uint64_t first = std::max<uint64_t>(start, range.offset) - range.offset + range.base;
    const uint64_t last = std::min<uint64_t>(end, last_offset) - range.offset + range.base;
    for (auto& socket : from_initiator) socket->invalidate_direct_mem_ptr(first, last);
  }
}

}  // namespace tessera::noc
