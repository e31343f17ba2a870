#include <algorithm>
#include <cmath>

#include "graph/integer_network.hpp"
#include "graph/text.hpp"

namespace tessera::graph {
namespace {

constexpr int kMaxShift = 47;
constexpr double kMaxMultiplier = 65535;

}  // namespace

Rescale make_rescale(double factor) {
  if (!(factor >= std::ldexp(1.0, -48) && factor <= kMaxMultiplier)) {
    fail("the rescaling factor ", factor, " is outside 2^-48..65535: scales do not fit together");
  }
  int exponent = 0;
  if (std::frexp(factor, &exponent) == 0.5 && exponent <= 1 && 1 - exponent <= kMaxShift) {
    return {1, static_cast<uint8_t>(1 - exponent)};
  }
  int shift = kMaxShift;
  while (shift > 0 && std::round(std::ldexp(factor, shift)) > kMaxMultiplier) --shift;
  return {static_cast<uint16_t>(std::round(std::ldexp(factor, shift))),
          static_cast<uint8_t>(shift)};
}

std::vector<int32_t> quantize_input(const IntegerNetwork& network, const uint8_t* bytes) {
  const IntegerTensor& tensor = network.tensors.at(static_cast<size_t>(network.input));
  const InputNormalization& normalization = network.normalization;
  const int64_t plane = tensor.height * tensor.width;
  std::vector<int32_t> values(static_cast<size_t>(tensor.channels * plane));
  for (int64_t c = 0; c < tensor.channels; ++c) {
    const NormalizedChannel channel = normalized_channel(normalization, c);
    int32_t table[256];
    for (int byte = 0; byte < 256; ++byte) {
      const double real = (byte / 255.0 - channel.mean) / channel.std;
      const double q = std::floor(real / tensor.scale + 0.5);
      table[byte] = static_cast<int32_t>(std::clamp(q, static_cast<double>(network.input_low),
                                                    static_cast<double>(network.input_high)));
    }
    for (int64_t i = c * plane; i < (c + 1) * plane; ++i) {
      values[static_cast<size_t>(i)] = table[bytes[i]];
    }
  }
  return values;
}

}  // namespace tessera::graph
