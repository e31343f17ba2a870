#include "noc/crossbar.hpp"

#include <algorithm>
#include <stdexcept>

#include "common/burst_trace.hpp"

namespace tessera::noc {

using common::BurstTrace;
using sc_core::sc_time;
using sc_core::sc_time_stamp;

Crossbar::Crossbar(const sc_core::sc_module_name& name, unsigned initiators, unsigned targets,
                   const common::Clock& clock, const chip::Noc& config)
    : sc_module(name),
      from_initiator("from_initiator", initiators),
      to_target("to_target", targets),
      clock_(clock),
      width_bytes_(config.width_bytes),
      latency_cycles_(config.latency_cycles),
      requesting_(initiators, false),
      // One port more on the side of the targets answers for addresses that are nobody's.
      requests_(
          "requests", initiators, targets + 1, clock, config.latency_cycles,
          [this](const SwitchPlane::Packet& packet) { request_released(packet); },
          [this](const SwitchPlane::Packet& packet) { request_delivered(packet); }),
      responses_(
          "responses", targets + 1, initiators, clock, config.latency_cycles,
          [this](const SwitchPlane::Packet& packet) { response_released(packet); },
          [this](const SwitchPlane::Packet& packet) { response_delivered(packet); }),
      initiator_request_(initiators),
      initiator_response_(initiators),
      target_request_(targets),
      target_response_(targets),
      blocking_initiator_(initiators),
      blocking_target_(targets) {
  for (unsigned i = 0; i < initiators; ++i) {
    const int id = static_cast<int>(i);
    from_initiator[i].register_nb_transport_fw(this, &Crossbar::nb_transport_fw, id);
    from_initiator[i].register_b_transport(this, &Crossbar::b_transport, id);
    from_initiator[i].register_get_direct_mem_ptr(this, &Crossbar::get_direct_mem_ptr, id);
    from_initiator[i].register_transport_dbg(this, &Crossbar::transport_dbg, id);
  }
  for (unsigned j = 0; j < targets; ++j) {
    const int id = static_cast<int>(j);
    to_target[j].register_nb_transport_bw(this, &Crossbar::nb_transport_bw, id);
    to_target[j].register_invalidate_direct_mem_ptr(this, &Crossbar::invalidate_direct_mem_ptr, id);
  }
}

void Crossbar::map(const AddressRange& range) {
  if (range.output >= to_target.size()) {
    throw std::runtime_error("address range of port " + std::to_string(range.output) +
                             " of a crossbar with " + std::to_string(to_target.size()) +
                             " targets; give it one of those");
  }
  map_.add(range);
}

// ---- requests

tlm::tlm_sync_enum Crossbar::nb_transport_fw(int port, Transaction& transaction,
                                             tlm::tlm_phase& phase, sc_time& delay) {
  const auto initiator = static_cast<unsigned>(port);
  const sc_time when = sc_time_stamp() + delay;
  if (phase == tlm::BEGIN_REQ) {
    begin_request(initiator, transaction, when);
    return tlm::TLM_ACCEPTED;
  }
  if (phase != tlm::END_RESP) SC_REPORT_FATAL(name(), "an initiator sent an illegal phase");
  finish(transaction, when);
  return tlm::TLM_COMPLETED;
}

void Crossbar::begin_request(unsigned initiator, Transaction& transaction, const sc_time& when) {
  if (requesting_[initiator]) {
    SC_REPORT_FATAL(name(), "an initiator sent BEGIN_REQ before END_REQ of its last request");
  }
  requesting_[initiator] = true;
  transaction.acquire();
  common::stamp_once(transaction, &BurstTrace::issued, clock_.next_edge(when));

  Route route;
  route.transaction = &transaction;
  route.initiator = initiator;
  route.address = transaction.get_address();
  const uint64_t bytes = transaction.get_data_length();
  const AddressRange* range = map_.find(route.address, bytes);
  route.target = range == nullptr ? static_cast<unsigned>(to_target.size()) : range->output;
  if (range != nullptr) transaction.set_address(route.address - range->base + range->offset);
  routes_.push_back(route);

  SwitchPlane::Packet packet;
  packet.transaction = &transaction;
  packet.source = initiator;
  packet.destination = route.target;
  packet.bytes = transaction.is_write() ? bytes : 0;
  packet.data_beats = beats(packet.bytes);
  requests_.send(packet, when);
}

void Crossbar::request_released(const SwitchPlane::Packet& packet) {
  requesting_[packet.source] = false;
  tlm::tlm_phase phase = tlm::END_REQ;
  sc_time delay = sc_core::SC_ZERO_TIME;
  from_initiator[packet.source]->nb_transport_bw(*packet.transaction, phase, delay);
}

void Crossbar::request_delivered(const SwitchPlane::Packet& packet) {
  Transaction& transaction = *packet.transaction;
  const sc_time now = sc_time_stamp();
  common::stamp_once(transaction, &BurstTrace::delivered, now);
  if (packet.destination == to_target.size()) {
    transaction.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
    Route& route = route_of(transaction);
    route.completed = true;
    accept_request(route, now);
    send_response(route, now);
    return;
  }
  tlm::tlm_phase phase = tlm::BEGIN_REQ;
  sc_time delay = sc_core::SC_ZERO_TIME;
  const tlm::tlm_sync_enum answer =
      to_target[packet.destination]->nb_transport_fw(transaction, phase, delay);
  if (answer == tlm::TLM_UPDATED) {
    on_target_phase(packet.destination, transaction, phase, now + delay);
  } else if (answer == tlm::TLM_COMPLETED) {
    Route& route = route_of(transaction);
    route.completed = true;
    accept_request(route, now + delay);
    send_response(route, now + delay);
  }
}

void Crossbar::accept_request(Route& route, const sc_time& when) {
  if (route.accepted) return;
  route.accepted = true;
  requests_.accept(route.target, when);
}

// ---- responses

tlm::tlm_sync_enum Crossbar::nb_transport_bw(int port, Transaction& transaction,
                                             tlm::tlm_phase& phase, sc_time& delay) {
  on_target_phase(static_cast<unsigned>(port), transaction, phase, sc_time_stamp() + delay);
  return tlm::TLM_ACCEPTED;
}

void Crossbar::on_target_phase(unsigned target, Transaction& transaction,
                               const tlm::tlm_phase& phase, const sc_time& when) {
  Route& route = route_of(transaction);
  if (route.target != target || (phase == tlm::END_REQ && route.accepted) ||
      (phase != tlm::END_REQ && phase != tlm::BEGIN_RESP)) {
    SC_REPORT_FATAL(name(), "a target sent an illegal phase");
  }
  accept_request(route, when);
  if (phase == tlm::BEGIN_RESP) send_response(route, when);
}

void Crossbar::send_response(const Route& route, const sc_time& when) {
  common::stamp_once(*route.transaction, &BurstTrace::served, when);
  SwitchPlane::Packet packet;
  packet.transaction = route.transaction;
  packet.source = route.target;
  packet.destination = route.initiator;
  const bool has_data = route.transaction->is_read() && route.transaction->is_response_ok();
  packet.bytes = has_data ? route.transaction->get_data_length() : 0;
  packet.data_beats = beats(packet.bytes);
  responses_.send(packet, when);
}

void Crossbar::response_released(const SwitchPlane::Packet& packet) {
  if (route_of(*packet.transaction).completed) return;
  tlm::tlm_phase phase = tlm::END_RESP;
  sc_time delay = sc_core::SC_ZERO_TIME;
  to_target[packet.source]->nb_transport_fw(*packet.transaction, phase, delay);
}

void Crossbar::response_delivered(const SwitchPlane::Packet& packet) {
  Transaction& transaction = *packet.transaction;
  transaction.set_address(route_of(transaction).address);
  const sc_time now = sc_time_stamp();
  common::stamp_once(transaction, &BurstTrace::returned, now);
  tlm::tlm_phase phase = tlm::BEGIN_RESP;
  sc_time delay = sc_core::SC_ZERO_TIME;
  const tlm::tlm_sync_enum answer =
      from_initiator[packet.destination]->nb_transport_bw(transaction, phase, delay);
  const bool ended =
      answer == tlm::TLM_COMPLETED || (answer == tlm::TLM_UPDATED && phase == tlm::END_RESP);
  if (ended) finish(transaction, now + delay);
}

void Crossbar::finish(Transaction& transaction, const sc_time& when) {
  Route& route = route_of(transaction);
  responses_.accept(route.initiator, when);
  route = routes_.back();
  routes_.pop_back();
  transaction.release();
}

Crossbar::Route& Crossbar::route_of(const Transaction& transaction) {
  const auto found = std::find_if(routes_.begin(), routes_.end(), [&](const Route& route) {
    return route.transaction == &transaction;
  });
  if (found == routes_.end()) SC_REPORT_FATAL(name(), "a phase of an unknown transaction");
  return *found;
}

// ---- statistics

namespace {

PortStatistics sum(const PortStatistics& a, const PortStatistics& b, const PortStatistics& c) {
  return {a.transactions + b.transactions + c.transactions, a.bytes + b.bytes + c.bytes,
          a.contention_cycles + b.contention_cycles + c.contention_cycles};
}

}  // namespace

PortStatistics Crossbar::initiator_statistics(unsigned initiator) const {
  PortStatistics statistics = sum(requests_.source(initiator), responses_.destination(initiator),
                                  blocking_initiator_[initiator]);
  statistics.transactions -= responses_.destination(initiator).transactions;
  return statistics;
}

PortStatistics Crossbar::target_statistics(unsigned target) const {
  PortStatistics statistics =
      sum(requests_.destination(target), responses_.source(target), blocking_target_[target]);
  statistics.transactions -= responses_.source(target).transactions;
  return statistics;
}

std::vector<common::Statistic> Crossbar::statistics() const {
  PortStatistics all;
  for (unsigned i = 0; i < from_initiator.size(); ++i) {
    all = sum(all, initiator_statistics(i), {});
  }
  return {{"transactions", all.transactions, "", "requests taken from initiators"},
          {"bytes", all.bytes, "bytes", "data moved, both ways"},
          {"contention", all.contention_cycles, "cycles",
           "that requests and responses waited for a port"}};
}

}  // namespace tessera::noc
