#pragma once

/// One network on one chip, in a process of its own: SystemC elaborates once a process, and a
/// crash or an endless loop is a result like any other.

#include <string>

#include "chip/chip.hpp"
#include "graph/graph.hpp"
#include "platform/soc.hpp"

namespace tessera::fuzz {

struct Platform {
  chip::Chip chip;
  platform::CoreKind core = platform::CoreKind::kNative;
  common::TimingMode timing = common::TimingMode::kLooselyTimed;
  /// With a 2x4 array and scratchpads so small that the network just fits: many tiles a layer.
  bool is_tight = false;
};

/// "edge, native, lt"
std::string describe(const Platform& platform);

enum class Verdict {
  kEqual,       ///< every output is the reference's
  kRefused,     ///< the deployer says why it cannot
  kDifferent,   ///< an output is not the reference's
  kOtherClass,  ///< the outputs are, the class that the firmware found is not
  kBroken       ///< anything else: a crash, a failed or endless run, another exception
};

const char* name_of(Verdict verdict);

struct Outcome {
  Verdict verdict = Verdict::kBroken;
  std::string message;
};

/// Deploys the network, runs it on random images of `seed` and compares with the integer reference.
Outcome try_on(const Platform& platform, const graph::Graph& graph, uint64_t seed);

}  // namespace tessera::fuzz
