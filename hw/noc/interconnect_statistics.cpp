// What an Interconnect says about itself.
#include "noc/interconnect.hpp"

namespace tessera::noc {

namespace {

PortStatistics sum(const PortStatistics& a, const PortStatistics& b) {
  return {a.transactions + b.transactions, a.bytes + b.bytes,
          a.contention_cycles + b.contention_cycles};
}

}  // namespace

PortStatistics Interconnect::initiator_statistics(unsigned initiator) const {
  return sum(fabric_.initiator_statistics(initiator), blocking_initiator_[initiator]);
}

PortStatistics Interconnect::target_statistics(unsigned target) const {
  return sum(fabric_.target_statistics(target), blocking_target_[target]);
}

std::vector<common::Statistic> Interconnect::statistics() const {
  PortStatistics all;
  for (unsigned i = 0; i < from_initiator.size(); ++i) all = sum(all, initiator_statistics(i));
  return {{"transactions", all.transactions, "", "requests taken from initiators"},
          {"bytes", all.bytes, "bytes", "data moved, both ways"},
          {"contention", all.contention_cycles, "cycles",
           "that requests and responses waited for a link"}};
}

std::vector<Interconnect::LinkReport> Interconnect::links() const {
  std::vector<LinkReport> reports;
  for (const bool requests : {true, false}) {
    const Plane& plane = requests ? fabric_.requests() : fabric_.responses();
    const Bookings& bookings = requests ? request_bookings_ : response_bookings_;
    for (uint32_t number = 0; number < plane.links(); ++number) {
      LinkStatistics s = plane.link(number);
      const LinkStatistics& blocking = bookings.links[number].statistics;
      s.packets += blocking.packets;
      s.flits += blocking.flits;
      s.stall_cycles += blocking.stall_cycles;
      const std::string name = plane.link_name(number);
      if (s.packets == 0 || name.empty()) continue;
      reports.push_back({name + (requests ? " requests" : " responses"), s});
    }
  }
  return reports;
}

}  // namespace tessera::noc
