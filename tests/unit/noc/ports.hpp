#pragma once

/// Initiators and targets that check the base protocol and note when what happened.

#include <gtest/gtest.h>
#include <tlm_utils/simple_initiator_socket.h>
#include <tlm_utils/simple_target_socket.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <systemc>
#include <vector>

#include "chip/chip.hpp"
#include "common/clock.hpp"
#include "common/transaction_pool.hpp"

namespace tessera::test {

using sc_core::sc_time;
using Transaction = tlm::tlm_generic_payload;

inline chip::Noc noc_config() {
  chip::Noc noc;
  noc.width_bytes = 16;
  noc.latency_cycles = 4;
  return noc;
}
inline const common::Clock& noc_clock() {
  static const common::Clock clock(1000);
  return clock;
}
inline uint64_t now_cycles() { return noc_clock().now_cycles(); }

/// Sends each request as soon as the one before was accepted; `end_delay_cycles` before END_RESP.
class Initiator : public sc_core::sc_module {
 public:
  struct Record {
    uint64_t sent = 0, accepted = 0, answered = 0;
    tlm::tlm_response_status status = tlm::TLM_INCOMPLETE_RESPONSE;
    uint64_t address = 0;
    int phase = 1;  ///< 1 BEGIN_REQ, 2 END_REQ, 3 BEGIN_RESP
    common::BurstTrace trace;
  };

  explicit Initiator(const sc_core::sc_module_name& name) : sc_module(name), socket("socket") {
    socket.register_nb_transport_bw(this, &Initiator::nb_transport_bw);
    socket.register_invalidate_direct_mem_ptr(this, &Initiator::invalidate);
  }

  /// Blocks until the request was accepted. Call from a thread.
  Transaction* send(tlm::tlm_command command, uint64_t address, uint32_t bytes) {
    Transaction* t = pool.acquire(command, address, buffer, bytes);
    order.push_back(t);
    records[t].sent = now_cycles();
    tlm::tlm_phase phase = tlm::BEGIN_REQ;
    sc_time delay;
    EXPECT_EQ(socket->nb_transport_fw(*t, phase, delay), tlm::TLM_ACCEPTED);
    while (records[t].phase < 2) wait(changed);
    return t;
  }
  /// Blocks until all requests were answered.
  void drain() {
    while (answered < records.size()) wait(changed);
  }
  const Record& record(size_t i) const { return records.at(order.at(i)); }

  tlm_utils::simple_initiator_socket<Initiator> socket;
  common::TransactionPool pool;
  std::vector<Transaction*> order;
  size_t answered = 0;
  uint64_t end_delay_cycles = 0;
  uint8_t buffer[256] = {};
  std::vector<std::pair<uint64_t, uint64_t>> invalidated;

 private:
  tlm::tlm_sync_enum nb_transport_bw(Transaction& t, tlm::tlm_phase& phase, sc_time& delay) {
    EXPECT_EQ(delay, sc_core::SC_ZERO_TIME);
    Record& r = records.at(&t);
    changed.notify(sc_core::SC_ZERO_TIME);
    if (phase == tlm::END_REQ) {
      EXPECT_EQ(r.phase, 1) << "END_REQ out of order";
      r.phase = 2;
      r.accepted = now_cycles();
      return tlm::TLM_ACCEPTED;
    }
    EXPECT_EQ(phase, tlm::BEGIN_RESP);
    EXPECT_LE(r.phase, 2) << "two responses";
    EXPECT_FALSE(responding) << "BEGIN_RESP before END_RESP of the one before";
    r.phase = 3;
    r.answered = now_cycles();
    r.status = t.get_response_status();
    r.address = t.get_address();
    r.trace = common::trace_of(t);
    ++answered;
    if (end_delay_cycles == 0) return tlm::TLM_COMPLETED;
    responding = true;
    sc_core::sc_spawn([this, &t] {
      wait(noc_clock().cycles(end_delay_cycles));
      responding = false;
      tlm::tlm_phase end = tlm::END_RESP;
      sc_time none;
      socket->nb_transport_fw(t, end, none);
    });
    return tlm::TLM_ACCEPTED;
  }
  void invalidate(sc_dt::uint64 start, sc_dt::uint64 end) { invalidated.emplace_back(start, end); }

  std::map<Transaction*, Record> records;
  bool responding = false;
  sc_core::sc_event changed;
};

/// How a target answers: the ways that the base protocol offers.
enum class Style {
  kFourPhases,         ///< END_REQ and BEGIN_RESP by calls of their own
  kUpdatedEndRequest,  ///< END_REQ by the return value
  kNoEndRequest,       ///< BEGIN_RESP implies END_REQ
  kUpdatedResponse,    ///< BEGIN_RESP by the return value, with its delay
  kCompleted,          ///< TLM_COMPLETED with its delay
};

class Target : public sc_core::sc_module {
 public:
  explicit Target(const sc_core::sc_module_name& name) : sc_module(name), socket("socket") {
    socket.register_nb_transport_fw(this, &Target::nb_transport_fw);
    socket.register_b_transport(this, &Target::b_transport);
    socket.register_get_direct_mem_ptr(this, &Target::get_direct_mem_ptr);
    socket.register_transport_dbg(this, &Target::transport_dbg);
  }

  struct Arrival {
    uint64_t cycle, address;
    uint8_t first_byte;
  };

  tlm_utils::simple_target_socket<Target> socket;
  Style style = Style::kFourPhases;
  uint64_t accept_cycles = 0;   ///< from BEGIN_REQ to END_REQ
  uint64_t respond_cycles = 1;  ///< from BEGIN_REQ to BEGIN_RESP
  std::vector<Arrival> arrivals;
  uint64_t end_responses = 0;
  size_t most_unanswered = 0;
  uint8_t memory[256] = {};
  tlm::tlm_response_status status = tlm::TLM_OK_RESPONSE;

  void invalidate(uint64_t start, uint64_t end) { socket->invalidate_direct_mem_ptr(start, end); }

 private:
  void note(Transaction& t) {
    const uint8_t byte = t.is_write() ? *t.get_data_ptr() : 0;
    arrivals.push_back({now_cycles(), t.get_address(), byte});
    t.set_response_status(status);
  }

  tlm::tlm_sync_enum nb_transport_fw(Transaction& t, tlm::tlm_phase& phase, sc_time& delay) {
    EXPECT_EQ(delay, sc_core::SC_ZERO_TIME);
    if (phase == tlm::END_RESP) {
      EXPECT_EQ(responding_, &t) << "END_RESP of something else";
      responding_ = nullptr;
      ++end_responses;
      ended_.notify(sc_core::SC_ZERO_TIME);
      return tlm::TLM_COMPLETED;
    }
    EXPECT_EQ(phase, tlm::BEGIN_REQ);
    EXPECT_FALSE(requesting_) << "BEGIN_REQ before END_REQ of the one before";
    note(t);
    const sc_time response_delay = noc_clock().cycles(respond_cycles);
    if (style == Style::kCompleted) {
      delay = response_delay;
      return tlm::TLM_COMPLETED;
    }
    if (style == Style::kUpdatedResponse) {
      responding_ = &t;
      delay = response_delay;
      phase = tlm::BEGIN_RESP;
      return tlm::TLM_UPDATED;
    }
    ++unanswered_;
    most_unanswered = std::max(most_unanswered, unanswered_);
    requesting_ = style != Style::kUpdatedEndRequest;
    sc_core::sc_spawn([this, &t, ticket = tickets_++] { answer(t, ticket); });
    if (style != Style::kUpdatedEndRequest) return tlm::TLM_ACCEPTED;
    phase = tlm::END_REQ;
    return tlm::TLM_UPDATED;
  }

  void answer(Transaction& t, uint64_t ticket) {
    if (style == Style::kFourPhases) {
      wait(noc_clock().cycles(accept_cycles));
      requesting_ = false;
      send(t, tlm::END_REQ);
    }
    const uint64_t passed = style == Style::kFourPhases ? accept_cycles : 0;
    wait(noc_clock().cycles(respond_cycles - passed));
    while (responding_ != nullptr || ticket != next_ticket_) wait(ended_);
    ++next_ticket_;
    responding_ = &t;
    requesting_ = style == Style::kNoEndRequest ? false : requesting_;
    --unanswered_;
    send(t, tlm::BEGIN_RESP);
  }
  void send(Transaction& t, tlm::tlm_phase phase) {
    sc_time delay;
    EXPECT_EQ(socket->nb_transport_bw(t, phase, delay), tlm::TLM_ACCEPTED);
  }

  void b_transport(Transaction& t, sc_time& delay) {
    note(t);
    delay += noc_clock().cycles(respond_cycles);
  }
  bool get_direct_mem_ptr(Transaction&, tlm::tlm_dmi& dmi) {
    dmi.set_dmi_ptr(memory);
    dmi.set_start_address(0);
    dmi.set_end_address(sizeof memory - 1);
    dmi.set_read_latency(noc_clock().cycles(7));
    dmi.set_write_latency(noc_clock().cycles(8));
    dmi.allow_read_write();
    return true;
  }
  unsigned transport_dbg(Transaction& t) {
    std::memcpy(t.get_data_ptr(), memory + t.get_address(), t.get_data_length());
    return t.get_data_length();
  }

  bool requesting_ = false;
  uint64_t tickets_ = 0, next_ticket_ = 0;  // answers keep the order of the requests
  size_t unanswered_ = 0;
  Transaction* responding_ = nullptr;
  sc_core::sc_event ended_;
};

}  // namespace tessera::test
