#pragma once

/// Functional coverage of a co-simulation of the PE.
///
/// Bins, for each mode (widths and sign):
///   operands  the class of an activation lane crossed with the class of its weight lane
///   control   what a cycle asks for: step, stall, clear, capture, drain, and their combinations
///   change    a step directly after a step in another mode
///   overflow  the accumulator leaves the 48-bit range upwards and downwards; a16w16 only, where
///             some 2^16 steps suffice
/// A cross whose class has no value in the format (there is no "other" among signed 2-bit
/// numbers) is unreachable and not a bin.

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pe/clocked_pe.hpp"

namespace tessera::rtl {

/// Classes of operand values; a value belongs to the first that fits.
enum class OperandClass : uint8_t {
  kZero,
  kNegativeZero,  ///< p4 code 0b1111: zero with the sign set
  kOne,
  kMinusOne,
  kMin,
  kMax,
  kOther
};
constexpr int kOperandClasses = 7;

/// Class of an activation of the mode, given its raw bits.
OperandClass activation_class(const abi::PeMode& mode, uint32_t bits);
/// Class of a weight of the mode, given its raw bits (of a p4 code: the class of its weight).
OperandClass weight_class(const abi::PeMode& mode, uint32_t bits);

class PeCoverage {
 public:
  /// The bins of these modes, all empty.
  explicit PeCoverage(const std::vector<abi::PeMode>& modes);

  /// Counts a cycle; to be called once per cycle, in order, with a mode of the constructor's.
  void sample(const pe::PeInputs& inputs);

  /// Counts an overflow caused by a step of `mode`.
  void sample_overflow(const abi::PeMode& mode, bool upwards);

  int bins() const;
  int covered() const;

  /// covered() / bins() in percent.
  double percent() const;

  /// Names of the empty bins, for example "a8w4s: operands min x max".
  std::vector<std::string> holes() const;

 private:
  enum Control {
    kStep,
    kStall,
    kClearAlone,
    kClearAndStep,
    kCaptureAlone,
    kCaptureAndStep,
    kClearStepCapture,
    kDrain,
    kDrainUnderCapture,
    kZeroActivationWord,
    kZeroWeightWord,
    kModeChange,
    kOverflowUp,
    kOverflowDown,
    kControls
  };
  static const char* control_name(int control);

  struct ModeBins {
    abi::PeMode mode;
    std::vector<OperandClass> activation_classes;  ///< by raw bits
    std::vector<OperandClass> weight_classes;      ///< by raw bits
    uint64_t operands[kOperandClasses][kOperandClasses] = {};
    bool operands_reachable[kOperandClasses][kOperandClasses] = {};
    uint64_t control[kControls] = {};
    bool control_reachable[kControls] = {};
  };

  ModeBins make_bins(const abi::PeMode& mode, bool several_modes) const;
  void sample_control(ModeBins& bins, const pe::PeInputs& inputs);
  static void sample_operands(ModeBins& bins, const pe::PeInputs& inputs);

  std::map<std::string, ModeBins> modes_;
  pe::PeInputs previous_[pe::kLatencyCycles - 1];  ///< inputs of the cycles before, newest first
};

}  // namespace tessera::rtl
