#include "estimate/host_cost.hpp"

#include <cstddef>

namespace tessera::estimate {

namespace {

constexpr uint32_t kHeaderWords = 2;

/// Of a command besides the ways of its words to the FIFO, by what it is and what came before it.
constexpr uint64_t kConfigureCycles = 180;
constexpr uint64_t kFirstWeightsCycles = 150;  ///< of a layer
constexpr uint64_t kWeightsCycles = 201;
constexpr uint64_t kTableCycles = 29;  ///< less than weights: the first table of a layer
constexpr uint64_t kSecondTableCycles = 39;
constexpr uint64_t kCodedBehindTableCycles = 77;
constexpr uint64_t kCodedCycles = 14;  ///< less than weights, behind anything else
constexpr uint64_t kParametersCycles = 84;
constexpr uint64_t kMapCycles = 188;
constexpr uint64_t kFirstMapCycles = 286;  ///< of a step that keeps its weights
constexpr uint64_t kResidualCycles = 131;
constexpr uint64_t kEmptyLoadCycles = 76;
constexpr uint64_t kRunCycles = 143;
constexpr uint64_t kRunAloneCycles = 253;  ///< of a step that loads nothing
constexpr uint64_t kRunWithResidualCycles = 140;
constexpr uint64_t kStoreCycles = 73;
constexpr uint64_t kLastStoreCycles = 22;  ///< more, of a layer

/// More or less for a RUN.
constexpr uint64_t kSlicedCycles = 37;
constexpr uint64_t kResidentMapCycles = 4;
constexpr uint64_t kResidentResidualCycles = 25;
constexpr uint64_t kStoredCycles = 9;  ///< less than where the result stays

/// Several clusters take turns.
constexpr uint64_t kSharedConfigureCycles = 286;  ///< finds the first tile of a share: divisions
constexpr uint64_t kSharedWeightsCycles = 135;

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
    case abi::Opcode::kLoadCoded:
    case abi::Opcode::kLoadTable:
      return before_stream(push.header.opcode, number);
    case abi::Opcode::kConfigure:
      return before_configure(number, word);
    case abi::Opcode::kRun:
      return before_run(number, word);
    case abi::Opcode::kStore:
      return before_store(number, push.header);
  }
  return 0;
}

uint64_t PushCost::before_configure(uint32_t number, uint32_t word) {
  constexpr uint32_t kResidualByte = offsetof(abi::ComputeConfig, residual_bits);
  if (number == word_at(kResidualByte)) adds_ = (word >> kResidualByte % 4 * 8 & 0xFF) != 0;
  if (number == word_at(offsetof(abi::ComputeConfig, slice_channels))) sliced_ = word != 0;
  if (number != 0) return 0;
  previous_ = Kind::kConfigure;
  loads_map_ = false;
  return shared_ ? kSharedConfigureCycles : kConfigureCycles;
}

/// Charged at the word that tells whether anything is copied; the address came before.
uint64_t PushCost::before_load(uint32_t number, uint32_t word) {
  if (number == word_at(offsetof(abi::Transfer, local_address))) {
    region_ = word / abi::kLocalRegionBytes * abi::kLocalRegionBytes;
  }
  if (number != word_at(offsetof(abi::Transfer, x_bytes))) return 0;
  const bool first = begins_step();
  const Kind before = previous_;
  if (region_ == abi::kLocalWeights) {
    previous_ = Kind::kWeights;
    return shared_ ? kSharedWeightsCycles : first ? kWeightsCycles : kFirstWeightsCycles;
  }
  if (region_ == abi::kLocalParameters) {
    previous_ = Kind::kParameters;
    return kParametersCycles;
  }
  if (word == 0) {
    previous_ = Kind::kEmpty;
    return kEmptyLoadCycles;
  }
  previous_ = before == Kind::kMap ? Kind::kResidual : Kind::kMap;
  if (previous_ == Kind::kResidual) return kResidualCycles;
  loads_map_ = true;
  return first ? kFirstMapCycles : kMapCycles;
}

/// Coded weights, and the tables before those of a layer.
uint64_t PushCost::before_stream(abi::Opcode opcode, uint32_t number) {
  if (number != 0) return 0;
  const uint64_t weights = shared_         ? kSharedWeightsCycles
                           : begins_step() ? kWeightsCycles
                                           : kFirstWeightsCycles;
  const bool behind_table = previous_ == Kind::kTable;
  if (opcode == abi::Opcode::kLoadTable) {
    previous_ = Kind::kTable;
    return behind_table ? kSecondTableCycles : weights - kTableCycles;
  }
  previous_ = Kind::kWeights;
  return behind_table ? kCodedBehindTableCycles : weights - kCodedCycles;
}

/// Charged at the word that tells where the result goes.
uint64_t PushCost::before_run(uint32_t number, uint32_t word) {
  if (number != word_at(offsetof(abi::ComputeRun, output_address))) return 0;
  uint64_t cycles = kRunCycles;
  if (begins_step()) {
    cycles = kRunAloneCycles;
  } else if (previous_ == Kind::kResidual) {
    cycles = kRunWithResidualCycles;
  } else {
    if (adds_) cycles += kResidentResidualCycles;
    if (!loads_map_) cycles += kResidentMapCycles;
    if (word >= abi::kLocalOutputs) cycles -= kStoredCycles;
  }
  previous_ = Kind::kRun;
  return cycles + (sliced_ ? kSlicedCycles : 0);
}

uint64_t PushCost::before_store(uint32_t number, const abi::CommandHeader& header) {
  if (number != 0) return 0;
  previous_ = Kind::kStore;
  const bool last =
      header.notify || (header.signal_mask & abi::engine_bit(abi::Engine::kLoad)) != 0;
  return kStoreCycles + (last ? kLastStoreCycles : 0);
}

}  // namespace tessera::estimate
