#include <gtest/gtest.h>

#include <systemc>
#include <vector>

#include "common/clock.hpp"
#include "common/timed_queue.hpp"
#include "common/transaction_pool.hpp"

namespace tessera::common {
namespace {

using sc_core::SC_NS;
using sc_core::SC_PS;
using sc_core::sc_time;

TEST(Clock, cycles_and_time_convert_exactly) {
  const Clock clock(3003);
  EXPECT_EQ(clock.cycles(1'000'000'007), sc_time(3003.0 * 1'000'000'007, SC_PS));
  EXPECT_EQ(clock.floor_cycles(sc_time(3003 * 7, SC_PS)), 7U);
  EXPECT_EQ(clock.ceil_cycles(sc_time(3003 * 7, SC_PS)), 7U);
  EXPECT_EQ(clock.floor_cycles(sc_time(3003 * 7 + 1, SC_PS)), 7U);
  EXPECT_EQ(clock.ceil_cycles(sc_time(3003 * 7 + 1, SC_PS)), 8U);
  EXPECT_EQ(clock.next_edge(sc_time(1, SC_PS)), clock.period());
  EXPECT_EQ(clock.next_edge(clock.cycles(5)), clock.cycles(5));
}

TEST(TransactionPool, a_released_payload_is_reused_with_a_clear_trace) {
  TransactionPool pool;
  uint8_t data[8];
  auto* first = pool.acquire(tlm::TLM_READ_COMMAND, 0x10, data, 8);
  trace_of(*first).issued = sc_time(1, SC_NS);
  first->acquire();
  first->release();
  EXPECT_EQ(pool.idle(), 0U) << "one reference is left";
  first->release();
  EXPECT_EQ(pool.idle(), 1U);
  auto* second = pool.acquire(tlm::TLM_WRITE_COMMAND, 0x20, data, 4);
  EXPECT_EQ(second, first);
  EXPECT_FALSE(BurstTrace::is_set(trace_of(*second).issued));
  EXPECT_EQ(second->get_address(), 0x20U);
  EXPECT_EQ(second->get_data_length(), 4U);
  EXPECT_EQ(second->get_streaming_width(), 4U);
  EXPECT_EQ(second->get_response_status(), tlm::TLM_INCOMPLETE_RESPONSE);
  EXPECT_NE(pool.acquire(tlm::TLM_READ_COMMAND, 0, data, 1), second);
  EXPECT_EQ(pool.size(), 2U);
}

TEST(BurstTrace, a_stamp_is_set_once) {
  TransactionPool pool;
  auto* transaction = pool.acquire(tlm::TLM_READ_COMMAND, 0, nullptr, 0);
  stamp_once(*transaction, &BurstTrace::served, sc_time(5, SC_NS));
  stamp_once(*transaction, &BurstTrace::served, sc_time(9, SC_NS));
  EXPECT_EQ(trace_of(*transaction).served, sc_time(5, SC_NS));
  tlm::tlm_generic_payload without_trace;
  stamp_once(without_trace, &BurstTrace::served, sc_time(5, SC_NS));
}

TEST(TimedQueue, items_come_at_their_time_and_in_order_of_pushing) {
  TimedQueue<int> queue;
  std::vector<std::pair<int, double>> seen;
  sc_core::sc_spawn_options options;
  options.spawn_method();
  options.dont_initialize();
  options.set_sensitivity(&queue.event());
  const auto drain = [&] {
    int item = 0;
    while (queue.pop(item)) {
      seen.emplace_back(item, sc_core::sc_time_stamp().to_seconds() * 1e9);
      if (item == 2) queue.push(sc_core::sc_time_stamp(), 20);
    }
  };
  sc_core::sc_spawn(drain, "drain", &options);
  queue.push(sc_time(30, SC_NS), 3);
  queue.push(sc_time(10, SC_NS), 1);
  queue.push(sc_time(20, SC_NS), 2);
  queue.push(sc_time(10, SC_NS), 11);
  sc_core::sc_start();
  const std::vector<std::pair<int, double>> expected = {
      {1, 10}, {11, 10}, {2, 20}, {20, 20}, {3, 30}};
  ASSERT_EQ(seen.size(), expected.size());
  for (size_t i = 0; i < seen.size(); ++i) {
    EXPECT_EQ(seen[i].first, expected[i].first);
    EXPECT_NEAR(seen[i].second, expected[i].second, 1e-6);
  }
}

}  // namespace
}  // namespace tessera::common
