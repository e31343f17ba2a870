#include <gtest/gtest.h>

#include "noc/at_bridge.hpp"
#include "noc/interconnect.hpp"
#include "ports.hpp"

namespace tessera::noc {
namespace {

using sc_core::sc_time;
using test::Style;

struct AtBridgeTest : testing::Test {
  AtBridge bridge{"bridge"};
  Interconnect crossbar{"crossbar", crossbar_layout(1, 1), test::noc_clock(), test::noc_config()};
  test::Initiator initiator{"initiator"};
  test::Target target{"target"};

  AtBridgeTest() {
    initiator.socket.bind(bridge.target_socket);
    bridge.initiator_socket.bind(crossbar.from_initiator[0]);
    crossbar.to_target[0].bind(target.socket);
    crossbar.map({0x1000, 0x100, 0, 0});
    target.respond_cycles = 5;
  }
  /// Performs a blocking read and returns the cycle in which it came back.
  uint64_t read(uint64_t address, uint64_t delay_cycles, tlm::tlm_response_status expected) {
    auto* t = initiator.pool.acquire(tlm::TLM_READ_COMMAND, address, initiator.buffer, 64);
    sc_time delay = test::noc_clock().cycles(delay_cycles);
    initiator.socket->b_transport(*t, delay);
    EXPECT_EQ(delay, sc_core::SC_ZERO_TIME);
    EXPECT_EQ(t->get_response_status(), expected);
    trace = common::trace_of(*t);
    t->release();
    return test::now_cycles();
  }
  common::BurstTrace trace;
};

TEST_F(AtBridgeTest, a_blocking_call_lasts_as_long_as_its_four_phases) {
  sc_core::sc_spawn([&] {
    EXPECT_EQ(read(0x1000, 10, tlm::TLM_OK_RESPONSE), 10U + 17);
    EXPECT_EQ(trace.issued, test::noc_clock().cycles(10));
    EXPECT_EQ(trace.returned, test::noc_clock().cycles(27));
    EXPECT_EQ(read(0x5000, 0, tlm::TLM_ADDRESS_ERROR_RESPONSE), 27U + 8);
  });
  sc_core::sc_start();
  EXPECT_EQ(target.end_responses, 1U);
}

TEST_F(AtBridgeTest, calls_of_several_threads_overlap) {
  std::vector<uint64_t> ends;
  for (int i = 0; i < 3; ++i) {
    sc_core::sc_spawn([&] { ends.push_back(read(0x1000, 0, tlm::TLM_OK_RESPONSE)); });
  }
  sc_core::sc_start();
  EXPECT_EQ(ends, std::vector<uint64_t>({17, 21, 25}));
}

TEST_F(AtBridgeTest, direct_memory_debug_and_invalidation_pass_through) {
  tlm::tlm_generic_payload t;
  tlm::tlm_dmi dmi;
  t.set_address(0x1000);
  ASSERT_TRUE(initiator.socket->get_direct_mem_ptr(t, dmi));
  EXPECT_EQ(dmi.get_start_address(), 0x1000U);
  target.memory[1] = 17;
  t.set_read();
  t.set_address(0x1001);
  t.set_data_ptr(initiator.buffer);
  t.set_data_length(1);
  EXPECT_EQ(initiator.socket->transport_dbg(t), 1U);
  EXPECT_EQ(initiator.buffer[0], 17);
  target.invalidate(0, 15);
  ASSERT_EQ(initiator.invalidated.size(), 1U);
  EXPECT_EQ(initiator.invalidated[0].second, 0x100FU);
}

TEST(AtBridgeDirect, targets_may_answer_in_every_legal_way) {
  AtBridge bridge("bridge");
  test::Initiator initiator("initiator");
  test::Target target("target");
  initiator.socket.bind(bridge.target_socket);
  bridge.initiator_socket.bind(target.socket);
  target.respond_cycles = 6;
  size_t calls = 0;
  sc_core::sc_spawn([&] {
    for (const Style style : {Style::kUpdatedResponse, Style::kCompleted}) {
      target.style = style;
      const uint64_t begin = test::now_cycles();
      auto* t = initiator.pool.acquire(tlm::TLM_READ_COMMAND, 0, initiator.buffer, 4);
      sc_time delay;
      initiator.socket->b_transport(*t, delay);
      EXPECT_EQ(test::now_cycles() - begin, 6U);
      t->release();
      ++calls;
    }
  });
  sc_core::sc_start();
  EXPECT_EQ(calls, 2U);
  EXPECT_EQ(target.end_responses, 1U);
}

}  // namespace
}  // namespace tessera::noc
