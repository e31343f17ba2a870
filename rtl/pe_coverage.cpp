#include "rtl/pe_coverage.hpp"

#include <algorithm>
#include <iterator>

#include "pe/mode.hpp"

namespace tessera::rtl {
namespace {

constexpr const char* kClassNames[kOperandClasses] = {"zero", "negative zero", "one",  "minus one",
                                                      "min",  "max",           "other"};

OperandClass value_class(int32_t value, int32_t min, int32_t max) {
  if (value == 0) return OperandClass::kZero;
  if (value == 1) return OperandClass::kOne;
  if (value == -1) return OperandClass::kMinusOne;
  if (value == min) return OperandClass::kMin;
  if (value == max) return OperandClass::kMax;
  return OperandClass::kOther;
}

OperandClass integer_class(int bits, bool is_signed, uint32_t raw) {
  pe::OperandWord word;
  pe::set_lane(word, 0, bits, static_cast<int32_t>(raw));
  return value_class(pe::lane_value(word, 0, bits, is_signed), abi::min_value(bits, is_signed),
                     abi::max_value(bits, is_signed));
}

}  // namespace

OperandClass activation_class(const abi::PeMode& mode, uint32_t bits) {
  return integer_class(mode.activation_bits, mode.activation_signed, bits);
}

OperandClass weight_class(const abi::PeMode& mode, uint32_t bits) {
  if (!mode.p4) return integer_class(mode.weight_bits, true, bits);
  constexpr uint32_t kNegativeZeroCode = 0b1111;
  if (bits == kNegativeZeroCode) return OperandClass::kNegativeZero;
  constexpr int kLargest = 1 << abi::kP4FractionBits;
  return value_class(abi::p4_decode(bits), -kLargest, kLargest);
}

const char* PeCoverage::control_name(int control) {
  static constexpr const char* kNames[kControls] = {"step",
                                                    "stall",
                                                    "clear alone",
                                                    "clear and step",
                                                    "capture alone",
                                                    "capture and step",
                                                    "clear, step and capture",
                                                    "drain",
                                                    "drain under a capture",
                                                    "zero activation word",
                                                    "zero weight word",
                                                    "step after a step in another mode",
                                                    "overflow upwards",
                                                    "overflow downwards"};
  return kNames[control];
}

PeCoverage::PeCoverage(const std::vector<abi::PeMode>& modes) {
  for (const abi::PeMode& mode : modes) {
    modes_.emplace(pe::mode_name(mode), make_bins(mode, modes.size() > 1));
  }
}

PeCoverage::ModeBins PeCoverage::make_bins(const abi::PeMode& mode, bool several_modes) const {
  ModeBins bins;
  bins.mode = mode;
  for (uint32_t bits = 0; bits < 1U << mode.activation_bits; ++bits) {
    bins.activation_classes.push_back(activation_class(mode, bits));
  }
  for (uint32_t bits = 0; bits < 1U << mode.weight_bits; ++bits) {
    bins.weight_classes.push_back(weight_class(mode, bits));
  }
  const auto exists = [](const std::vector<OperandClass>& classes, int wanted) {
    return std::find(classes.begin(), classes.end(), static_cast<OperandClass>(wanted)) !=
           classes.end();
  };
  for (int a = 0; a < kOperandClasses; ++a) {
    for (int w = 0; w < kOperandClasses; ++w) {
      bins.operands_reachable[a][w] =
          exists(bins.activation_classes, a) && exists(bins.weight_classes, w);
    }
  }
  std::fill(std::begin(bins.control_reachable), std::end(bins.control_reachable), true);
  bins.control_reachable[kModeChange] = several_modes;
  const bool overflows = mode.activation_bits == 16 && mode.weight_bits == 16;
  bins.control_reachable[kOverflowUp] = overflows;
  bins.control_reachable[kOverflowDown] = overflows;
  return bins;
}

void PeCoverage::sample(const pe::PeInputs& inputs) {
  ModeBins& bins = modes_.at(pe::mode_name(inputs.mode));
  if (inputs.valid) sample_operands(bins, inputs);
  sample_control(bins, inputs);
  std::move_backward(std::begin(previous_), std::end(previous_) - 1, std::end(previous_));
  previous_[0] = inputs;
}

void PeCoverage::sample_operands(ModeBins& bins, const pe::PeInputs& inputs) {
  bool all_activations_zero = true;
  bool all_weights_zero = true;
  const int lane_count = abi::lanes(bins.mode);
  for (int lane = 0; lane < lane_count; ++lane) {
    const auto a = static_cast<std::size_t>(bins.activation_classes[pe::lane_bits(
        inputs.activations, lane, bins.mode.activation_bits)]);
    const auto w = static_cast<std::size_t>(
        bins.weight_classes[pe::lane_bits(inputs.weights, lane, bins.mode.weight_bits)]);
    ++bins.operands[a][w];
    all_activations_zero = all_activations_zero && a == 0;
    all_weights_zero = all_weights_zero && w == 0;
  }
  if (all_activations_zero) ++bins.control[kZeroActivationWord];
  if (all_weights_zero) ++bins.control[kZeroWeightWord];
}

void PeCoverage::sample_control(ModeBins& bins, const pe::PeInputs& inputs) {
  const bool step = inputs.valid;
  const bool clear = inputs.clear;
  const bool capture = inputs.capture;
  if (step && !clear && !capture) ++bins.control[kStep];
  if (!step && !clear && !capture) ++bins.control[kStall];
  if (!step && clear) ++bins.control[kClearAlone];
  if (!step && capture) ++bins.control[kCaptureAlone];
  if (step && clear && !capture) ++bins.control[kClearAndStep];
  if (step && capture && !clear) ++bins.control[kCaptureAndStep];
  if (step && clear && capture) ++bins.control[kClearStepCapture];
  const bool capture_at_shadow = std::rbegin(previous_)->capture;
  if (inputs.drain) ++bins.control[capture_at_shadow ? kDrainUnderCapture : kDrain];
  if (step && previous_[0].valid && !pe::same_mode(previous_[0].mode, inputs.mode)) {
    ++bins.control[kModeChange];
  }
}

void PeCoverage::sample_overflow(const abi::PeMode& mode, bool upwards) {
  ++modes_.at(pe::mode_name(mode)).control[upwards ? kOverflowUp : kOverflowDown];
}

int PeCoverage::bins() const {
  int count = 0;
  for (const auto& [name, bins] : modes_) {
    for (const auto& row : bins.operands_reachable)
      count += static_cast<int>(std::count(std::begin(row), std::end(row), true));
    count += static_cast<int>(
        std::count(std::begin(bins.control_reachable), std::end(bins.control_reachable), true));
  }
  return count;
}

int PeCoverage::covered() const { return bins() - static_cast<int>(holes().size()); }

double PeCoverage::percent() const {
  const int all = bins();
  return all == 0 ? 0.0 : 100.0 * covered() / all;
}

std::vector<std::string> PeCoverage::holes() const {
  std::vector<std::string> names;
  for (const auto& [mode, bins] : modes_) {
    for (int a = 0; a < kOperandClasses; ++a) {
      for (int w = 0; w < kOperandClasses; ++w) {
        if (bins.operands_reachable[a][w] && bins.operands[a][w] == 0) {
          names.push_back(mode + ": operands " + kClassNames[a] + " x " + kClassNames[w]);
        }
      }
    }
    for (int control = 0; control < kControls; ++control) {
      if (bins.control_reachable[control] && bins.control[control] == 0) {
        names.push_back(mode + ": " + control_name(control));
      }
    }
  }
  return names;
}

}  // namespace tessera::rtl
