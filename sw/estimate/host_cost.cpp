#include "estimate/host_cost.hpp"

#include <cstddef>

namespace tessera::estimate {

namespace {

constexpr uint32_t kHeaderWords = 2;

constexpr uint64_t kConfigureCycles = 479;  ///< start of a layer, most of it divisions
constexpr uint64_t kNextLayerCycles = 15;   ///< more, behind another layer
constexpr uint64_t kRunCycles = 77;
constexpr uint64_t kStoreCycles = 75;
constexpr uint64_t kWeightsCycles = 134;  ///< loads, by what they bring
constexpr uint64_t kParametersCycles = 88;
constexpr uint64_t kActivationsCycles = 201;
constexpr uint64_t kMoreActivationsCycles = 141;  ///< a residual, or the rest of a framed map
constexpr uint64_t kNextTileCycles = 42;          ///< more, for the first load of a further tile
constexpr uint64_t kSameWeightsCycles = 32;       ///< more, for activations that begin a tile

}  // namespace

/// What the firmware does before it writes a word of a command. Loads are charged at the word that
/// tells what they are, all others at the header.
uint64_t PushCost::cycles_before(abi::Engine engine, uint32_t word) {
  constexpr uint32_t kLocalAddressWord =
      kHeaderWords + static_cast<uint32_t>(offsetof(abi::Transfer, local_address)) / 4;
  Push& push = pushes_[static_cast<size_t>(engine)];
  const bool is_header = push.written == push.words;
  if (is_header) push = {kHeaderWords + abi::decode_header(word).payload_words, 0};
  const uint32_t number = push.written++;
  if (engine == abi::Engine::kLoad) return number == kLocalAddressWord ? load_cycles(word) : 0;
  if (!is_header) return 0;
  switch (abi::decode_header(word).opcode) {
    case abi::Opcode::kConfigure: {
      const uint64_t next_layer = stored_ ? kNextLayerCycles : 0;
      last_load_.reset();
      stored_ = false;
      return next_layer + kConfigureCycles;
    }
    case abi::Opcode::kStore:
      last_load_.reset();
      stored_ = true;
      return kStoreCycles;
    default:
      return kRunCycles;
  }
}

uint64_t PushCost::load_cycles(uint32_t local_address) {
  const uint32_t region = local_address / abi::kLocalRegionBytes * abi::kLocalRegionBytes;
  const std::optional<uint32_t> before = last_load_;
  last_load_ = region;
  const uint64_t next_tile = !before && stored_ ? kNextTileCycles : 0;
  if (region == abi::kLocalWeights) return next_tile + kWeightsCycles;
  if (region == abi::kLocalParameters) return kParametersCycles;
  if (before == abi::kLocalActivations) return kMoreActivationsCycles;
  return next_tile + kActivationsCycles + (before ? 0 : kSameWeightsCycles);
}

}  // namespace tessera::estimate
