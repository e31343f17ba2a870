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
  const graph::Window& w = conv.window;
  const int64_t taps = w.kernel_h * w.kernel_w;
  const auto outputs = static_cast<int64_t>(conv.bias.size());
  const int64_t per_pixel = segments.pixel_elements;
  const int64_t group_inputs = input.channels / conv.groups;
  const int64_t group_outputs = outputs / conv.groups;

  // A segment is a run of kernel taps, each tap the elements of one input pixel.
  const int64_t taps_per_segment = segments.elements / per_pixel;
  const int64_t segment_lanes = round_up(segments.elements, static_cast<uint32_t>(lanes));

  std::vector<uint8_t> bytes(static_cast<size_t>(outputs) * channel_bytes);
  for (int64_t k = 0; k < outputs; ++k) {
    uint8_t* stream = bytes.data() + k * channel_bytes;
    const int64_t slice = segments.slice_outputs == 0 ? 0 : k / segments.slice_outputs;
    const int64_t first_input = k / group_outputs * group_inputs - slice * segments.slice_inputs;
    for (int64_t c = 0; c < group_inputs; ++c) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        const int weight = conv.weights[static_cast<size_t>((k * group_inputs + c) * taps + tap)];
        const int code = conv.p4 ? abi::p4_encode(weight) : weight;
        if (conv.p4 && code < 0) {
          throw std::runtime_error("layer " + conv.name + ": weight " + std::to_string(weight) +
                                   " is not a power of two that p4 can hold");
        }
        const int64_t element = tap % taps_per_segment * per_pixel + first_input + c;
        const int64_t lane = tap / taps_per_segment * segment_lanes + element;
        put_bits(stream, static_cast<uint64_t>(lane * conv.weight_bits), conv.weight_bits,
                 static_cast<uint32_t>(code));
      }
    }
    if (!conv.p4) continue;
    // Lanes without a weight hold the code of zero, which is not all zeros.
    const int64_t all_lanes = taps / taps_per_segment * segment_lanes;
    for (int64_t lane = 0; lane < all_lanes; ++lane) {
      const int64_t element = lane % segment_lanes;
      const int64_t channel = element % per_pixel;
      if (element < segments.elements && channel >= first_input &&
          channel < first_input + group_inputs) {
        continue;
      }
      put_bits(stream, static_cast<uint64_t>(lane * 4), 4, abi::kP4Zero);
    }
  }
  return bytes;
}

}  // namespace tessera::deploy
