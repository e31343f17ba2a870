#include "estimate/host_cost.hpp"

#include <cstddef>

namespace tessera::estimate {

namespace {

constexpr uint32_t kHeaderWords = 2;

constexpr uint64_t kConfigureCycles = 160;  ///< start of a layer
constexpr uint64_t kFirstTileCycles = 225;  ///< more, to find the first tile of a share: divisions
constexpr uint64_t kNextLayerCycles = 15;   ///< more, behind another layer
constexpr uint64_t kRunCycles = 80;
constexpr uint64_t kSlicedRunCycles = 114;
constexpr uint64_t kStoreCycles = 78;
constexpr uint64_t kWeightsCycles = 134;  ///< loads, by what they bring
constexpr uint64_t kParametersCycles = 88;
constexpr uint64_t kActivationsCycles = 201;
constexpr uint64_t kResidualCycles = 141;
constexpr uint64_t kPaddedRowsCycles = 70;   ///< more rows of a map in several loads
constexpr uint64_t kNextTileCycles = 60;     ///< more, for the first load of a further tile
constexpr uint64_t kSameWeightsCycles = 32;  ///< more, for activations that begin a tile

/// Number of the command's word that holds the payload's byte `offset`.
constexpr uint32_t word_at(std::size_t offset) {
  return kHeaderWords + static_cast<uint32_t>(offset / 4);
}

}  // namespace

uint64_t PushCost::cycles_before(abi::Engine engine, uint32_t word) {
  Push& push = pushes_[static_cast<std::size_t>(engine)];
  if (push.written == push.words) {
    push.header = abi::decode_header(word);
    push.words = kHeaderWords + push.header.payload_words;
    push.written = 0;
  }
  const uint32_t number = push.written++;
  switch (push.header.opcode) {
    case abi::Opcode::kLoad:
      return before_load(number, word);
    case abi::Opcode::kConfigure:
      return before_configure(number, word);
    case abi::Opcode::kRun:
      return number != 0 ? 0 : sliced_ ? kSlicedRunCycles : kRunCycles;
    case abi::Opcode::kStore:
      return number != 0 ? 0 : before_store(push.header);
  }
  return 0;
}

uint64_t PushCost::before_configure(uint32_t number, uint32_t word) {
  if (number == word_at(offsetof(abi::ComputeConfig, slice_channels))) sliced_ = word != 0;
  if (number != 0) return 0;
  const uint64_t next_layer = layers_++ != 0 ? kNextLayerCycles : 0;
  last_load_.reset();
  next_tile_ = false;
  return next_layer + kConfigureCycles + (shared_ ? kFirstTileCycles : 0);
}

uint64_t PushCost::before_store(const abi::CommandHeader& header) {
  const bool last =
      header.notify || (header.signal_mask & abi::engine_bit(abi::Engine::kLoad)) != 0;
  last_load_.reset();
  next_tile_ = !last;
  return kStoreCycles;
}

/// Charged at the word that tells whether anything is copied; the address came before.
uint64_t PushCost::before_load(uint32_t number, uint32_t word) {
  if (number == word_at(offsetof(abi::Transfer, local_address))) {
    region_ = word / abi::kLocalRegionBytes * abi::kLocalRegionBytes;
  }
  if (number != word_at(offsetof(abi::Transfer, y_count))) return 0;
  const Load load{region_, word == 0};
  const std::optional<Load> before = last_load_;
  last_load_ = load;
  const uint64_t next_tile = !before && next_tile_ ? kNextTileCycles : 0;
  if (region_ == abi::kLocalWeights) return next_tile + kWeightsCycles;
  if (region_ == abi::kLocalParameters) return kParametersCycles;
  if (before && before->region == abi::kLocalActivations) {
    return load.only_padding || before->only_padding ? kPaddedRowsCycles : kResidualCycles;
  }
  return next_tile + kActivationsCycles + (before ? 0 : kSameWeightsCycles);
}

}  // namespace tessera::estimate
