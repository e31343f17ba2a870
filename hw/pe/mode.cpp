#include "pe/mode.hpp"

namespace tessera::pe {
namespace {

constexpr uint8_t kWidths[] = {2, 4, 8, 16};

std::string text(unsigned value) { return std::to_string(value); }

}  // namespace

void check_mode(const abi::PeMode& mode) {
  if (!abi::is_operand_width(mode.activation_bits)) {
    throw ModeError("PE mode: activations are 2, 4, 8 or 16 bits wide, not " +
                    text(mode.activation_bits));
  }
  if (!abi::is_operand_width(mode.weight_bits)) {
    throw ModeError("PE mode: weights are 2, 4, 8 or 16 bits wide, not " + text(mode.weight_bits));
  }
  if (mode.p4 && mode.weight_bits != 4) {
    throw ModeError("PE mode: p4 weights are 4-bit codes, not " + text(mode.weight_bits) + " bits");
  }
}

bool same_mode(const abi::PeMode& a, const abi::PeMode& b) {
  return a.activation_bits == b.activation_bits && a.weight_bits == b.weight_bits &&
         a.activation_signed == b.activation_signed && a.p4 == b.p4;
}

std::string mode_name(const abi::PeMode& mode) {
  return "a" + text(mode.activation_bits) + (mode.p4 ? "p4" : "w" + text(mode.weight_bits)) +
         (mode.activation_signed ? "s" : "u");
}

std::vector<abi::PeMode> all_modes() {
  std::vector<abi::PeMode> modes;
  for (const bool is_signed : {false, true}) {
    for (const uint8_t activation_bits : kWidths) {
      for (const uint8_t weight_bits : kWidths) {
        modes.push_back({activation_bits, weight_bits, is_signed, false});
      }
      modes.push_back({activation_bits, 4, is_signed, true});
    }
  }
  return modes;
}

std::vector<abi::PeMode> modes_named(const std::string& name) {
  std::vector<abi::PeMode> found;
  for (const abi::PeMode& mode : all_modes()) {
    const std::string full = mode_name(mode);
    const std::string unsuffixed = full.substr(0, full.size() - 1);
    if (name == "all" || name == full || name == unsuffixed || (name == "p4" && mode.p4)) {
      found.push_back(mode);
    }
  }
  if (found.empty()) {
    throw ModeError("no PE mode is named '" + name +
                    "'; write a8w4, a8w4s (signed), a8w4u (unsigned), a8p4, p4 or all");
  }
  return found;
}

}  // namespace tessera::pe
