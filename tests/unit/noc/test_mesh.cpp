/// A mesh as a SystemC module, and where the ports of a chip sit on it.

#include <gtest/gtest.h>

#include <memory>

#include "noc/interconnect.hpp"
#include "ports.hpp"

namespace tessera::noc {
namespace {

/// Two initiators at (0,0), targets at (3,0) and (3,2) of a mesh of 4 x 3; 2 cycles a link.
struct Mesh : testing::Test {
  Mesh() {
    Layout layout;
    layout.columns = 4;
    layout.rows = 3;
    layout.initiators = {0, 0};
    layout.targets = {{3}, {11}};
    chip::Noc config = test::noc_config();
    config.latency_cycles = 2;
    network = std::make_unique<Interconnect>("network", layout, test::noc_clock(), config);
    a.socket.bind(network->from_initiator[0]);
    b.socket.bind(network->from_initiator[1]);
    network->to_target[0].bind(near.socket);
    network->to_target[1].bind(far.socket);
    network->map({0x1000, 0x100, 0, 0});
    network->map({0x2000, 0x100, 1, 0});
    near.respond_cycles = far.respond_cycles = 5;
  }
  uint64_t blocking(uint64_t address, tlm::tlm_command command, uint32_t bytes, uint64_t at_cycle) {
    auto* t = a.pool.acquire(command, address, a.buffer, bytes);
    sc_core::sc_time delay = test::noc_clock().cycles(at_cycle);
    a.socket->b_transport(*t, delay);
    t->release();
    return test::noc_clock().floor_cycles(delay);
  }

  std::unique_ptr<Interconnect> network;
  test::Initiator a{"a"}, b{"b"};
  test::Target near{"near"}, far{"far"};
};

TEST_F(Mesh, a_transaction_takes_a_latency_a_hop_and_one_out_of_the_network) {
  sc_core::sc_spawn([&] {
    a.send(tlm::TLM_READ_COMMAND, 0x1000, 64);  // three hops
    a.drain();
    a.send(tlm::TLM_WRITE_COMMAND, 0x2000, 33);  // five
  });
  sc_core::sc_start();
  EXPECT_EQ(near.arrivals.at(0).cycle, 4U * 2);
  EXPECT_EQ(a.record(0).answered, 8U + 5 + 8 + 4);
  const uint64_t begin = a.record(0).answered;
  EXPECT_EQ(far.arrivals.at(0).cycle, begin + 6 * 2 + 3);
  EXPECT_EQ(a.record(1).answered, begin + 15 + 5 + 12);
  EXPECT_EQ(a.record(1).status, tlm::TLM_OK_RESPONSE);
}

TEST_F(Mesh, blocking_transport_takes_the_same_cycles) {
  EXPECT_EQ(blocking(0x1000, tlm::TLM_READ_COMMAND, 64, 0), 8U + 5 + 8 + 4);
  EXPECT_EQ(blocking(0x2000, tlm::TLM_WRITE_COMMAND, 33, 1000), 1000U + 15 + 5 + 12);
  // The link to (1,0) is taken for four cycles from 2000 on.
  EXPECT_EQ(blocking(0x1000, tlm::TLM_WRITE_COMMAND, 64, 2000), 2000U + 12 + 5 + 8);
  EXPECT_EQ(blocking(0x2000, tlm::TLM_WRITE_COMMAND, 64, 2001), 2004U + 16 + 5 + 12);
}

TEST_F(Mesh, links_count_what_they_carry_and_how_long_it_waits) {
  sc_core::sc_spawn([&] { a.send(tlm::TLM_WRITE_COMMAND, 0x1000, 64); });
  sc_core::sc_spawn([&] { b.send(tlm::TLM_WRITE_COMMAND, 0x2000, 64); });
  sc_core::sc_start();
  const auto links = network->links();
  ASSERT_FALSE(links.empty());
  EXPECT_EQ(links[0].name, "(0,0)->(1,0) requests");
  EXPECT_EQ(links[0].statistics.packets, 2U);
  EXPECT_EQ(links[0].statistics.flits, 8U);
  EXPECT_EQ(links[0].statistics.stall_cycles, 4U);
  EXPECT_EQ(links.size(), 5U + 8) << "the ways back share none: they go along x first, too";
  for (const auto& link : links) {
    if (&link == &links[0]) continue;
    EXPECT_EQ(link.statistics.stall_cycles, 0U) << link.name;
  }
}

TEST_F(Mesh, an_address_of_nobody_is_an_address_error) {
  sc_core::sc_spawn([&] { a.send(tlm::TLM_READ_COMMAND, 0x9000, 4); });
  sc_core::sc_start();
  EXPECT_EQ(a.record(0).status, tlm::TLM_ADDRESS_ERROR_RESPONSE);
}

TEST(ChipLayout, of_a_mesh_gives_every_channel_and_every_cluster_a_node) {
  const chip::Chip chip = chip::load_chip("mesh");
  const Layout layout = chip_layout(chip);
  EXPECT_EQ(layout.targets[kDram], std::vector<unsigned>({0, 3, 6, 9}));
  const unsigned clusters[] = {1, 2, 4, 5, 7, 8, 10, 11};
  for (unsigned c = 0; c < 8; ++c) {
    EXPECT_EQ(layout.targets[kFirstNpu + c], std::vector<unsigned>({clusters[c]}));
    for (unsigned engine = 0; engine < 3; ++engine) {
      EXPECT_EQ(layout.initiators[kFirstEngine + 3 * c + engine], clusters[c]);
    }
  }
  EXPECT_EQ(layout.initiators[kCore], 0U);
  EXPECT_EQ(layout.targets[kUart], std::vector<unsigned>({0}));
}

TEST(ChipLayout, of_a_crossbar_has_one_port_for_the_memory) {
  const Layout layout = chip_layout(chip::load_chip("large"));
  EXPECT_FALSE(layout.is_mesh());
  EXPECT_EQ(layout.targets[kDram].size(), 1U);
  EXPECT_EQ(layout.initiators.size(), 1U + 3 * 4);
  EXPECT_EQ(layout.targets.size(), 5U + 4);
}

}  // namespace
}  // namespace tessera::noc
