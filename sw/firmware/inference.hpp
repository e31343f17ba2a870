#pragma once

/// An inference as command lists: written once, run for every input.

#include <stdint.h>

#include "abi/image.hpp"
#include "abi/memory_map.hpp"
#include "layer.hpp"
#include "list_writer.hpp"
#include "npu.hpp"

namespace tessera::firmware {

constexpr uint32_t kMaxLayers = 512;
constexpr uint32_t kListAlignmentWords = 16;  ///< lists begin at multiples, of a burst

/// What an inference runs on and where its data are.
struct Network {
  Npu* npus = nullptr;  ///< started
  uint32_t clusters = 0;
  const abi::LayerProgram* layers = nullptr;
  uint32_t layer_count = 0;  ///< 1..kMaxLayers
  TensorBases bases = {};
};

/// One cluster has one list, that of the whole network: it goes from layer to layer without the
/// host's help. Several have one each for every layer, and wait for each other behind it.
class Inference {
 public:
  /// Writes the lists to `bytes` bytes from `address` on, and gives each cluster the tokens that
  /// its lists begin with. False if they need more; `needed_bytes()` says how many.
  bool prepare(const Network& network, uint32_t address, uint32_t bytes);
  uint32_t needed_bytes() const { return lists_.words() * 4; }

  /// Runs the network on the input and to the output at these addresses; returns when it is done.
  void run(uint32_t input, uint32_t output);

 private:
  void write_list(uint32_t first_layer, uint32_t layers, uint32_t cluster);
  void give_tokens(const Npu& npu) const;
  /// Takes interrupts, those of other clusters too, until this one is done.
  void wait_for(const Npu& npu) const;

  Network network_;
  uint32_t address_ = 0;
  ListWriter lists_;
  LayerRunner runners_[abi::kMaxClusters];
  uint32_t layers_a_list_ = 0;
  uint32_t words_[kMaxLayers][abi::kMaxClusters] = {};  ///< of each list, by number and cluster
};

/// Bytes that the lists of a layer take at most, on all clusters.
constexpr uint64_t most_list_bytes(const abi::LayerProgram& layer, uint32_t clusters) {
  const uint64_t words = uint64_t{clusters} * (kMostWordsOfLayer + kListAlignmentWords) +
                         uint64_t{abi::tiles_of(layer)} * kMostWordsOfStep;
  return words * sizeof(uint32_t);
}

}  // namespace tessera::firmware
