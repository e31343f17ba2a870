#pragma once

/// Faults that a co-simulation of the PE injects, so that its checker is seen to fail.

#include <cstdint>
#include <stdexcept>
#include <string>

namespace tessera::rtl {

/// An unusable option of a co-simulation.
class CosimOptionError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// One inverted bit, seen by the RTL PE alone.
struct PeFault {
  enum class Target {
    kActivation,  ///< bit of the activation word
    kWeight,      ///< bit of the weight word
    kAccumulator  ///< bit of the accumulator register
  };

  Target target = Target::kAccumulator;
  int bit = 0;          ///< 0..127 of an operand word, 0..47 of the accumulator
  uint64_t vector = 0;  ///< strikes at the first vector from this one on that it can change
};

/// Reads "a:BIT@VECTOR", "w:BIT@VECTOR" or "acc:BIT@VECTOR", VECTOR counted from 0.
/// Throws CosimOptionError.
PeFault parse_pe_fault(const std::string& text);

}  // namespace tessera::rtl
