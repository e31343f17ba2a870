#include <gtest/gtest.h>

#include <memory>

#include "noc/interconnect.hpp"
#include "ports.hpp"

namespace tessera::noc {
namespace {

using sc_core::sc_time;

struct CrossbarLt : testing::Test {
  Interconnect crossbar{"crossbar", crossbar_layout(2, 2), test::noc_clock(), test::noc_config()};
  test::Initiator a{"a"}, b{"b"};
  test::Target near{"near"}, far{"far"};

  CrossbarLt() {
    a.socket.bind(crossbar.from_initiator[0]);
    b.socket.bind(crossbar.from_initiator[1]);
    crossbar.to_target[0].bind(near.socket);
    crossbar.to_target[1].bind(far.socket);
    crossbar.map({0x1000, 0x100, 0, 0});
    crossbar.map({0x2000, 0x40, 1, 0x80});
    near.respond_cycles = 5;
  }
  /// When the access is over, in cycles.
  uint64_t access(test::Initiator& initiator, tlm::tlm_command command, uint64_t address,
                  uint32_t bytes, uint64_t at_cycle) {
    auto* t = initiator.pool.acquire(command, address, initiator.buffer, bytes);
    sc_time delay = test::noc_clock().cycles(at_cycle);
    initiator.socket->b_transport(*t, delay);
    status = t->get_response_status();
    trace = common::trace_of(*t);
    EXPECT_EQ(t->get_address(), address);
    t->release();
    return test::noc_clock().floor_cycles(delay);
  }
  tlm::tlm_response_status status = tlm::TLM_INCOMPLETE_RESPONSE;
  common::BurstTrace trace;
};

TEST_F(CrossbarLt, takes_the_same_cycles_as_four_phase_transport) {
  EXPECT_EQ(access(a, tlm::TLM_READ_COMMAND, 0x1010, 64, 0), 17U);
  EXPECT_EQ(near.arrivals.at(0).address, 0x10U);
  EXPECT_EQ(access(a, tlm::TLM_WRITE_COMMAND, 0x1000, 33, 100), 116U);
  EXPECT_EQ(trace.issued, test::noc_clock().cycles(100));
  EXPECT_EQ(trace.delivered, test::noc_clock().cycles(107));
  EXPECT_EQ(trace.served, test::noc_clock().cycles(112));
  EXPECT_EQ(trace.returned, test::noc_clock().cycles(116));
}

TEST_F(CrossbarLt, requests_at_the_same_time_wait_for_the_port) {
  EXPECT_EQ(access(a, tlm::TLM_WRITE_COMMAND, 0x1000, 64, 0), 17U);
  EXPECT_EQ(access(b, tlm::TLM_WRITE_COMMAND, 0x1000, 64, 1), 21U) << "three cycles later";
  EXPECT_EQ(crossbar.target_statistics(0).contention_cycles, 3U);
  EXPECT_EQ(crossbar.initiator_statistics(1).contention_cycles, 3U);
  EXPECT_EQ(crossbar.initiator_statistics(0).contention_cycles, 0U);
}

TEST_F(CrossbarLt, responses_wait_for_the_port_too) {
  EXPECT_EQ(access(a, tlm::TLM_READ_COMMAND, 0x1000, 64, 0), 17U);
  EXPECT_EQ(access(a, tlm::TLM_READ_COMMAND, 0x1000, 64, 1), 21U);
  EXPECT_EQ(access(a, tlm::TLM_READ_COMMAND, 0x1000, 64, 2), 25U);
}

TEST_F(CrossbarLt, an_initiator_that_lags_behind_is_not_delayed_by_the_future) {
  EXPECT_EQ(access(a, tlm::TLM_READ_COMMAND, 0x1000, 64, 1000), 1017U);
  EXPECT_EQ(access(b, tlm::TLM_READ_COMMAND, 0x1000, 64, 10), 27U);
  EXPECT_EQ(crossbar.target_statistics(0).contention_cycles, 0U);
}

TEST_F(CrossbarLt, an_address_of_nobody_is_an_address_error) {
  access(a, tlm::TLM_READ_COMMAND, 0x20, 4, 0);
  EXPECT_EQ(status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
  access(a, tlm::TLM_READ_COMMAND, 0x203D, 4, 0);
  EXPECT_EQ(status, tlm::TLM_ADDRESS_ERROR_RESPONSE) << "the range ends at 0x2040";
  EXPECT_TRUE(far.arrivals.empty());
}

TEST_F(CrossbarLt, direct_memory_comes_back_in_the_addresses_of_the_initiator) {
  tlm::tlm_generic_payload t;
  tlm::tlm_dmi dmi;
  t.set_address(0x2010);
  ASSERT_TRUE(a.socket->get_direct_mem_ptr(t, dmi));
  EXPECT_EQ(dmi.get_start_address(), 0x2000U);
  EXPECT_EQ(dmi.get_end_address(), 0x203FU) << "the target's 256 bytes cut to the range";
  EXPECT_EQ(dmi.get_dmi_ptr(), far.memory + 0x80);
  EXPECT_EQ(dmi.get_read_latency(), test::noc_clock().cycles(7 + 4 + 4 + 1));
  EXPECT_EQ(dmi.get_write_latency(), test::noc_clock().cycles(8 + 4 + 4 + 1));
  EXPECT_EQ(t.get_address(), 0x2010U);
  t.set_address(0x5000);
  dmi.init();
  EXPECT_FALSE(a.socket->get_direct_mem_ptr(t, dmi));
}

TEST_F(CrossbarLt, invalidations_reach_all_initiators_translated_and_cut) {
  far.invalidate(0, 0x90);
  using Range = std::pair<uint64_t, uint64_t>;
  EXPECT_EQ(a.invalidated, std::vector<Range>({{0x2000, 0x2010}}));
  EXPECT_EQ(b.invalidated, a.invalidated);
  far.invalidate(0, 0x7F);
  EXPECT_EQ(a.invalidated.size(), 1U) << "nothing of it is mapped";
}

TEST_F(CrossbarLt, debug_transport_is_decoded_and_takes_no_time) {
  far.memory[0x84] = 42;
  tlm::tlm_generic_payload t;
  t.set_read();
  t.set_address(0x2004);
  t.set_data_ptr(a.buffer);
  t.set_data_length(1);
  EXPECT_EQ(b.socket->transport_dbg(t), 1U);
  EXPECT_EQ(a.buffer[0], 42);
  t.set_address(0x7000);
  EXPECT_EQ(b.socket->transport_dbg(t), 0U);
}

}  // namespace
}  // namespace tessera::noc
