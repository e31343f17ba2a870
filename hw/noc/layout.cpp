#include "noc/layout.hpp"

#include <algorithm>

namespace tessera::noc {

namespace {

/// Nodes that hold no DRAM channel, in order.
std::vector<unsigned> free_nodes(unsigned nodes, const std::vector<unsigned>& taken) {
  std::vector<unsigned> free;
  for (unsigned node = 0; node < nodes; ++node) {
    if (std::find(taken.begin(), taken.end(), node) == taken.end()) free.push_back(node);
  }
  return free;
}

}  // namespace

Layout crossbar_layout(unsigned initiators, unsigned targets) {
  Layout layout;
  layout.initiators.assign(initiators, 0);
  layout.targets.assign(targets, {0});
  return layout;
}

Layout chip_layout(const chip::Chip& chip) {
  const uint32_t clusters = chip.npu.clusters;
  Layout layout =
      crossbar_layout(kFirstEngine + kEnginesPerCluster * clusters, kFirstNpu + clusters);
  if (chip.noc.topology == chip::NocTopology::kCrossbar) return layout;
  layout.columns = chip.noc.columns;
  layout.rows = chip.noc.rows;
  const unsigned nodes = layout.columns * layout.rows;
  std::vector<unsigned>& channels = layout.targets[kDram];
  channels.clear();
  for (unsigned k = 0; k < chip.dram.channels; ++k) {
    channels.push_back(k * nodes / chip.dram.channels);
  }
  const std::vector<unsigned> free = free_nodes(nodes, channels);
  for (unsigned c = 0; c < clusters; ++c) {
    layout.targets[kFirstNpu + c] = {free[c]};
    for (unsigned engine = 0; engine < kEnginesPerCluster; ++engine) {
      layout.initiators[kFirstEngine + kEnginesPerCluster * c + engine] = free[c];
    }
  }
  return layout;
}

}  // namespace tessera::noc
