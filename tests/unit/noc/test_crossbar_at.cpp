#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>

#include "noc/interconnect.hpp"
#include "ports.hpp"

namespace tessera::noc {
namespace {

using test::Initiator;
using test::Style;
using test::Target;

/// `initiators` x 2; target j at 0x1000 * (j + 1), 0x100 bytes. 16 bytes and 4 cycles.
struct CrossbarAt : testing::Test {
  void build(unsigned initiators) {
    crossbar = std::make_unique<Interconnect>("crossbar", crossbar_layout(initiators, 2),
                                              test::noc_clock(), test::noc_config());
    for (unsigned i = 0; i < initiators; ++i) {
      initiator.push_back(std::make_unique<Initiator>(sc_core::sc_gen_unique_name("initiator")));
      initiator[i]->socket.bind(crossbar->from_initiator[i]);
    }
    for (unsigned j = 0; j < 2; ++j) {
      target.push_back(std::make_unique<Target>(sc_core::sc_gen_unique_name("target")));
      crossbar->to_target[j].bind(target[j]->socket);
      crossbar->map({0x1000 * (j + 1), 0x100, j, 0});
    }
  }
  void spawn(const std::function<void()>& body) { sc_core::sc_spawn(body); }
  void expect_nothing_left() {
    for (auto& i : initiator) {
      EXPECT_EQ(i->answered, i->order.size());
      for (auto* t : i->order) EXPECT_EQ(t->get_ref_count(), 1) << "references were not released";
    }
  }

  std::unique_ptr<Interconnect> crossbar;
  std::vector<std::unique_ptr<Initiator>> initiator;
  std::vector<std::unique_ptr<Target>> target;
};

TEST_F(CrossbarAt, a_read_takes_latency_there_and_latency_and_beats_back) {
  build(1);
  target[0]->respond_cycles = 5;
  spawn([&] { initiator[0]->send(tlm::TLM_READ_COMMAND, 0x1010, 64); });
  sc_core::sc_start();
  const auto& r = initiator[0]->record(0);
  EXPECT_EQ(r.accepted, 1U);
  ASSERT_EQ(target[0]->arrivals.size(), 1U);
  EXPECT_EQ(target[0]->arrivals[0].cycle, 4U);
  EXPECT_EQ(target[0]->arrivals[0].address, 0x10U) << "relative to the range";
  EXPECT_EQ(r.answered, 4U + 5 + 4 + 4);
  EXPECT_EQ(r.address, 0x1010U) << "restored";
  EXPECT_EQ(r.status, tlm::TLM_OK_RESPONSE);
  EXPECT_EQ(target[0]->end_responses, 1U);
  expect_nothing_left();
}

TEST_F(CrossbarAt, a_write_takes_latency_and_beats_there_and_latency_back) {
  build(1);
  target[1]->respond_cycles = 5;
  initiator[0]->buffer[0] = 77;
  spawn([&] { initiator[0]->send(tlm::TLM_WRITE_COMMAND, 0x2000, 33); });
  sc_core::sc_start();
  const auto& r = initiator[0]->record(0);
  EXPECT_EQ(r.accepted, 3U) << "33 bytes are three beats";
  EXPECT_EQ(target[1]->arrivals.at(0).cycle, 4U + 3);
  EXPECT_EQ(target[1]->arrivals.at(0).first_byte, 77);
  EXPECT_EQ(r.answered, 4U + 3 + 5 + 4);
}

TEST_F(CrossbarAt, the_trace_is_stamped_at_every_border) {
  build(1);
  target[0]->respond_cycles = 5;
  spawn([&] {
    wait(test::noc_clock().cycles(100));
    initiator[0]->send(tlm::TLM_READ_COMMAND, 0x1000, 64);
  });
  sc_core::sc_start();
  const auto& trace = initiator[0]->record(0).trace;
  const common::Clock& clock = test::noc_clock();
  EXPECT_EQ(trace.issued, clock.cycles(100));
  EXPECT_EQ(trace.delivered, clock.cycles(104));
  EXPECT_EQ(trace.served, clock.cycles(109));
  EXPECT_EQ(trace.returned, clock.cycles(117));
}

TEST_F(CrossbarAt, reads_are_pipelined_up_to_the_width_of_the_port) {
  build(1);
  target[0]->style = Style::kUpdatedEndRequest;
  target[0]->respond_cycles = 5;
  spawn([&] {
    for (int i = 0; i < 8; ++i) initiator[0]->send(tlm::TLM_READ_COMMAND, 0x1000, 64);
  });
  sc_core::sc_start();
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(initiator[0]->record(i).sent, i);
    EXPECT_EQ(initiator[0]->record(i).answered, 17 + 4 * i) << "four beats each";
  }
  expect_nothing_left();
}

TEST_F(CrossbarAt, every_legal_way_to_answer_is_understood) {
  build(1);
  spawn([&] {
    for (const Style style : {Style::kFourPhases, Style::kUpdatedEndRequest, Style::kNoEndRequest,
                              Style::kUpdatedResponse, Style::kCompleted}) {
      target[0]->style = style;
      target[0]->respond_cycles = 6;
      const uint64_t begin = test::now_cycles();
      initiator[0]->send(tlm::TLM_READ_COMMAND, 0x1000, 16);
      initiator[0]->drain();
      EXPECT_EQ(initiator[0]->record(initiator[0]->order.size() - 1).answered, begin + 15)
          << "style " << static_cast<int>(style);
      wait(test::noc_clock().cycles(50));
    }
  });
  sc_core::sc_start();
  EXPECT_EQ(initiator[0]->answered, 5U);
  EXPECT_EQ(target[0]->end_responses, 4U) << "all but TLM_COMPLETED";
  expect_nothing_left();
}

TEST_F(CrossbarAt, an_address_of_nobody_is_answered_with_an_address_error) {
  build(1);
  spawn([&] {
    initiator[0]->send(tlm::TLM_READ_COMMAND, 0x3000, 4);
    initiator[0]->send(tlm::TLM_WRITE_COMMAND, 0x10FE, 4);
    initiator[0]->send(tlm::TLM_READ_COMMAND, 0x1000, 4);
  });
  sc_core::sc_start();
  EXPECT_EQ(initiator[0]->record(0).status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
  EXPECT_EQ(initiator[0]->record(1).status, tlm::TLM_ADDRESS_ERROR_RESPONSE) << "crosses the end";
  EXPECT_EQ(initiator[0]->record(2).status, tlm::TLM_OK_RESPONSE);
  EXPECT_EQ(target[0]->arrivals.size(), 1U);
  expect_nothing_left();
}

TEST_F(CrossbarAt, errors_of_targets_reach_the_initiator) {
  build(1);
  target[0]->status = tlm::TLM_BURST_ERROR_RESPONSE;
  spawn([&] { initiator[0]->send(tlm::TLM_READ_COMMAND, 0x1000, 64); });
  sc_core::sc_start();
  EXPECT_EQ(initiator[0]->record(0).status, tlm::TLM_BURST_ERROR_RESPONSE);
}

TEST_F(CrossbarAt, initiators_that_want_one_target_take_turns) {
  build(3);
  target[0]->style = Style::kUpdatedEndRequest;
  constexpr size_t kEach = 20;
  for (unsigned i = 0; i < 3; ++i) {
    initiator[i]->buffer[0] = 0;
    spawn([&, i] {
      for (size_t n = 0; n < kEach; ++n) {
        initiator[i]->send(tlm::TLM_WRITE_COMMAND, 0x1000 + 0x10 * i, 16);
      }
    });
  }
  sc_core::sc_start();
  ASSERT_EQ(target[0]->arrivals.size(), 3 * kEach);
  for (size_t n = 0; n + 3 <= target[0]->arrivals.size(); n += 3) {
    std::vector<bool> seen(3);
    for (size_t k = 0; k < 3; ++k) seen[target[0]->arrivals[n + k].address / 0x10] = true;
    EXPECT_EQ(seen, std::vector<bool>(3, true)) << "each once in every three";
  }
  EXPECT_EQ(target[0]->arrivals.back().cycle - target[0]->arrivals.front().cycle, 3 * kEach - 1)
      << "the port is never idle";
  EXPECT_GT(crossbar->target_statistics(0).contention_cycles, 2 * kEach);
  expect_nothing_left();
}

TEST_F(CrossbarAt, different_targets_do_not_disturb_each_other) {
  build(2);
  for (unsigned i = 0; i < 2; ++i) {
    spawn([&, i] {
      for (int n = 0; n < 10; ++n) initiator[i]->send(tlm::TLM_WRITE_COMMAND, 0x1000 * (i + 1), 64);
    });
  }
  sc_core::sc_start();
  for (unsigned i = 0; i < 2; ++i) {
    EXPECT_EQ(crossbar->target_statistics(i).contention_cycles, 0U);
    EXPECT_EQ(initiator[i]->record(9).sent, 36U);
  }
}

TEST_F(CrossbarAt, a_target_that_does_not_accept_stops_its_initiators) {
  build(1);
  target[0]->accept_cycles = 30;
  target[0]->respond_cycles = 31;
  spawn([&] {
    for (int n = 0; n < 12; ++n) initiator[0]->send(tlm::TLM_READ_COMMAND, 0x1000, 16);
  });
  sc_core::sc_start();
  // latency + 2 = 6 requests are under way; the seventh waits for the first END_REQ at 4 + 30.
  EXPECT_EQ(initiator[0]->record(5).accepted, 6U);
  EXPECT_EQ(initiator[0]->record(6).accepted, 35U);
  EXPECT_EQ(initiator[0]->record(7).accepted, 65U);
  EXPECT_GE(crossbar->target_statistics(0).contention_cycles, 28U);
  expect_nothing_left();
}

TEST_F(CrossbarAt, an_initiator_that_is_slow_to_end_responses_stops_its_targets) {
  build(1);
  initiator[0]->end_delay_cycles = 50;
  target[0]->style = Style::kUpdatedEndRequest;
  spawn([&] {
    for (int n = 0; n < 10; ++n) initiator[0]->send(tlm::TLM_READ_COMMAND, 0x1000, 16);
  });
  sc_core::sc_start();
  for (size_t n = 1; n < 10; ++n) {
    EXPECT_EQ(initiator[0]->record(n).answered - initiator[0]->record(n - 1).answered, 50U);
  }
  EXPECT_EQ(target[0]->end_responses, 10U);
  expect_nothing_left();
}

TEST_F(CrossbarAt, ports_count_what_they_carry) {
  build(2);
  spawn([&] {
    initiator[0]->send(tlm::TLM_READ_COMMAND, 0x1000, 64);
    initiator[0]->send(tlm::TLM_WRITE_COMMAND, 0x2000, 10);
    initiator[1]->send(tlm::TLM_WRITE_COMMAND, 0x2000, 20);
  });
  sc_core::sc_start();
  EXPECT_EQ(crossbar->initiator_statistics(0).transactions, 2U);
  EXPECT_EQ(crossbar->initiator_statistics(0).bytes, 74U);
  EXPECT_EQ(crossbar->target_statistics(0).bytes, 64U);
  EXPECT_EQ(crossbar->target_statistics(1).transactions, 2U);
  EXPECT_EQ(crossbar->target_statistics(1).bytes, 30U);
  EXPECT_EQ(crossbar->statistics()[0].value, 3U);
  EXPECT_EQ(crossbar->statistics()[1].value, 94U);
}

TEST_F(CrossbarAt, a_range_of_a_port_that_does_not_exist_is_refused) {
  build(1);
  EXPECT_THROW(crossbar->map({0x9000, 0x100, 2, 0}), std::runtime_error);
}

}  // namespace
}  // namespace tessera::noc
