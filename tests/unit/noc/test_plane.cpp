/// Links, routes and arbitration of a plane, without SystemC.

#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <iostream>
#include <map>
#include <random>

#include "noc/plane.hpp"

namespace tessera::noc {
namespace {

constexpr uint32_t kLatency = 2;

struct Sent {
  uint64_t ready_cycle;
  uint32_t source, destination, beats;
};
struct Passed {
  uint64_t left_cycle = 0;  ///< its source was free again
  uint64_t arrival_cycle = 0;

  bool operator==(const Passed& other) const {
    return left_cycle == other.left_cycle && arrival_cycle == other.arrival_cycle;
  }
};
std::ostream& operator<<(std::ostream& out, const Passed& p) {
  return out << p.left_cycle << ".." << p.arrival_cycle;
}

/// A plane whose sources send their packets one after the other.
struct Network {
  Network(unsigned columns, unsigned rows, std::vector<unsigned> sources,
          std::vector<unsigned> destinations)
      : agenda(Plane::link_count(columns, rows, destinations.size())),
        plane(columns, rows, sources, destinations, kLatency, agenda, 0),
        queues(sources.size()) {}

  /// By number of the packet.
  std::vector<Passed> pass(const std::vector<Sent>& packets) {
    std::vector<Passed> passed(packets.size());
    for (std::size_t i = 0; i < packets.size(); ++i) queues[packets[i].source].push_back(i);
    const auto send = [&](uint32_t source, uint64_t free_cycle) {
      if (queues[source].empty()) return;
      const std::size_t number = queues[source].front();
      const Sent& sent = packets[number];
      queues[source].pop_front();
      Packet packet;
      packet.source = source;
      packet.destination = sent.destination;
      packet.beats = sent.beats;
      packet.tag = number;
      packet.ready_cycle = std::max(free_cycle, sent.ready_cycle);
      plane.send(packet, packet.ready_cycle);
    };
    for (uint32_t source = 0; source < queues.size(); ++source) send(source, 0);
    for (uint64_t cycle = agenda.next_cycle(); cycle != kNever; cycle = agenda.next_cycle()) {
      const auto grant = plane.arbitrate(agenda.pop(), cycle);
      if (!grant) continue;
      Passed& p = passed[grant->packet.tag];
      if (grant->last) p.arrival_cycle = grant->arrival_cycle;
      if (!grant->first) continue;
      p.left_cycle = grant->released_cycle;
      send(grant->packet.source, grant->released_cycle);
    }
    return passed;
  }

  Agenda agenda;
  Plane plane;
  std::vector<std::deque<std::size_t>> queues;
};

std::vector<std::string> names(const Plane& plane, uint32_t source, uint32_t destination) {
  std::vector<std::string> result;
  for (const uint32_t link : plane.route(source, destination)) {
    result.push_back(plane.link_name(link));
  }
  return result;
}

std::vector<unsigned> all_nodes(unsigned count) {
  std::vector<unsigned> nodes(count);
  for (unsigned n = 0; n < count; ++n) nodes[n] = n;
  return nodes;
}

TEST(Plane, a_route_on_a_mesh_goes_along_x_then_along_y) {
  const Network network(4, 3, all_nodes(12), all_nodes(12));
  EXPECT_EQ(names(network.plane, 8, 3),
            std::vector<std::string>({"(0,2)->(1,2)", "(1,2)->(2,2)", "(2,2)->(3,2)",
                                      "(3,2)->(3,1)", "(3,1)->(3,0)", ""}));
  EXPECT_EQ(names(network.plane, 3, 8),
            std::vector<std::string>({"(3,0)->(2,0)", "(2,0)->(1,0)", "(1,0)->(0,0)",
                                      "(0,0)->(0,1)", "(0,1)->(0,2)", ""}));
  EXPECT_EQ(names(network.plane, 5, 5), std::vector<std::string>({""}));
}

TEST(Plane, every_route_of_a_mesh_is_as_long_as_the_way_and_turns_once) {
  const Network network(4, 3, all_nodes(12), all_nodes(12));
  for (unsigned from = 0; from < 12; ++from) {
    for (unsigned to = 0; to < 12; ++to) {
      unsigned x = from % 4;
      unsigned y = from / 4;
      std::string expected;
      const auto here = [&] { return "(" + std::to_string(x) + "," + std::to_string(y) + ")"; };
      while (x != to % 4 || y != to / 4) {
        expected += here() + "->";
        if (x != to % 4) {
          x += x < to % 4 ? 1U : -1U;
        } else {
          y += y < to / 4 ? 1U : -1U;
        }
        expected += here() + " ";
      }
      std::string route;
      for (const std::string& name : names(network.plane, from, to)) {
        if (!name.empty()) route += name + " ";
      }
      EXPECT_EQ(route, expected) << from << " to " << to;
    }
  }
}

TEST(Plane, a_packet_alone_takes_a_latency_a_link_and_its_beats) {
  Network network(4, 3, all_nodes(12), all_nodes(12));
  // (0,0) to (3,0): three links between nodes and the one out of the last.
  EXPECT_EQ(network.pass({{10, 0, 3, 4}}), std::vector<Passed>({{14, 10 + 4 * 2 + 4}}));
  Network corner(4, 3, all_nodes(12), all_nodes(12));
  EXPECT_EQ(corner.pass({{10, 0, 11, 0}}), std::vector<Passed>({{11, 10 + 6 * 2}}));
  Network crossbar(0, 0, {0, 0}, {0, 0});
  EXPECT_EQ(crossbar.pass({{10, 0, 1, 4}}), std::vector<Passed>({{14, 10 + 2 + 4}}));
}

/// Source 0 at (0,0) and source 1 at (1,0) both go east over (1,0)->(2,0), to ports of their own.
TEST(Plane, two_flows_that_share_a_link_follow_the_schedule_worked_by_hand) {
  Network network(3, 1, {0, 1}, {2, 2});
  const std::vector<Passed> passed = network.pass({{0, 0, 0, 4}, {1, 1, 1, 4}, {1, 1, 1, 4}});
  // Packet 1 has the shared link from 1 to 5. Packet 0 is there at 2 and has it from 5 to 9: at 5
  // packet 2 is there too, but its source went before. Packet 2 has it from 9.
  EXPECT_EQ(passed[1], (Passed{5, 1 + 2 + 2 + 4}));
  EXPECT_EQ(passed[0], (Passed{4, 5 + 2 + 2 + 4}));
  EXPECT_EQ(passed[2], (Passed{13, 9 + 2 + 2 + 4}));
  uint64_t stalls = 0;
  for (uint32_t link = 0; link < network.plane.links(); ++link) {
    const LinkStatistics& s = network.plane.link(link);
    stalls += s.stall_cycles;
    if (network.plane.link_name(link) != "(1,0)->(2,0)") continue;
    EXPECT_EQ(s.packets, 3U);
    EXPECT_EQ(s.flits, 12U);
    EXPECT_EQ(s.stall_cycles, 3U + 4);
  }
  EXPECT_EQ(stalls, 7U) << "nobody waited elsewhere";
}

TEST(Plane, packets_of_the_same_cycle_are_granted_round_robin) {
  Network network(0, 0, {0, 0, 0}, {0});
  std::vector<Sent> packets;
  for (uint32_t source = 0; source < 3; ++source) {
    for (int n = 0; n < 3; ++n) packets.push_back({5, source, 0, 2});
  }
  const std::vector<Passed> passed = network.pass(packets);
  // The round begins behind source 0, which counts as the one granted last.
  const uint64_t order[] = {2, 5, 8, 0, 3, 6, 1, 4, 7};
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(passed[i].arrival_cycle, 5 + 2 * order[i] + 2 + 2) << i;
  }
}

TEST(Plane, a_destination_without_credits_is_not_granted) {
  Agenda agenda(Plane::link_count(0, 0, 1));
  Plane plane(0, 0, {0}, {0}, kLatency, agenda, 0);
  plane.set_credits(0, 1);
  Packet packet;
  packet.takes_credit = true;
  plane.send(packet, 3);
  ASSERT_EQ(agenda.next_cycle(), 3U);
  EXPECT_TRUE(plane.arbitrate(agenda.pop(), 3));
  plane.send(packet, 4);
  EXPECT_EQ(agenda.next_cycle(), kNever);
  plane.give_credit(0, 20);
  EXPECT_EQ(agenda.next_cycle(), 20U);
  EXPECT_TRUE(plane.arbitrate(agenda.pop(), 20));
}

/// The rules once more, cycle by cycle: the slowest way to say them.
std::vector<Passed> step_by_step(const Network& network, const std::vector<Sent>& packets,
                                 std::size_t sources) {
  struct State {
    std::size_t hop = 0;
    uint64_t ready = kNever;  ///< at the link `hop` of its route
    bool done = false;
  };
  std::vector<Passed> passed(packets.size());
  std::vector<State> states(packets.size());
  std::vector<uint64_t> source_free(sources, 0);
  std::map<uint32_t, uint64_t> busy;
  std::map<uint32_t, uint32_t> last;
  std::size_t done = 0;
  for (uint64_t cycle = 0; done < packets.size(); ++cycle) {
    for (uint32_t source = 0; source < sources; ++source) {
      if (source_free[source] > cycle) continue;
      for (std::size_t i = 0; i < packets.size(); ++i) {
        if (packets[i].source != source || states[i].hop != 0 || states[i].done) continue;
        if (states[i].ready == kNever && packets[i].ready_cycle <= cycle) states[i].ready = cycle;
        break;
      }
    }
    std::map<uint32_t, std::vector<std::size_t>> wanted;
    for (std::size_t i = 0; i < packets.size(); ++i) {
      if (states[i].done || states[i].ready > cycle) continue;
      const auto& route = network.plane.route(packets[i].source, packets[i].destination);
      wanted[route[states[i].hop]].push_back(i);
    }
    for (const auto& [link, candidates] : wanted) {
      if (busy[link] > cycle) continue;
      std::size_t best = candidates.front();
      const auto turn = [&](std::size_t i) {
        return (packets[i].source + sources - last[link] - 1) % sources;
      };
      for (const std::size_t i : candidates) {
        const bool sooner = states[i].ready < states[best].ready;
        if (turn(i) < turn(best) || (turn(i) == turn(best) && sooner)) best = i;
      }
      const Sent& sent = packets[best];
      const uint64_t flits = std::max(1U, sent.beats);
      last[link] = sent.source;
      busy[link] = cycle + flits;
      if (states[best].hop == 0) passed[best].left_cycle = source_free[sent.source] = busy[link];
      states[best].ready = cycle + kLatency;
      if (++states[best].hop < network.plane.route(sent.source, sent.destination).size()) continue;
      states[best].done = true;
      ++done;
      passed[best].arrival_cycle = cycle + kLatency + sent.beats;
    }
  }
  return passed;
}

TEST(Plane, random_traffic_arrives_in_the_cycles_that_the_rules_say) {
  const char* text = std::getenv("TESSERA_SEED");
  const unsigned seed = text != nullptr ? static_cast<unsigned>(std::atoi(text)) : 20261122U;
  std::cout << "TESSERA_SEED=" << seed << "\n";
  std::mt19937 random(seed);
  for (int trial = 0; trial < 30; ++trial) {
    const bool mesh = trial % 3 != 0;
    const unsigned columns = mesh ? 1 + static_cast<unsigned>(random() % 4) : 0;
    const unsigned rows = mesh ? 1 + static_cast<unsigned>(random() % 4) : 0;
    const auto ports = [&] {
      std::vector<unsigned> nodes(1 + random() % 6);
      for (unsigned& node : nodes) {
        node = mesh ? static_cast<unsigned>(random() % (columns * rows)) : 0;
      }
      return nodes;
    };
    const std::vector<unsigned> sources = ports();
    const std::vector<unsigned> destinations = ports();
    std::vector<Sent> packets;
    uint64_t ready = 0;
    for (int i = 0; i < 200; ++i) {
      ready += random() % 4;
      packets.push_back({ready, static_cast<uint32_t>(random() % sources.size()),
                         static_cast<uint32_t>(random() % destinations.size()),
                         static_cast<uint32_t>(random() % 6)});
    }
    Network network(columns, rows, sources, destinations);
    const Network same(columns, rows, sources, destinations);
    EXPECT_EQ(network.pass(packets), step_by_step(same, packets, sources.size()))
        << columns << "x" << rows << ", trial " << trial;
  }
}

}  // namespace
}  // namespace tessera::noc
