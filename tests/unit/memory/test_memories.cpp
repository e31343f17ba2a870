#include <gtest/gtest.h>
#include <tlm_utils/simple_initiator_socket.h>

#include <cstring>
#include <functional>
#include <systemc>
#include <vector>

#include "common/transaction_pool.hpp"
#include "memory/dram.hpp"
#include "memory/local_ram.hpp"
#include "unit/memory/small_dram.hpp"

namespace tessera::memory {
namespace {

using sc_core::SC_NS;
using sc_core::sc_time;

/// Sends requests by hand and notes the phases that come back.
struct Initiator : sc_core::sc_module {
  explicit Initiator(const sc_core::sc_module_name& name) : sc_module(name), socket("socket") {
    socket.register_nb_transport_bw(this, &Initiator::nb_transport_bw);
  }
  tlm::tlm_sync_enum nb_transport_bw(tlm::tlm_generic_payload& transaction, tlm::tlm_phase& phase,
                                     sc_time&) {
    if (phase == tlm::BEGIN_RESP) {
      responses.push_back({transaction.get_address(), sc_core::sc_time_stamp()});
      return complete ? tlm::TLM_COMPLETED : tlm::TLM_ACCEPTED;
    }
    EXPECT_EQ(phase, tlm::END_REQ);
    ++ended_requests;
    return tlm::TLM_ACCEPTED;
  }
  tlm_utils::simple_initiator_socket<Initiator> socket;
  common::TransactionPool pool;
  std::vector<std::pair<uint64_t, sc_time>> responses;
  unsigned ended_requests = 0;
  bool complete = true;
};

struct DramTest : testing::Test {
  common::Clock clock{2000};
  Dram dram{"dram", small_dram(), clock};
  Initiator initiator{"initiator"};
  uint8_t data[256] = {};

  DramTest() { initiator.socket.bind(dram.socket); }
  void run(const std::function<void()>& body) {
    sc_core::sc_spawn(body, "body");
    sc_core::sc_start();
  }
  tlm::tlm_response_status access(tlm::tlm_command command, uint64_t address, uint32_t bytes,
                                  sc_time* delay = nullptr) {
    tlm::tlm_generic_payload t;
    t.set_command(command);
    t.set_address(address);
    t.set_data_ptr(data);
    t.set_data_length(bytes);
    t.set_streaming_width(bytes);
    sc_time none;
    initiator.socket->b_transport(t, delay == nullptr ? none : *delay);
    return t.get_response_status();
  }
};

TEST_F(DramTest, blocking_accesses_end_at_the_next_clock_edge) {
  sc_time delay;
  access(tlm::TLM_READ_COMMAND, 0, 64, &delay);
  EXPECT_EQ(delay, sc_time(26, SC_NS)) << "25 ns of DRAM";
  delay = sc_time(100, SC_NS);
  access(tlm::TLM_READ_COMMAND, 64, 64, &delay);
  EXPECT_EQ(delay, sc_time(116, SC_NS)) << "a row hit, 15 ns";
  EXPECT_EQ(dram.counters().row_hits, 1U);
}

TEST_F(DramTest, written_data_are_read_back_by_every_interface) {
  for (int i = 0; i < 64; ++i) data[i] = static_cast<uint8_t>(i * 3 + 1);
  ASSERT_EQ(access(tlm::TLM_WRITE_COMMAND, 1000, 64), tlm::TLM_OK_RESPONSE);
  std::memset(data, 0, sizeof data);
  ASSERT_EQ(access(tlm::TLM_READ_COMMAND, 1001, 4), tlm::TLM_OK_RESPONSE);
  EXPECT_EQ(data[0], 4);
  tlm::tlm_generic_payload t;
  tlm::tlm_dmi dmi;
  ASSERT_TRUE(initiator.socket->get_direct_mem_ptr(t, dmi));
  EXPECT_EQ(dmi.get_dmi_ptr()[1002], 7);
  EXPECT_EQ(dmi.get_end_address(), dram.size() - 1);
  EXPECT_TRUE(dmi.is_read_write_allowed());
  EXPECT_EQ(dmi.get_read_latency(), sc_time(16, SC_NS));
  t.set_read();
  t.set_address(1003);
  t.set_data_ptr(data);
  t.set_data_length(1);
  EXPECT_EQ(initiator.socket->transport_dbg(t), 1U);
  EXPECT_EQ(data[0], 10);
}

TEST_F(DramTest, what_cannot_be_done_is_answered_with_the_right_error) {
  EXPECT_EQ(access(tlm::TLM_READ_COMMAND, dram.size(), 4), tlm::TLM_ADDRESS_ERROR_RESPONSE);
  EXPECT_EQ(access(tlm::TLM_READ_COMMAND, dram.size() - 2, 4), tlm::TLM_ADDRESS_ERROR_RESPONSE);
  EXPECT_EQ(access(tlm::TLM_READ_COMMAND, UINT64_MAX - 1, 4), tlm::TLM_ADDRESS_ERROR_RESPONSE);
  EXPECT_EQ(access(tlm::TLM_WRITE_COMMAND, 0, 0), tlm::TLM_BURST_ERROR_RESPONSE);
  tlm::tlm_generic_payload t;
  t.set_read();
  t.set_data_ptr(data);
  t.set_data_length(8);
  t.set_streaming_width(4);
  sc_time delay;
  initiator.socket->b_transport(t, delay);
  EXPECT_EQ(t.get_response_status(), tlm::TLM_BURST_ERROR_RESPONSE);
  t.set_streaming_width(8);
  t.set_data_ptr(nullptr);
  initiator.socket->b_transport(t, delay);
  EXPECT_EQ(t.get_response_status(), tlm::TLM_GENERIC_ERROR_RESPONSE);
  uint8_t enable[] = {0xFF};
  t.set_data_ptr(data);
  t.set_byte_enable_ptr(enable);
  t.set_byte_enable_length(0);
  initiator.socket->b_transport(t, delay);
  EXPECT_EQ(t.get_response_status(), tlm::TLM_BYTE_ENABLE_ERROR_RESPONSE);
  EXPECT_EQ(dram.counters().reads + dram.counters().writes, 0U);
}

TEST_F(DramTest, byte_enables_select_bytes_and_repeat) {
  std::memset(dram.data(), 0x11, 8);
  std::memset(data, 0x22, 8);
  uint8_t enable[] = {TLM_BYTE_ENABLED, TLM_BYTE_DISABLED, TLM_BYTE_DISABLED};
  tlm::tlm_generic_payload t;
  t.set_write();
  t.set_data_ptr(data);
  t.set_data_length(8);
  t.set_streaming_width(8);
  t.set_byte_enable_ptr(enable);
  t.set_byte_enable_length(3);
  sc_time delay;
  initiator.socket->b_transport(t, delay);
  const uint8_t expected[] = {0x22, 0x11, 0x11, 0x22, 0x11, 0x11, 0x22, 0x11};
  EXPECT_EQ(std::memcmp(dram.data(), expected, 8), 0);
}

TEST_F(DramTest, debug_transport_stops_at_the_end_of_the_memory) {
  tlm::tlm_generic_payload t;
  t.set_write();
  t.set_address(dram.size() - 3);
  t.set_data_ptr(data);
  t.set_data_length(8);
  EXPECT_EQ(initiator.socket->transport_dbg(t), 3U);
  t.set_address(dram.size());
  EXPECT_EQ(initiator.socket->transport_dbg(t), 0U);
}

TEST_F(DramTest, two_gigabytes_cost_nothing_until_they_are_touched) {
  BackingStore store(uint64_t{2047} << 20);
  store.data()[store.size() - 1] = 5;
  EXPECT_EQ(store.data()[0], 0);
  EXPECT_EQ(store.data()[store.size() - 1], 5);
}

struct LocalRamTest : testing::Test {
  common::Clock clock{2000};
  LocalRam ram{"ram", 4096, clock};
  Initiator initiator{"initiator"};
  LocalRamTest() { initiator.socket.bind(ram.socket); }
};

TEST_F(LocalRamTest, every_interface_takes_one_cycle) {
  uint8_t data[64] = {9};
  auto* t = initiator.pool.acquire(tlm::TLM_WRITE_COMMAND, 4032, data, 64);
  sc_time delay(6, SC_NS);
  initiator.socket->b_transport(*t, delay);
  EXPECT_EQ(delay, sc_time(8, SC_NS));
  EXPECT_EQ(t->get_response_status(), tlm::TLM_OK_RESPONSE);
  EXPECT_EQ(ram.data()[4032], 9);
  tlm::tlm_phase phase = tlm::BEGIN_REQ;
  delay = sc_time(6, SC_NS);
  EXPECT_EQ(initiator.socket->nb_transport_fw(*t, phase, delay), tlm::TLM_COMPLETED);
  EXPECT_EQ(delay, sc_time(8, SC_NS));
  tlm::tlm_dmi dmi;
  EXPECT_TRUE(initiator.socket->get_direct_mem_ptr(*t, dmi));
  EXPECT_EQ(dmi.get_write_latency(), clock.period());
  t->set_address(4033);
  initiator.socket->b_transport(*t, delay);
  EXPECT_EQ(t->get_response_status(), tlm::TLM_ADDRESS_ERROR_RESPONSE);
  EXPECT_EQ(ram.statistics()[1].value, 2U) << "writes that succeeded";
}

}  // namespace
}  // namespace tessera::memory
