#pragma once

/// Which ports a network has and where they sit.

#include <cstdint>
#include <string>
#include <vector>

#include "chip/chip.hpp"

namespace tessera::noc {

/// Ports of a chip's network. Behind the last of each come those of the clusters: three initiators
/// (load, store and fetch engine) and one target (registers) a cluster.
enum ChipInitiator : unsigned { kCore, kFirstEngine };
enum ChipTarget : unsigned { kDram, kClint, kPlic, kUart, kFinisher, kFirstNpu };
constexpr unsigned kEnginesPerCluster = 3;

/// The nodes of a network's ports. Nodes of a mesh are counted row by row from (0, 0), x first. A
/// crossbar has none: `columns` is 0 and node numbers mean nothing.
struct Layout {
  unsigned columns = 0;
  unsigned rows = 0;
  std::vector<unsigned> initiators;            ///< the node of each
  std::vector<std::vector<unsigned>> targets;  ///< the nodes of each target's ports, a power of
                                               ///< two; memory::kChannelInterleaveBytes take turns

  bool is_mesh() const { return columns != 0; }
};

/// A crossbar with one port for each initiator and target.
Layout crossbar_layout(unsigned initiators, unsigned targets);

/// The ports of a chip. On a mesh DRAM channel k has a port of its own at node
/// floor(k * columns * rows / channels); the core and its peripherals share node 0 with channel 0;
/// cluster c is the c-th of the other nodes. The chip has been checked to fit.
Layout chip_layout(const chip::Chip& chip);

}  // namespace tessera::noc
