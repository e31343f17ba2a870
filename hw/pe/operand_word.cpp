#include "pe/operand_word.hpp"

#include <stdexcept>
#include <string>

#include "abi/number_formats.hpp"

namespace tessera::pe {
namespace {

void require_lanes(std::size_t lane_count, int bits) {
  if (!abi::is_operand_width(bits)) {
    throw std::out_of_range("a lane cannot be " + std::to_string(bits) + " bits wide");
  }
  if (lane_count > static_cast<std::size_t>(abi::kMaxOperandWordBits / bits)) {
    throw std::out_of_range(std::to_string(lane_count) + " lanes of " + std::to_string(bits) +
                            " bits do not fit an operand word");
  }
}

}  // namespace

OperandWord pack(const std::vector<int32_t>& values, int bits, bool is_signed) {
  require_lanes(values.size(), bits);
  OperandWord word;
  int lane = 0;
  for (const int32_t value : values) {
    if (value < abi::min_value(bits, is_signed) || value > abi::max_value(bits, is_signed)) {
      throw std::out_of_range("lane " + std::to_string(lane) + ": " + std::to_string(value) +
                              " does not fit " + std::to_string(bits) +
                              (is_signed ? " signed bits" : " unsigned bits"));
    }
    set_lane(word, lane, bits, value);
    ++lane;
  }
  return word;
}

std::vector<int32_t> unpack(const OperandWord& word, int lane_count, int bits, bool is_signed) {
  if (lane_count < 0) throw std::out_of_range("negative lane count");
  require_lanes(static_cast<std::size_t>(lane_count), bits);
  std::vector<int32_t> values;
  values.reserve(static_cast<std::size_t>(lane_count));
  for (int lane = 0; lane < lane_count; ++lane) {
    values.push_back(lane_value(word, lane, bits, is_signed));
  }
  return values;
}

OperandWord low_bits(const OperandWord& word, int bit_count) {
  const auto mask = [](int bits) {
    if (bits <= 0) return uint64_t{0};
    return bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1U;
  };
  return {word.low & mask(bit_count), word.high & mask(bit_count - 64)};
}

OperandWord flip_bit(OperandWord word, int bit) {
  (bit < 64 ? word.low : word.high) ^= uint64_t{1} << (bit & 63);
  return word;
}

}  // namespace tessera::pe
