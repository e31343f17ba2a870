#pragma once

/// Stimulus for a PE: directed corner cases and constrained-random streams.

#include <cstdint>
#include <functional>
#include <random>
#include <vector>

#include "pe/clocked_pe.hpp"

namespace tessera::rtl {

/// Drives cycles into a sink. The sequence depends on the seed and the calls made, and on no
/// library's distributions, so that a seed replays everywhere.
class PeStimulus {
 public:
  using Sink = std::function<void(const pe::PeInputs&)>;

  PeStimulus(uint64_t seed, Sink sink) : random_(seed), sink_(std::move(sink)) {}

  /// Every pair of corner operands (0, 1, -1, smallest, largest, alternating bits; all codes of
  /// p4), once in all lanes and once in each lane alone, the bits above the lanes set at random.
  void corner_operands(const abi::PeMode& mode);

  /// Every combination of step, clear, capture and drain, with the distances between them at
  /// which they meet in the pipeline.
  void control_sequences(const abi::PeMode& mode);

  /// `count` steps of random operands, with random stalls, clears, captures and drains.
  void random_stream(const abi::PeMode& mode, uint64_t count);

  /// Steps that change the mode every cycle: each mode of the list once, then `count` at random.
  void mode_changes(const std::vector<abi::PeMode>& modes, uint64_t count);

  /// Accumulates the largest products of a 16x16-bit mode until 48 bits overflow, upwards and
  /// downwards, and a few steps beyond.
  void overflow(const abi::PeMode& mode);

  /// Empties the pipeline.
  void flush(const abi::PeMode& mode);

 private:
  /// How the lanes of a random word are drawn.
  enum class Profile { kUniform, kCorners, kSparse, kZero };

  uint64_t below(uint64_t bound) { return random_() % bound; }
  bool one_in(uint64_t n) { return below(n) == 0; }
  Profile random_profile();
  pe::OperandWord random_word();
  pe::OperandWord lanes_of(const std::vector<uint32_t>& corners, int bits, int lane_count,
                           uint32_t zero, Profile profile);
  pe::PeInputs random_step(const abi::PeMode& mode);
  void randomise_control(pe::PeInputs& inputs);

  std::mt19937_64 random_;
  Sink sink_;
};

/// Raw bits of the corner activations and weights of a mode, without duplicates.
std::vector<uint32_t> corner_activations(const abi::PeMode& mode);
std::vector<uint32_t> corner_weights(const abi::PeMode& mode);

}  // namespace tessera::rtl
