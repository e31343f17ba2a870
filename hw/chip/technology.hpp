#pragma once

/// Energy and area of a technology (models/tech): of memories and wires from cited tables, of the
/// PEs from the synthesis of our own RTL (scripts/synth, docs/silicon.md).

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "abi/number_formats.hpp"

namespace tessera::chip {

/// Modes that a PE's figures are given for: activations of 16, 8, 4, 2 bits by weights of 16, 8, 4,
/// 2 bits and p4. The activations' sign makes no difference.
constexpr std::size_t kPeModeCount = 20;

/// 0..19. The widths must be operand widths.
constexpr std::size_t pe_mode_index(const abi::PeMode& mode) {
  const auto halvings = [](int bits) -> std::size_t {
    return bits == 16 ? 0U : bits == 8 ? 1U : bits == 4 ? 2U : 3U;
  };
  return 5 * halvings(mode.activation_bits) + (mode.p4 ? 4 : halvings(mode.weight_bits));
}

/// The inverse.
constexpr abi::PeMode pe_mode(std::size_t index) {
  const bool p4 = index % 5 == 4;
  return {static_cast<uint8_t>(16U >> index / 5), static_cast<uint8_t>(p4 ? 4U : 16U >> index % 5),
          false, p4};
}

/// "8x8", "8xp4": activation and weight bits.
std::string pe_mode_name(std::size_t index);

/// PEs that have one mode only and the fused PE's throughput in it: multipliers of 16, 8, 4 and 2
/// bits, then shift-add for activations of 16, 8, 4 and 2 bits.
constexpr std::size_t kFixedPeCount = 8;
constexpr std::array<std::size_t, kFixedPeCount> kFixedPeModes = {0, 6, 12, 18, 4, 9, 14, 19};

/// The fixed PE that can do a mode: that of its wider operand, or the shift-add PE of its
/// activations.
std::size_t fixed_pe_of(std::size_t mode_index);

/// Energies of a PE in one mode, picojoules.
struct PeEnergy {
  double step_pj = 0;             ///< its multiplier, for a step, whatever the operands
  double mac_pj = 0;              ///< and for each MAC of the step that has no zero operand
  double accumulate_pj = 0;       ///< its accumulator and product register, for a step
  double activation_word_pj = 0;  ///< aligner and registers of a column, for a step
  double weight_word_pj = 0;      ///< of a row
};

/// Standard cells, without wires and clock tree, square micrometres at 0.18 um.
struct PeArea {
  double pe_um2 = 0;
  double row_um2 = 0;     ///< aligner and operand registers of a row
  double column_um2 = 0;  ///< of a column

  double array_um2(uint32_t rows, uint32_t columns) const {
    return rows * (columns * pe_um2 + row_um2) + columns * column_um2;
  }
};

struct Technology {
  std::string name;
  double scratchpad_pj_per_byte = 0;
  double noc_pj_per_byte = 0;
  double dram_pj_per_byte = 0;
  double dram_activate_pj = 0;  ///< one row activation
  double core_pj_per_instruction = 0;
  double decoder_pj_per_byte = 0;        ///< of weights, decoded
  double decoder_pj_per_table_byte = 0;  ///< taken by the decoder
  double static_mw = 0;                  ///< whole chip

  std::array<PeEnergy, kPeModeCount> fused_pe;   ///< by pe_mode_index
  std::array<PeEnergy, kFixedPeCount> fixed_pe;  ///< in the mode of kFixedPeModes
  PeArea fused_area;
  std::array<PeArea, kFixedPeCount> fixed_area;
};

/// "fixed_8", "shift_add_8".
std::string fixed_pe_name(std::size_t fixed_pe);

class MapReader;

/// Every key must be there, and no other. Throws std::runtime_error.
Technology read_technology(MapReader reader);

/// Reads a technology file. Throws std::runtime_error.
Technology read_technology_file(const std::string& file);

}  // namespace tessera::chip
