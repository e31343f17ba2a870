#include "rtl/pe_stimulus.hpp"

#include <algorithm>

namespace tessera::rtl {
namespace {

std::vector<uint32_t> corner_bits(int bits, bool is_signed) {
  const uint32_t mask = (1U << bits) - 1U;
  const auto min = static_cast<uint32_t>(abi::min_value(bits, is_signed)) & mask;
  const auto max = static_cast<uint32_t>(abi::max_value(bits, is_signed)) & mask;
  std::vector<uint32_t> corners = {0, 1, mask, min, max, 0x5555U & mask, 0xAAAAU & mask};
  std::sort(corners.begin(), corners.end());
  corners.erase(std::unique(corners.begin(), corners.end()), corners.end());
  return corners;
}

uint32_t zero_weight(const abi::PeMode& mode) {
  return mode.p4 ? static_cast<uint32_t>(abi::kP4Zero) : 0U;
}

/// `bits` in lane `lane` of a word that has `rest` in its other lanes.
pe::OperandWord lane_alone(uint32_t bits, int lane, uint32_t rest, int width, int lane_count) {
  pe::OperandWord word;
  for (int l = 0; l < lane_count; ++l) {
    pe::set_lane(word, l, width, static_cast<int32_t>(l == lane ? bits : rest));
  }
  return word;
}

/// `word` below bit `bit_count`, `garbage` above.
pe::OperandWord with_garbage(const pe::OperandWord& word, const pe::OperandWord& garbage,
                             int bit_count) {
  const pe::OperandWord below = pe::low_bits(garbage, bit_count);
  return {word.low | (garbage.low ^ below.low), word.high | (garbage.high ^ below.high)};
}

}  // namespace

std::vector<uint32_t> corner_activations(const abi::PeMode& mode) {
  return corner_bits(mode.activation_bits, mode.activation_signed);
}

std::vector<uint32_t> corner_weights(const abi::PeMode& mode) {
  if (!mode.p4) return corner_bits(mode.weight_bits, true);
  std::vector<uint32_t> codes(16);
  for (uint32_t code = 0; code < 16; ++code) codes[code] = code;
  return codes;
}

void PeStimulus::corner_operands(const abi::PeMode& mode) {
  constexpr int kAllLanes = -1;
  const int lane_count = abi::lanes(mode);
  pe::PeInputs inputs;
  inputs.mode = mode;
  inputs.valid = true;
  for (int lane = kAllLanes; lane < lane_count; ++lane) {
    inputs.clear = true;
    for (const uint32_t a : corner_activations(mode)) {
      for (const uint32_t w : corner_weights(mode)) {
        const bool all = lane == kAllLanes;
        inputs.activations =
            with_garbage(lane_alone(a, lane, all ? a : 0, mode.activation_bits, lane_count),
                         random_word(), abi::activation_word_bits(mode));
        inputs.weights = with_garbage(
            lane_alone(w, lane, all ? w : zero_weight(mode), mode.weight_bits, lane_count),
            random_word(), abi::weight_word_bits(mode));
        sink_(inputs);
        inputs.clear = false;
      }
    }
  }
}

void PeStimulus::control_sequences(const abi::PeMode& mode) {
  constexpr int kPatterns = 16;
  for (int first = 0; first < kPatterns; ++first) {
    for (int second = 0; second < kPatterns; ++second) {
      for (const int pattern : {first, second}) {
        pe::PeInputs inputs = random_step(mode);
        inputs.valid = (pattern & 1) != 0;
        inputs.clear = (pattern & 2) != 0;
        inputs.capture = (pattern & 4) != 0;
        inputs.drain = (pattern & 8) != 0;
        sink_(inputs);
      }
    }
  }
  for (int distance = 1; distance <= pe::kLatencyCycles + 1; ++distance) {
    pe::PeInputs capture = random_step(mode);
    capture.capture = true;
    sink_(capture);
    for (int cycle = 1; cycle <= pe::kLatencyCycles + 1; ++cycle) {
      pe::PeInputs inputs = random_step(mode);
      inputs.valid = false;
      inputs.drain = cycle == distance;
      sink_(inputs);
    }
  }
  pe::PeInputs zero = random_step(mode);
  const int lane_count = abi::lanes(mode);
  zero.activations = {};
  sink_(zero);
  zero = random_step(mode);
  zero.weights = lane_alone(0, -1, zero_weight(mode), mode.weight_bits, lane_count);
  sink_(zero);
}

void PeStimulus::random_stream(const abi::PeMode& mode, uint64_t count) {
  uint64_t steps = 0;
  while (steps < count) {
    pe::PeInputs inputs = random_step(mode);
    randomise_control(inputs);
    if (inputs.valid) ++steps;
    sink_(inputs);
  }
}

void PeStimulus::mode_changes(const std::vector<abi::PeMode>& modes, uint64_t count) {
  for (const abi::PeMode& mode : modes) sink_(random_step(mode));
  sink_(random_step(modes.front()));
  uint64_t steps = 0;
  while (steps < count) {
    pe::PeInputs inputs = random_step(modes[below(modes.size())]);
    randomise_control(inputs);
    if (inputs.valid) ++steps;
    sink_(inputs);
  }
}

void PeStimulus::overflow(const abi::PeMode& mode) {
  constexpr uint64_t kBeyond = 3;
  const int32_t a_min = abi::min_value(16, mode.activation_signed);
  const int32_t a_max = abi::max_value(16, mode.activation_signed);
  const int32_t w_min = abi::min_value(16, true);
  const int32_t w_max = abi::max_value(16, true);
  const int32_t up[2] = {mode.activation_signed ? a_min : a_max,
                         mode.activation_signed ? w_min : w_max};
  const int32_t down[2] = {a_max, w_min};
  for (const auto& operands : {up, down}) {
    const int64_t product = int64_t{operands[0]} * operands[1];
    const auto magnitude = static_cast<uint64_t>(product < 0 ? -product : product);
    const uint64_t steps = (uint64_t{1} << (abi::kAccumulatorBits - 1)) / magnitude + kBeyond;
    pe::PeInputs inputs;
    inputs.mode = mode;
    inputs.valid = true;
    inputs.clear = true;
    pe::set_lane(inputs.activations, 0, 16, operands[0]);
    pe::set_lane(inputs.weights, 0, 16, operands[1]);
    for (uint64_t step = 0; step < steps; ++step) {
      inputs.capture = step + kBeyond >= steps;
      sink_(inputs);
      inputs.clear = false;
    }
  }
}

void PeStimulus::flush(const abi::PeMode& mode) {
  pe::PeInputs idle;
  idle.mode = mode;
  for (int cycle = 0; cycle < pe::kLatencyCycles; ++cycle) sink_(idle);
}

PeStimulus::Profile PeStimulus::random_profile() {
  const uint64_t draw = below(16);
  if (draw == 0) return Profile::kZero;
  if (draw < 5) return Profile::kCorners;
  if (draw < 8) return Profile::kSparse;
  return Profile::kUniform;
}

pe::OperandWord PeStimulus::random_word() {
  const uint64_t low = random_();
  return {low, random_()};
}

pe::OperandWord PeStimulus::lanes_of(const std::vector<uint32_t>& corners, int bits, int lane_count,
                                     uint32_t zero, Profile profile) {
  pe::OperandWord word = random_word();
  if (profile == Profile::kUniform) return word;
  for (int lane = 0; lane < lane_count; ++lane) {
    if (profile == Profile::kZero || (profile == Profile::kSparse && !one_in(4))) {
      pe::set_lane(word, lane, bits, static_cast<int32_t>(zero));
    } else if (profile == Profile::kCorners) {
      pe::set_lane(word, lane, bits, static_cast<int32_t>(corners[below(corners.size())]));
    }
  }
  return word;
}

pe::PeInputs PeStimulus::random_step(const abi::PeMode& mode) {
  pe::PeInputs inputs;
  inputs.mode = mode;
  inputs.valid = true;
  const int lane_count = abi::lanes(mode);
  inputs.activations =
      lanes_of(corner_activations(mode), mode.activation_bits, lane_count, 0, random_profile());
  inputs.weights = lanes_of(corner_weights(mode), mode.weight_bits, lane_count, zero_weight(mode),
                            random_profile());
  inputs.drain_data = pe::wrap_accumulator(static_cast<int64_t>(random_()));
  inputs.drain_overflow = one_in(2);
  return inputs;
}

void PeStimulus::randomise_control(pe::PeInputs& inputs) {
  inputs.valid = !one_in(6);
  inputs.clear = one_in(12);
  inputs.capture = one_in(8);
  inputs.drain = one_in(8);
}

}  // namespace tessera::rtl
