#include <gtest/gtest.h>

#include "abi/number_formats.hpp"
#include "chip/chip.hpp"
#include "deploy/mapping.hpp"
#include "deploy/packing.hpp"
#include "fuzz/network/random_graph.hpp"
#include "unit/deploy/naive_chip.hpp"

// Fetches operands as abi::ComputeConfig documents it, from packed weights and packed activations,
// and compares the sums with plain loops over channels and kernel taps.

namespace tessera::deploy {
namespace {

uint32_t bits_at(const std::vector<uint8_t>& bytes, uint64_t bit, int width) {
  uint32_t value = 0;
  for (int i = 0; i < width; ++i, ++bit) {
    value |= uint32_t{static_cast<uint8_t>(bytes.at(bit / 8) >> (bit % 8) & 1)} << i;
  }
  return value;
}

int32_t signed_value(uint32_t raw, int width) {
  const uint32_t sign = 1U << (width - 1);
  return static_cast<int32_t>(raw ^ sign) - static_cast<int32_t>(sign);
}

int32_t p4_value(uint32_t code) {
  if ((code & 7) == 7) return 0;
  const int32_t magnitude = 64 >> (code & 7);
  return code >= 8 ? -magnitude : magnitude;
}

/// A single convolution and its mapping.
struct Case {
  graph::IntegerNetwork net;
  FusedLayer layer;
  Mapping mapping;
  std::vector<int32_t> x;

  const graph::IntegerTensor& in() const { return net.tensors[0]; }
  const graph::IntegerLayer& conv() const { return layer.convolution; }
};

void pick_window(const graph::IntegerTensor& in, fuzz::Random& random, graph::Window& w) {
  w.dilation_h = random.pick(1, 2);
  w.dilation_w = random.pick(1, 2);
  w.kernel_h = random.pick(1, (in.height - 1) / w.dilation_h + 1);
  w.kernel_w = random.pick(1, (in.width - 1) / w.dilation_w + 1);
  if (random.chance(20)) {  // as in a fully connected layer
    w = {};
    w.kernel_h = in.height;
    w.kernel_w = in.width;
    return;
  }
  w.stride_h = random.pick(1, 3);
  w.stride_w = random.pick(1, 3);
  for (int64_t* pad : {&w.pad_top, &w.pad_left, &w.pad_bottom, &w.pad_right}) {
    *pad = random.pick(0, 2);
  }
}

Case random_case(fuzz::Random& random, const chip::Chip& chip) {
  static const std::vector<int> kWidths{2, 4, 8, 16};
  Case c;
  graph::IntegerLayer conv;
  conv.name = "conv";
  conv.groups = random.pick(1, 3);
  graph::IntegerTensor in{"x",
                          conv.groups * random.pick(1, 7),
                          random.pick(1, 7),
                          random.pick(1, 7),
                          random.any(kWidths),
                          random.chance(50),
                          1};
  pick_window(in, random, conv.window);
  const graph::Window& w = conv.window;
  const int64_t outputs = conv.groups * random.pick(1, 5);
  conv.p4 = random.chance(25);
  conv.weight_bits = conv.p4 ? 4 : random.any(kWidths);
  const int64_t taps = in.channels / conv.groups * w.kernel_h * w.kernel_w;
  for (int64_t i = 0; i < outputs * taps; ++i) {
    const int32_t limit = 1 << (conv.weight_bits - 1);
    const int64_t q = conv.p4 ? p4_value(static_cast<uint32_t>(random.pick(0, 15)))
                              : random.pick(-limit, limit - 1);
    conv.weights.push_back(static_cast<int16_t>(q));
  }
  conv.inputs = {0};
  conv.output = 1;
  conv.bias.assign(static_cast<size_t>(outputs), 0);
  conv.rescale.assign(static_cast<size_t>(outputs), {1, 0});
  const graph::IntegerTensor out{
      "y",
      outputs,
      test::output_size(in.height, w.pad_top + w.pad_bottom, w.kernel_h, w.stride_h, w.dilation_h),
      test::output_size(in.width, w.pad_left + w.pad_right, w.kernel_w, w.stride_w, w.dilation_w),
      8,
      true,
      1};
  c.net.tensors = {in, out};
  c.net.output = 1;
  c.layer.name = "conv";
  c.layer.convolution = conv;
  c.layer.output = 1;
  for (int64_t i = 0; i < in.channels * in.height * in.width; ++i) {
    c.x.push_back(static_cast<int32_t>(
        random.pick(abi::min_value(in.bits, in.is_signed), abi::max_value(in.bits, in.is_signed))));
  }
  c.mapping = map_layer(c.layer, c.net, chip);
  return c;
}

/// The whole padded map as the load engine leaves it. The bits that fill a pixel's last byte are
/// set, for no weight may see them.
std::vector<uint8_t> scratchpad_of(const Case& c) {
  const abi::LayerProgram& p = c.mapping.program;
  auto packed = pack_activations(c.in(), c.x);
  const uint64_t pixel = pixel_bytes(c.in().channels, c.in().bits);
  const uint64_t used = static_cast<uint64_t>(c.in().channels * c.in().bits);
  for (uint64_t i = 0; i < packed.size() * 8; ++i) {
    if (i % (pixel * 8) >= used) packed[i / 8] = static_cast<uint8_t>(packed[i / 8] | 1U << i % 8);
  }
  const auto rows = static_cast<uint64_t>(c.in().height);
  const auto columns = static_cast<uint64_t>(c.in().width);
  const auto bottom = static_cast<uint64_t>(c.conv().window.pad_bottom);
  std::vector<uint8_t> local((p.pad_top + rows + bottom) * p.local_row_pitch);
  const uint64_t local_columns = p.local_row_pitch / p.local_pixel_pitch;
  for (uint64_t y = 0; y < rows; ++y) {
    for (uint64_t x = 0; x < columns && p.pad_left + x < local_columns; ++x) {
      std::copy_n(
          packed.begin() + static_cast<std::ptrdiff_t>((y * columns + x) * pixel), pixel,
          local.begin() + static_cast<std::ptrdiff_t>((p.pad_top + y) * p.local_row_pitch +
                                                      (p.pad_left + x) * p.local_pixel_pitch));
    }
  }
  return local;
}

/// The sum of output channel n for the convolution pixel (v, u), from a weight memory that starts
/// with channel 0's stream.
int64_t walk(const abi::ComputeConfig& c, uint32_t stream_bytes,
             const std::vector<uint8_t>& activations, const std::vector<uint8_t>& weights,
             uint64_t n, uint64_t v, uint64_t u) {
  const auto lanes = static_cast<uint32_t>(16 / c.activation_bits * (16 / c.weight_bits));
  const uint32_t steps_of_run = (c.segment_elements + lanes - 1) / lanes;
  int64_t sum = 0;
  uint64_t step = 0;
  for (uint64_t j = 0; j < c.segments_y; ++j) {
    for (uint64_t i = 0; i < c.segments_x; ++i) {
      const uint64_t slice = c.slice_channels == 0 ? 0 : n / c.slice_channels;
      const uint64_t run = v * c.pixel_stride_y + u * c.pixel_stride_x + j * c.segment_stride_y +
                           i * c.segment_stride_x + slice * c.slice_stride;
      for (uint32_t s = 0; s < steps_of_run; ++s, ++step) {
        for (uint32_t lane = 0; lane < lanes; ++lane) {
          const uint64_t weight_bit = n * stream_bytes * 8 + (step * lanes + lane) * c.weight_bits;
          const uint32_t code = bits_at(weights, weight_bit, c.weight_bits);
          const int32_t weight = c.p4 != 0 ? p4_value(code) : signed_value(code, c.weight_bits);
          const uint64_t element = s * lanes + lane;
          if (element >= c.segment_elements) {
            EXPECT_EQ(weight, 0) << "lane " << lane << " lies past the end of its run";
            continue;
          }
          const uint32_t raw =
              bits_at(activations, run * 8 + element * c.activation_bits, c.activation_bits);
          const auto value = c.activation_signed != 0 ? signed_value(raw, c.activation_bits)
                                                      : static_cast<int32_t>(raw);
          sum += int64_t{value} * weight;
        }
      }
    }
  }
  EXPECT_LE(step * lanes * c.weight_bits, uint64_t{stream_bytes} * 8);
  EXPECT_EQ(stream_bytes % 16, 0U);
  return sum;
}

class OperandWalk : public testing::TestWithParam<uint64_t> {};

TEST_P(OperandWalk, documented_addresses_lead_to_the_operands_of_the_convolution) {
  const uint64_t seed = GetParam();
  fuzz::Random random(seed);
  const chip::Chip chip = chip::load_chip("reference");
  for (int i = 0; i < 60; ++i) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ", case " + std::to_string(i));
    const Case c = random_case(random, chip);
    const abi::LayerProgram& p = c.mapping.program;
    const auto weights =
        pack_weights(c.conv(), c.in(), c.mapping.segments, c.mapping.lanes, p.weight_channel_bytes);
    ASSERT_EQ(weights.size(), uint64_t{p.channels} * p.weight_channel_bytes);
    const auto local = scratchpad_of(c);
    const auto expected = test::naive_sums(c.conv(), c.in(), c.x);
    size_t at = 0;
    for (uint64_t k = 0; k < p.channels; ++k) {
      for (uint64_t v = 0; v < p.rows; ++v) {
        for (uint64_t u = 0; u < p.columns; ++u, ++at) {
          ASSERT_EQ(walk(p.config, p.weight_channel_bytes, local, weights, k, v, u), expected[at])
              << "channel " << k << ", pixel " << v << ", " << u;
        }
      }
    }
    ASSERT_EQ(at, expected.size());
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, OperandWalk, testing::Range<uint64_t>(0, 5));

}  // namespace
}  // namespace tessera::deploy
