#pragma once

/// A RUN of seeded random operands.

#include <random>

#include "rtl/stored_run.hpp"

namespace tessera::rtl {

inline StoredRun sample_run(const abi::PeMode& mode, const chip::RunShape& shape, uint32_t seed) {
  std::mt19937 random(seed);
  StoredRun run;
  run.mode = mode;
  run.shape = shape;
  run.bank_cycles.assign(shape.groups(), 0);
  const std::size_t reduction = shape.steps * static_cast<std::size_t>(abi::lanes(mode));
  run.stride =
      (reduction + npu::kOperandAlignment - 1) / npu::kOperandAlignment * npu::kOperandAlignment;
  run.weights.assign(shape.channels * run.stride, 0);
  run.activations.assign(shape.pixels * run.stride, 0);
  const auto pick = [&](int32_t low, int32_t high) {
    return static_cast<int16_t>(std::uniform_int_distribution<int32_t>(low, high)(random));
  };
  for (uint64_t k = 0; k < shape.channels; ++k) {
    for (std::size_t i = 0; i < reduction; ++i) {
      run.weights[k * run.stride + i] = mode.p4
                                            ? static_cast<int16_t>(abi::p4_decode(random() & 15U))
                                            : pick(abi::min_value(mode.weight_bits, true),
                                                   abi::max_value(mode.weight_bits, true));
    }
    run.parameters.push_back({pick(-999, 999), static_cast<uint16_t>(random() % 65536), 24, 0});
  }
  for (uint64_t p = 0; p < shape.pixels; ++p) {
    for (std::size_t i = 0; i < reduction; ++i) {
      run.activations[p * run.stride + i] =
          pick(abi::min_value(mode.activation_bits, mode.activation_signed),
               abi::max_value(mode.activation_bits, mode.activation_signed));
    }
    run.positions.push_back(static_cast<uint32_t>(p));
  }
  run.rescaling = {true, seed, 3, -128, 127};
  return run;
}

}  // namespace tessera::rtl
