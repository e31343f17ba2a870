#pragma once

/// Random runs of the PE array with their operands, as integers for the model and as words for the
/// RTL.

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "npu/array.hpp"
#include "pe/operand_word.hpp"

namespace tessera::rtl {

using Random = std::mt19937_64;

/// Uniform in low..high, both included.
uint64_t pick(Random& random, uint64_t low, uint64_t high);

/// A run and its operands, T * L lanes a row padded with zeros to npu::kOperandAlignment.
struct TestRun {
  abi::PeMode mode;
  chip::RunShape shape;
  std::size_t stride = 0;            ///< elements between rows
  std::vector<int16_t> weights;      ///< [channels][stride], p4 decoded
  std::vector<int16_t> activations;  ///< [pixels][stride]
  npu::Rescaling rescaling;
  std::vector<abi::ChannelParameters> parameters;  ///< [channels]
  std::vector<uint32_t> positions;                 ///< [pixels]

  pe::OperandWord weight_word(uint64_t channel, uint64_t step) const;
  pe::OperandWord activation_word(uint64_t pixel, uint64_t step) const;
  std::string name() const;
};

/// A run whose operands are drawn from the whole range of their formats, in some rows all the same,
/// and whose parameters take most accumulators into the range of the clamp.
TestRun random_run(const abi::PeMode& mode, const chip::RunShape& shape, Random& random);

/// What npu::ModelArray makes of a run.
struct Expected {
  std::vector<int64_t> accumulators;  ///< [channels][pixels]
  std::vector<int32_t> values;        ///< [channels][pixels]
  uint64_t saturations = 0;
  npu::ArrayOverflow overflow;
  chip::RunCycles cycles;
};

/// `bank_cycles` as of chip::run_cycles; empty: none.
Expected expected_of(const TestRun& run, const std::vector<uint32_t>& bank_cycles = {});

/// A shape of 1 to several blocks and groups, whole or ragged, and 1 to many steps, for an array of
/// rows x columns.
chip::RunShape random_shape(uint32_t rows, uint32_t columns, Random& random);

}  // namespace tessera::rtl
