#pragma once

/// One direction of a network, requests or responses: packets over links, in cycles. No SystemC.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "noc/layout.hpp"

namespace tessera::noc {

/// The cycle of what does not happen by itself.
constexpr uint64_t kNever = std::numeric_limits<uint64_t>::max();

/// When which of a set of things is due: first by cycle, then by number. Each is due once at most.
/// Few are at a time, so that the first is found by looking at all.
class Agenda {
 public:
  /// `count`: at most 65536.
  explicit Agenda(std::size_t count) : due_(count, kNever) {}

  /// `number` is due at `cycle`, or before if it was already.
  void schedule(uint32_t number, uint64_t cycle) {
    if (cycle >= due_[number]) return;
    const uint64_t entry = cycle << kNumberBits | number;
    if (due_[number] == kNever) {
      entries_.push_back(entry);
    } else {
      *std::find(entries_.begin(), entries_.end(), due_[number] << kNumberBits | number) = entry;
    }
    due_[number] = cycle;
    first_ = std::min(first_, entry);
  }
  /// More things; returns the number of the first.
  uint32_t add(std::size_t count) {
    due_.resize(due_.size() + count, kNever);
    return static_cast<uint32_t>(due_.size() - count);
  }
  uint64_t due_cycle(uint32_t number) const { return due_[number]; }
  /// kNever if nothing is.
  uint64_t next_cycle() const { return first_ == kNever ? kNever : first_ >> kNumberBits; }
  /// Takes what is due first.
  uint32_t pop();
  /// How many things are due.
  std::size_t size() const { return entries_.size(); }
  /// All that is due becomes due so much later.
  void shift(uint64_t cycles);

 private:
  static constexpr unsigned kNumberBits = 16;

  std::vector<uint64_t> due_;      ///< by number
  std::vector<uint64_t> entries_;  ///< cycle, then number, of what is due, in any order
  uint64_t first_ = kNever;        ///< the least of them
};

/// The least power of two that is no less: rings of that size need no division.
constexpr std::size_t ring_size(std::size_t least) {
  std::size_t size = 1;
  while (size < least) size *= 2;
  return size;
}

/// How many packets a receiver takes before it has to give room back.
class Credits {
 public:
  explicit Credits(std::size_t depth) : depth_(depth), returns_(ring_size(depth)) {}

  /// From when on there is a credit; kNever while none has been announced.
  uint64_t available_cycle() const {
    if (taken_ < depth_) return 0;
    return taken_ - depth_ < returned_ ? returns_[(taken_ - depth_) & (returns_.size() - 1)]
                                       : kNever;
  }
  void take() { ++taken_; }
  /// Cycles never go back.
  void give_back(uint64_t cycle) { returns_[returned_++ & (returns_.size() - 1)] = cycle; }
  /// As if so many more had been taken and given back, the last `cycles` after the last one.
  void repeat(uint64_t times, uint64_t cycles);

 private:
  std::size_t depth_;
  std::vector<uint64_t> returns_;  ///< a ring
  uint64_t taken_ = 0;
  uint64_t returned_ = 0;
};

struct Packet {
  uint32_t source = 0;
  uint32_t destination = 0;
  uint32_t bytes = 0;
  uint32_t beats = 0;         ///< of data
  bool takes_credit = false;  ///< of its destination
  bool of_train = false;      ///< the owner's
  uint64_t tag = 0;           ///< the owner's
  uint64_t ready_cycle = 0;   ///< when it was at its source

  uint64_t flits() const { return beats == 0 ? 1 : beats; }
};

struct LinkStatistics {
  uint64_t packets = 0;
  uint64_t flits = 0;
  uint64_t stall_cycles = 0;  ///< that packets waited for the link, summed over packets
};

/// What a port of the network has carried.
struct PortStatistics {
  uint64_t transactions = 0;
  uint64_t bytes = 0;
  uint64_t contention_cycles = 0;  ///< that transactions waited on their ways
};

/// Sources, links and destinations of one direction.
///
/// A packet of d data beats has max(1, d) flits. It takes the links of its route one after the
/// other: a link granted at cycle g is occupied for as many cycles as the packet has flits, the
/// head is at the next link at g + latency, and all of it at the destination at
/// g + latency + d if that was the last link. (Virtual cut-through: between two links there is room
/// for every packet that can be under way, so that a packet which waits stops none on another
/// route, and no cycle of waiting packets exists.) A source holds its packet until the first link
/// is granted and is then occupied for the packet's flits.
///
/// Arbitration: a link is granted, in each cycle in which it is free, to one of the packets whose
/// head is there in that cycle: round robin over the sources, starting behind the one that was
/// granted last; of one source in order. Links do not wait for each other within a cycle, so that
/// nothing depends on the order in which they are looked at.
///
/// Routes. Crossbar: one link, the destination's. Mesh: first along x, then along y, each link
/// from a node to its neighbour, then the destination's own link out of its node.
class Plane {
 public:
  /// A link granted to a packet.
  struct Grant {
    Packet packet;
    bool first = false;  ///< the packet leaves its source, which is free at `released_cycle`
    bool last = false;   ///< it is at its destination at `arrival_cycle`
    uint64_t released_cycle = 0;  ///< the link is free
    uint64_t arrival_cycle = 0;
    uint32_t next_link = 0;  ///< unless it was the last
  };

  /// `sources`, `destinations`: nodes on a mesh of `columns` x `rows`; a crossbar if `columns` is
  /// 0. Links are things first_event ... of the agenda.
  Plane(unsigned columns, unsigned rows, std::vector<unsigned> sources,
        std::vector<unsigned> destinations, uint32_t latency_cycles, Agenda& agenda,
        uint32_t first_event);

  /// Before the first packet: how many packets that take credits the destination can have.
  void set_credits(uint32_t destination, std::size_t depth) {
    credits_[destination] = Credits(depth);
  }

  static std::size_t link_count(unsigned columns, unsigned rows, std::size_t destinations);

  /// The packet is at its source from `cycle` on, where no other waits.
  void send(const Packet& packet, uint64_t cycle);
  /// What is due at `link`, at `cycle`.
  std::optional<Grant> arbitrate(uint32_t link, uint64_t cycle);
  void give_credit(uint32_t destination, uint64_t cycle);

  /// The links from a source to a destination, in order.
  const std::vector<uint32_t>& route(uint32_t source, uint32_t destination) const {
    return routes_[source * destinations_.size() + destination];
  }
  /// Of a packet without data that waits nowhere.
  uint64_t one_way_cycles(uint32_t source, uint32_t destination) const {
    return route(source, destination).size() * latency_cycles_;
  }

  /// What a steady stream between two ports of a crossbar leaves behind (repeat()).
  struct Pace {
    LinkStatistics link;
    PortStatistics source, destination;
  };
  Pace pace(uint32_t source, uint32_t destination) const;
  /// As if what came since `before`, one packet of a stream that has the link for itself, had come
  /// so many times more, all within `cycles`.
  void repeat(uint32_t source, uint32_t destination, bool takes_credits, const Pace& before,
              uint64_t times, uint64_t cycles);
  bool is_crossbar() const { return columns_ == 0; }

  std::size_t sources() const { return sources_.size(); }
  std::size_t links() const { return links_.size(); }
  const LinkStatistics& link(uint32_t number) const { return links_[number].statistics; }
  /// "(0,1)->(1,1)"; "" of a link to a destination.
  std::string link_name(uint32_t number) const;
  /// Whose link that is; kNobody of a link between nodes.
  static constexpr uint32_t kNobody = std::numeric_limits<uint32_t>::max();
  uint32_t destination_of(uint32_t link) const;

  const PortStatistics& source(uint32_t port) const { return source_statistics_[port]; }
  const PortStatistics& destination(uint32_t port) const { return destination_statistics_[port]; }

 private:
  struct Waiting {
    Packet packet;
    uint32_t hop;
    uint64_t arrival_cycle;
  };
  struct Link {
    std::vector<Waiting> waiting;  ///< of one source in order
    uint64_t busy_until = 0;
    uint32_t last_source = 0;
    LinkStatistics statistics;
  };

  std::vector<uint32_t> find_route(unsigned from, unsigned to, uint32_t destination) const;
  void enter(uint32_t link, const Waiting& waiting);
  void reschedule(uint32_t link);
  uint64_t grantable_cycle(uint32_t link, const Waiting& waiting) const;
  std::size_t choose(uint32_t link, uint64_t cycle) const;
  void count(const Packet& packet, uint64_t cycle);

  unsigned columns_;
  unsigned rows_;
  std::vector<unsigned> sources_;
  std::vector<unsigned> destinations_;
  uint32_t latency_cycles_;
  uint32_t first_destination_link_;
  std::vector<std::vector<uint32_t>> routes_;
  std::vector<Credits> credits_;
  std::vector<Link> links_;
  Agenda& agenda_;
  uint32_t first_event_;
  std::vector<PortStatistics> source_statistics_, destination_statistics_;
};

}  // namespace tessera::noc
