#pragma once

/// Dependency tokens between the engines.

#include <array>
#include <cstdint>

#include "abi/npu_commands.hpp"

namespace tessera::npu {

class Tokens {
 public:
  /// The engines of `mask` that have no token for `engine`.
  uint32_t missing(abi::Engine engine, uint32_t mask) const {
    uint32_t result = 0;
    for (uint32_t from = 0; from < kEngines; ++from) {
      if ((mask >> from & 1) != 0 && pending_[from][index(engine)] == 0) result |= 1U << from;
    }
    return result;
  }

  /// Takes one token of every engine of `mask`; none may be missing.
  void take(abi::Engine engine, uint32_t mask) {
    for (uint32_t from = 0; from < kEngines; ++from) {
      pending_[from][index(engine)] -= mask >> from & 1;
    }
  }

  /// `engine` gives a token to every engine of `mask`. False, and nothing given, if one of them
  /// already has abi::kMaxTokens.
  bool give(abi::Engine engine, uint32_t mask) {
    for (uint32_t to = 0; to < kEngines; ++to) {
      if ((mask >> to & 1) != 0 && pending_[index(engine)][to] == abi::kMaxTokens) return false;
    }
    for (uint32_t to = 0; to < kEngines; ++to) pending_[index(engine)][to] += mask >> to & 1;
    return true;
  }

  void clear() { pending_ = {}; }

 private:
  static constexpr uint32_t kEngines = abi::kEngineCount;
  static constexpr uint32_t index(abi::Engine engine) { return static_cast<uint32_t>(engine); }

  std::array<std::array<uint32_t, kEngines>, kEngines> pending_{};  ///< [from][to]
};

}  // namespace tessera::npu
