#include "deploy/packing.hpp"

#include <algorithm>
#include <stdexcept>

#include "abi/number_formats.hpp"

namespace tessera::deploy {
namespace {

void put_bits(uint8_t* bytes, uint64_t bit, int width, uint32_t value) {
  for (int done = 0; done < width;) {
    const auto shift = static_cast<int>((bit + static_cast<uint64_t>(done)) % 8);
    const int take = std::min(width - done, 8 - shift);
    const uint32_t mask = (1U << take) - 1;
    uint8_t& byte = bytes[(bit + static_cast<uint64_t>(done)) / 8];
    byte = static_cast<uint8_t>(byte | (value >> done & mask) << shift);
    done += take;
  }
}

uint32_t get_bits(const uint8_t* bytes, uint64_t bit, int width) {
  uint32_t value = 0;
  for (int done = 0; done < width;) {
    const auto shift = static_cast<int>((bit + static_cast<uint64_t>(done)) % 8);
    const int take = std::min(width - done, 8 - shift);
    const uint32_t part =
        bytes[(bit + static_cast<uint64_t>(done)) / 8] >> shift & ((1U << take) - 1);
    value |= part << done;
    done += take;
  }
  return value;
}

uint32_t code_of(const graph::IntegerLayer& conv, int weight) {
  const int code = conv.p4 ? abi::p4_encode(weight) : weight;
  if (conv.p4 && code < 0) {
    throw std::runtime_error("layer " + conv.name + ": weight " + std::to_string(weight) +
                             " is not a power of two that p4 can hold");
  }
  return static_cast<uint32_t>(code);
}

/// Packs the low `bits` bits of every code.
void put_codes(uint8_t* bytes, const std::vector<uint32_t>& codes, int bits) {
  for (size_t i = 0; i < codes.size(); ++i) {
    if (bits == 8) {
      bytes[i] = static_cast<uint8_t>(codes[i]);
    } else if (codes[i] != 0) {
      put_bits(bytes, i * static_cast<uint64_t>(bits), bits, codes[i]);
    }
  }
}

/// Streams of slices: a channel's own weights, tap by tap.
std::vector<uint8_t> pack_groups(const graph::IntegerLayer& conv, uint32_t group_inputs,
                                 uint32_t channel_bytes) {
  const auto taps = static_cast<size_t>(conv.window.kernel_h * conv.window.kernel_w);
  std::vector<uint32_t> codes(taps * group_inputs);
  std::vector<uint8_t> bytes(conv.bias.size() * channel_bytes);
  for (size_t k = 0; k < conv.bias.size(); ++k) {
    const int16_t* weights = conv.weights.data() + k * codes.size();
    for (size_t i = 0; i < codes.size(); ++i) {
      codes[i] = code_of(conv, weights[i % group_inputs * taps + i / group_inputs]);
    }
    put_codes(bytes.data() + k * channel_bytes, codes, conv.weight_bits);
  }
  return bytes;
}

}  // namespace

std::vector<uint8_t> pack_activations(const graph::IntegerTensor& f,
                                      const std::vector<int32_t>& values) {
  const uint64_t pixel = pixel_bytes(f.channels, f.bits);
  std::vector<uint8_t> bytes(pixel * static_cast<uint64_t>(f.height * f.width));
  const int64_t pixels = f.height * f.width;
  for (int64_t c = 0; c < f.channels; ++c) {
    for (int64_t p = 0; p < pixels; ++p) {
      put_bits(bytes.data(),
               static_cast<uint64_t>(p) * pixel * 8 + static_cast<uint64_t>(c * f.bits), f.bits,
               static_cast<uint32_t>(values[static_cast<size_t>(c * pixels + p)]));
    }
  }
  return bytes;
}

std::vector<int32_t> unpack_activations(const graph::IntegerTensor& f, const uint8_t* bytes) {
  const uint64_t pixel = pixel_bytes(f.channels, f.bits);
  const int64_t pixels = f.height * f.width;
  std::vector<int32_t> values(static_cast<size_t>(f.channels * pixels));
  for (int64_t c = 0; c < f.channels; ++c) {
    for (int64_t p = 0; p < pixels; ++p) {
      auto raw = static_cast<int32_t>(get_bits(
          bytes, static_cast<uint64_t>(p) * pixel * 8 + static_cast<uint64_t>(c * f.bits), f.bits));
      if (f.is_signed && (raw >> (f.bits - 1)) != 0) raw -= 1 << f.bits;
      values[static_cast<size_t>(c * pixels + p)] = raw;
    }
  }
  return values;
}

std::vector<uint8_t> pack_weights(const graph::IntegerLayer& conv,
                                  const graph::IntegerTensor& input, const Segments& segments,
                                  int lanes, uint32_t channel_bytes) {
  const auto taps = static_cast<uint32_t>(conv.window.kernel_h * conv.window.kernel_w);
  const auto outputs = static_cast<uint32_t>(conv.bias.size());
  const auto groups = static_cast<uint32_t>(conv.groups);
  const auto group_inputs = static_cast<uint32_t>(input.channels) / groups;
  const uint32_t group_outputs = outputs / groups;
  if (segments.slice_outputs != 0) return pack_groups(conv, group_inputs, channel_bytes);
  const uint32_t positions = segments.spread_y * segments.spread_x;
  const uint64_t stream_bytes = channel_bytes / positions;
  const uint64_t segment_lanes = round_up(segments.elements, static_cast<uint32_t>(lanes));
  const uint64_t all_lanes = uint64_t{segments.count_y} * segments.count_x * segment_lanes;
  // In p4 lanes without a weight hold the code of zero, which is not all zeros.
  const uint32_t zero = conv.p4 ? abi::kP4Zero : 0;

  std::vector<uint32_t> codes(all_lanes);
  std::vector<uint8_t> bytes(uint64_t{outputs} * channel_bytes);
  for (uint32_t k = 0; k < outputs; ++k) {
    const uint32_t first_input = k / group_outputs * group_inputs;
    const int16_t* weights = conv.weights.data() + uint64_t{k} * group_inputs * taps;
    for (uint32_t position = 0; position < positions; ++position) {
      std::fill(codes.begin(), codes.end(), zero);
      for (uint32_t tap = 0; tap < taps; ++tap) {
        const uint32_t y =
            tap / segments.kernel_w + position / segments.spread_x * segments.stride_y;
        const uint32_t x =
            tap % segments.kernel_w + position % segments.spread_x * segments.stride_x;
        const uint64_t first_lane =
            segments.count_x == 1
                ? y * segment_lanes + uint64_t{x} * segments.pixel_elements + first_input
                : (uint64_t{y} * segments.count_x + x) * segment_lanes + first_input;
        for (uint32_t c = 0; c < group_inputs; ++c) {
          codes[first_lane + c] = code_of(conv, weights[uint64_t{c} * taps + tap]);
        }
      }
      const uint64_t row = uint64_t{position} * outputs + k;
      put_codes(bytes.data() + row * stream_bytes, codes, conv.weight_bits);
    }
  }
  return bytes;
}

}  // namespace tessera::deploy
