#pragma once

/// The modes of a PE: validity, names, and the list of all of them.

#include <stdexcept>
#include <string>
#include <vector>

#include "abi/number_formats.hpp"

namespace tessera::pe {

/// A mode that no PE has, or the name of none.
class ModeError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws ModeError unless both widths are 2, 4, 8 or 16 and p4 goes with 4-bit weights.
void check_mode(const abi::PeMode& mode);

/// Whether two modes are the same in every field.
bool same_mode(const abi::PeMode& a, const abi::PeMode& b);

/// "a8w4u", "a16w16s", "a8p4u": activation width, weight width or p4, sign of the activations.
std::string mode_name(const abi::PeMode& mode);

/// The modes that a name stands for: "a8w4" is both signs, "a8w4s" one, "p4" all eight of that
/// kind, "all" every mode. Throws ModeError, naming the text, for anything else.
std::vector<abi::PeMode> modes_named(const std::string& name);

/// All 40 modes: 16 pairs of widths and four p4 modes, each with unsigned and signed activations.
std::vector<abi::PeMode> all_modes();

}  // namespace tessera::pe
