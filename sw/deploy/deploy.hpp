#pragma once

/// From a quantised network and a chip to an image.

#include <cstdint>
#include <string>
#include <vector>

#include "chip/chip.hpp"
#include "deploy/mapping.hpp"
#include "graph/graph.hpp"

namespace tessera::deploy {

enum class Coding : uint8_t {
  kNowhere,
  kWhereItPays,  ///< where fewer bytes, tables and index included, are loaded in fewer cycles
  kEverywhere,   ///< for tests
};

struct DeployOptions {
  /// Leave out the network itself, with which `run` checks every output; the chip never sees it.
  bool strip = false;
  /// Which layers' weights are coded, if the chip has a decoder.
  Coding coding = Coding::kWhereItPays;
};

/// One layer of the image, for people.
struct LayerPlan {
  std::string name;
  Mapping mapping;
  uint32_t weight_bytes = 0;  ///< packed
  uint32_t coded_bytes = 0;   ///< in the image, with tables and index; 0: not coded
};

struct Deployment {
  std::vector<uint8_t> image;
  std::vector<LayerPlan> layers;
};

/// Throws std::runtime_error, naming the layer, if the network is not quantised or does not fit.
Deployment deploy(const graph::Graph& graph, const chip::Chip& chip,
                  const DeployOptions& options = {});

}  // namespace tessera::deploy
