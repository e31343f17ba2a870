#include "noc/interconnect.hpp"

#include <algorithm>
#include <stdexcept>

#include "common/burst_trace.hpp"

namespace tessera::noc {

using common::BurstTrace;
using sc_core::sc_time;
using sc_core::sc_time_stamp;

Interconnect::Interconnect(const sc_core::sc_module_name& name, const Layout& layout,
                           const common::Clock& clock, const chip::Noc& config)
    : sc_module(name),
      from_initiator("from_initiator", layout.initiators.size()),
      to_target("to_target", layout.targets.size()),
      clock_(clock),
      width_bytes_(config.width_bytes),
      latency_cycles_(config.latency_cycles),
      fabric_(layout, config, clock.period_ps()),
      memories_(layout.targets.size(), nullptr),
      requesting_(layout.initiators.size(), false),
      target_doors_(layout.targets.size()),
      initiator_doors_(layout.initiators.size()),
      blocking_initiator_(layout.initiators.size()),
      blocking_target_(layout.targets.size()) {
  for (unsigned i = 0; i < from_initiator.size(); ++i) {
    const int id = static_cast<int>(i);
    from_initiator[i].register_nb_transport_fw(this, &Interconnect::nb_transport_fw, id);
    from_initiator[i].register_b_transport(this, &Interconnect::b_transport, id);
    from_initiator[i].register_get_direct_mem_ptr(this, &Interconnect::get_direct_mem_ptr, id);
    from_initiator[i].register_transport_dbg(this, &Interconnect::transport_dbg, id);
    trains_.push_back(std::make_unique<Train>());
    trains_[i]->network = this;
    trains_[i]->initiator = i;
  }
  for (unsigned j = 0; j < to_target.size(); ++j) {
    const int id = static_cast<int>(j);
    to_target[j].register_nb_transport_bw(this, &Interconnect::nb_transport_bw, id);
    to_target[j].register_invalidate_direct_mem_ptr(this, &Interconnect::invalidate_direct_mem_ptr,
                                                    id);
  }
  for (Door& door : target_doors_) door.of_target = true;
  for (auto [bookings, plane] : {std::pair(&request_bookings_, &fabric_.requests()),
                                 std::pair(&response_bookings_, &fabric_.responses())}) {
    bookings->sources.resize(plane->sources());
    bookings->links.resize(plane->links());
  }
  SC_HAS_PROCESS(Interconnect);
  SC_METHOD(run);
  sensitive << notices_.event() << opening_.event() << wake_;
  dont_initialize();
}

void Interconnect::attach(unsigned target, memory::Dram& dram) {
  to_target[target].bind(dram.socket);
  memories_[target] = &dram;
  fabric_.attach_memory(target, dram.timing());
}

void Interconnect::map(const AddressRange& range) {
  if (range.output >= to_target.size()) {
    throw std::runtime_error("address range of port " + std::to_string(range.output) +
                             " of a network with " + std::to_string(to_target.size()) +
                             " targets; give it one of those");
  }
  fabric_.map(range);
}

// ---- evaluating

void Interconnect::run() {
  evaluate();
  Fabric::Notice notice;
  while (notices_.pop(notice)) act(notice);
  Door* door = nullptr;
  while (opening_.pop(door)) open(*door, sc_time_stamp());
  wake_in_time();
}

/// Performs what happened before now.
void Interconnect::evaluate() {
  fabric_.advance(cycle_at(sc_time_stamp()));
  for (const Fabric::Notice& notice : fabric_.take_notices()) {
    notices_.push(clock_.cycles(notice.cycle), notice);
  }
}

/// Sees to it that no notice comes late.
void Interconnect::wake_in_time() {
  const uint64_t cycle = fabric_.quiet_until(cycle_at(sc_time_stamp()));
  if (cycle != kNever) wake_.notify(clock_.cycles(cycle) - sc_time_stamp());
}

void Interconnect::act(const Fabric::Notice& notice) {
  using Kind = Fabric::Notice::Kind;
  switch (notice.kind) {
    case Kind::kRequestReleased:
      end_request(routes_[notice.id]);
      break;
    case Kind::kRequestDelivered:
      deliver_request(notice.id);
      break;
    case Kind::kResponseReleased:
      end_response(routes_[notice.id]);
      break;
    case Kind::kResponseDelivered: {
      const uint64_t served = fabric_.served_cycle(notice.id);
      if (served != kNever) {
        common::stamp_once(*routes_[notice.id].transaction, &BurstTrace::served,
                           clock_.cycles(served));
      }
      Door& door = initiator_doors_[routes_[notice.id].initiator];
      door.arrived.push_back(notice.id);
      next_response(door);
      break;
    }
    case Kind::kTrainDone:
      end_train(*trains_[notice.id]);
      break;
  }
}

// ---- requests

tlm::tlm_sync_enum Interconnect::nb_transport_fw(int port, Transaction& transaction,
                                                 tlm::tlm_phase& phase, sc_time& delay) {
  const auto initiator = static_cast<unsigned>(port);
  const sc_time when = sc_time_stamp() + delay;
  if (phase == tlm::BEGIN_REQ) {
    if (requesting_[initiator] || trains_[initiator]->transaction != nullptr) {
      SC_REPORT_FATAL(name(), "an initiator sent BEGIN_REQ before END_REQ of its last request");
    }
    transaction.acquire();
    if (auto* train = transaction.get_extension<dma::BurstTrain>()) {
      begin_train(initiator, transaction, *train, when);
    } else {
      begin_request(initiator, transaction, when);
    }
    wake_in_time();
    return tlm::TLM_ACCEPTED;
  }
  if (phase != tlm::END_RESP) SC_REPORT_FATAL(name(), "an initiator sent an illegal phase");
  if (trains_[initiator]->transaction == &transaction) {
    trains_[initiator]->transaction = nullptr;
    transaction.release();
  } else {
    finish(transaction, when);
    wake_in_time();
  }
  return tlm::TLM_COMPLETED;
}

uint32_t Interconnect::new_route() {
  const auto unused = std::find_if(routes_.begin(), routes_.end(),
                                   [](const Route& route) { return route.transaction == nullptr; });
  if (unused != routes_.end()) return id_of(*unused);
  routes_.emplace_back();
  return id_of(routes_.back());
}

void Interconnect::begin_request(unsigned initiator, Transaction& transaction,
                                 const sc_time& when) {
  requesting_[initiator] = true;
  common::stamp_once(transaction, &BurstTrace::issued, clock_.next_edge(when));
  const uint32_t id = new_route();
  Route& route = routes_[id];
  route = Route();
  route.transaction = &transaction;
  route.initiator = initiator;
  route.address = transaction.get_address();

  Fabric::Request request;
  request.initiator = initiator;
  request.address = route.address;
  request.bytes = transaction.get_data_length();
  request.is_write = transaction.is_write();
  const AddressRange* range = fabric_.address_map().find(route.address, request.bytes);
  route.target = range == nullptr ? static_cast<unsigned>(to_target.size()) : range->output;
  if (range != nullptr) {
    transaction.set_address(route.address - range->base + range->offset);
    const memory::Dram* dram = memories_[route.target];
    request.refused = dram != nullptr && !dram->serves(transaction);
  }
  fabric_.send(id, request, cycle_at(when));
}

void Interconnect::end_request(Route& route) {
  requesting_[route.initiator] = false;
  tlm::tlm_phase phase = tlm::END_REQ;
  sc_time delay = sc_core::SC_ZERO_TIME;
  from_initiator[route.initiator]->nb_transport_bw(*route.transaction, phase, delay);
}

/// What memories and nobody do is done here; what they answer is under way already.
void Interconnect::deliver_request(uint32_t id) {
  Route& route = routes_[id];
  Transaction& transaction = *route.transaction;
  common::stamp_once(transaction, &BurstTrace::delivered, sc_time_stamp());
  const bool nobody = route.target == to_target.size();
  if (!nobody && memories_[route.target] == nullptr) {
    target_doors_[route.target].arrived.push_back(id);
    next_request(target_doors_[route.target]);
    return;
  }
  if (nobody) {
    transaction.set_response_status(tlm::TLM_ADDRESS_ERROR_RESPONSE);
  } else {
    memories_[route.target]->access(transaction);
  }
  route.accepted = route.completed = true;
}

void Interconnect::next_request(Door& door) {
  if (door.receiving || door.arrived.empty()) return;
  const uint32_t id = door.arrived.front();
  door.arrived.pop_front();
  door.receiving = true;
  Transaction& transaction = *routes_[id].transaction;
  const unsigned target = routes_[id].target;
  tlm::tlm_phase phase = tlm::BEGIN_REQ;
  sc_time delay = sc_core::SC_ZERO_TIME;
  const tlm::tlm_sync_enum answer = to_target[target]->nb_transport_fw(transaction, phase, delay);
  const sc_time when = sc_time_stamp() + delay;
  if (answer == tlm::TLM_UPDATED) {
    on_target_phase(target, transaction, phase, when);
  } else if (answer == tlm::TLM_COMPLETED) {
    Route& route = routes_[id];
    route.completed = true;
    accept_request(route, when);
    send_response(route, when);
  }
}

// ---- responses

tlm::tlm_sync_enum Interconnect::nb_transport_bw(int port, Transaction& transaction,
                                                 tlm::tlm_phase& phase, sc_time& delay) {
  on_target_phase(static_cast<unsigned>(port), transaction, phase, sc_time_stamp() + delay);
  wake_in_time();
  return tlm::TLM_ACCEPTED;
}

void Interconnect::on_target_phase(unsigned target, Transaction& transaction,
                                   const tlm::tlm_phase& phase, const sc_time& when) {
  Route& route = route_of(transaction);
  if (route.target != target || (phase == tlm::END_REQ && route.accepted) ||
      (phase != tlm::END_REQ && phase != tlm::BEGIN_RESP)) {
    SC_REPORT_FATAL(name(), "a target sent an illegal phase");
  }
  accept_request(route, when);
  if (phase == tlm::BEGIN_RESP) send_response(route, when);
}

/// The receiver takes the next packet from `when` on.
void Interconnect::open(Door& door, const sc_time& when) {
  if (when > sc_time_stamp()) {
    opening_.push(when, &door);
    return;
  }
  door.receiving = false;
  if (door.of_target) {
    next_request(door);
  } else {
    next_response(door);
  }
}

void Interconnect::accept_request(Route& route, const sc_time& when) {
  if (route.accepted) return;
  route.accepted = true;
  fabric_.accept(id_of(route), cycle_at(when));
  open(target_doors_[route.target], when);
}

void Interconnect::send_response(Route& route, const sc_time& when) {
  Transaction& transaction = *route.transaction;
  common::stamp_once(transaction, &BurstTrace::served, when);
  const bool has_data = transaction.is_read() && transaction.is_response_ok();
  fabric_.respond(id_of(route), has_data ? transaction.get_data_length() : 0, cycle_at(when));
}

void Interconnect::end_response(Route& route) {
  if (route.completed) return;
  tlm::tlm_phase phase = tlm::END_RESP;
  sc_time delay = sc_core::SC_ZERO_TIME;
  to_target[route.target]->nb_transport_fw(*route.transaction, phase, delay);
}

void Interconnect::next_response(Door& door) {
  if (door.receiving || door.arrived.empty()) return;
  Route& route = routes_[door.arrived.front()];
  door.arrived.pop_front();
  door.receiving = true;
  Transaction& transaction = *route.transaction;
  transaction.set_address(route.address);
  common::stamp_once(transaction, &BurstTrace::returned, sc_time_stamp());
  tlm::tlm_phase phase = tlm::BEGIN_RESP;
  sc_time delay = sc_core::SC_ZERO_TIME;
  const tlm::tlm_sync_enum answer =
      from_initiator[route.initiator]->nb_transport_bw(transaction, phase, delay);
  const bool ended =
      answer == tlm::TLM_COMPLETED || (answer == tlm::TLM_UPDATED && phase == tlm::END_RESP);
  if (ended) finish(transaction, sc_time_stamp() + delay);
}

void Interconnect::finish(Transaction& transaction, const sc_time& when) {
  Route& route = route_of(transaction);
  fabric_.finish(id_of(route), cycle_at(when));
  route.transaction = nullptr;
  transaction.release();
  open(initiator_doors_[route.initiator], when);
}

Interconnect::Route& Interconnect::route_of(const Transaction& transaction) {
  const auto found = std::find_if(routes_.begin(), routes_.end(), [&](const Route& route) {
    return route.transaction == &transaction;
  });
  if (found == routes_.end()) SC_REPORT_FATAL(name(), "a phase of an unknown transaction");
  return *found;
}

// ---- trains

void Interconnect::begin_train(unsigned initiator, Transaction& transaction, dma::BurstTrain& train,
                               const sc_time& when) {
  trains_[initiator]->transaction = &transaction;
  train.progress = trains_[initiator].get();
  fabric_.start(initiator,
                {train.descriptor, train.burst_bytes, train.outstanding, transaction.is_write()},
                cycle_at(when));
}

dma::Breakdown Interconnect::Train::breakdown_at_now() {
  network->evaluate();
  return network->fabric_.breakdown(initiator, network->cycle_at(sc_time_stamp()));
}

void Interconnect::end_train(Train& train) {
  Transaction& transaction = *train.transaction;
  auto& result = *transaction.get_extension<dma::BurstTrain>();
  const auto failing_address = fabric_.failing_address(train.initiator);
  result.bursts_issued = fabric_.bursts_issued(train.initiator);
  result.failing_address = failing_address.value_or(0);
  transaction.set_response_status(failing_address ? tlm::TLM_ADDRESS_ERROR_RESPONSE
                                                  : tlm::TLM_OK_RESPONSE);
  if (train.blocks) {
    train.done.notify(sc_core::SC_ZERO_TIME);
    return;
  }
  tlm::tlm_phase phase = tlm::BEGIN_RESP;
  sc_time delay = sc_core::SC_ZERO_TIME;
  const tlm::tlm_sync_enum answer =
      from_initiator[train.initiator]->nb_transport_bw(transaction, phase, delay);
  const bool ended =
      answer == tlm::TLM_COMPLETED || (answer == tlm::TLM_UPDATED && phase == tlm::END_RESP);
  if (!ended) return;
  train.transaction = nullptr;
  transaction.release();
}

/// A train in blocking transport.
void Interconnect::carry(unsigned initiator, Transaction& transaction, dma::BurstTrain& train,
                         sc_time& delay) {
  if (delay != sc_core::SC_ZERO_TIME) wait(delay);
  delay = sc_core::SC_ZERO_TIME;
  Train& carried = *trains_[initiator];
  if (carried.transaction != nullptr) {
    SC_REPORT_FATAL(name(), "an initiator sent a train before its last was done");
  }
  carried.blocks = true;
  begin_train(initiator, transaction, train, sc_time_stamp());
  wake_in_time();
  wait(carried.done);
  carried.blocks = false;
  carried.transaction = nullptr;
}

}  // namespace tessera::noc
