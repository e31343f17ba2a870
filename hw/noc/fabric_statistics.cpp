// What a Fabric says about itself.
#include "noc/fabric.hpp"

namespace tessera::noc {

dma::Breakdown Fabric::breakdown(uint32_t initiator, uint64_t cycle) const {
  const Port& port = ports_[initiator];
  dma::BusyAccount account = port.account;
  for (uint64_t n = port.charged; n < port.sent; ++n) {
    const dma::BurstStamps& stamps = port.slot(n).stamps;
    account.charge(stamps, cycle);
    if (stamps.returned > cycle) break;
  }
  if (port.waiting) account.charge(port.next.stamps, cycle);
  account.charge_other(cycle);
  return account.sums();
}

namespace {

/// Transactions are those of the first: each has one of the second.
PortStatistics sum(const PortStatistics& requests, const PortStatistics& responses) {
  return {requests.transactions, requests.bytes + responses.bytes,
          requests.contention_cycles + responses.contention_cycles};
}

}  // namespace

PortStatistics Fabric::initiator_statistics(unsigned initiator) const {
  return sum(requests_.source(initiator), responses_.destination(initiator));
}

PortStatistics Fabric::target_statistics(unsigned target) const {
  PortStatistics all;
  for (uint32_t port = first_port_[target]; port < first_port_[target + 1]; ++port) {
    const PortStatistics s = sum(requests_.destination(port), responses_.source(port));
    all.transactions += s.transactions;
    all.bytes += s.bytes;
    all.contention_cycles += s.contention_cycles;
  }
  return all;
}

uint64_t Fabric::one_way_cycles(unsigned initiator, unsigned target) const {
  const uint64_t ports = first_port_[target + 1] - first_port_[target];
  uint64_t cycles = 0;
  for (uint32_t port = first_port_[target]; port < first_port_[target + 1]; ++port) {
    cycles += requests_.one_way_cycles(initiator, port);
  }
  return (cycles + ports - 1) / ports;
}

}  // namespace tessera::noc
