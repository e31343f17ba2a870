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
  conv.groups = random.pick(1, 6);
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

uint64_t held_columns(const abi::LayerProgram& p) {
  return p.config.input_row_pitch / p.config.input_pixel_pitch;
}

/// The map as the load engine leaves it, without columns that no tap reads. The bits that fill a
/// pixel's last byte are set, for no weight may see them; so are those between pixels.
std::vector<uint8_t> scratchpad_of(const Case& c) {
  const abi::LayerProgram& p = c.mapping.program;
  auto packed = pack_activations(c.in(), c.x);
  const uint64_t pixel = pixel_bytes(c.in().channels, c.in().bits);
  const uint64_t used = static_cast<uint64_t>(c.in().channels * c.in().bits);
  for (uint64_t i = 0; i < packed.size() * 8; ++i) {
    if (i % (pixel * 8) >= used) packed[i / 8] = static_cast<uint8_t>(packed[i / 8] | 1U << i % 8);
  }
  std::vector<uint8_t> local(uint64_t{p.input_rows} * p.config.input_row_pitch, 0xFF);
  for (uint64_t y = 0; y < p.input_rows; ++y) {
    for (uint64_t x = 0; x < held_columns(p); ++x) {
      const auto from = static_cast<std::ptrdiff_t>((y * p.input_columns + x) * pixel);
      const auto to = static_cast<std::ptrdiff_t>(y * p.config.input_row_pitch +
                                                  x * p.config.input_pixel_pitch);
      std::copy_n(packed.begin() + from, pixel, local.begin() + to);
    }
  }
  return local;
}

/// Where an output channel is computed: a row of the array at a convolution pixel of the RUN.
struct Spot {
  uint64_t channel, position, v, u;
};

/// Walks the operands of the whole layer as one RUN, by the words of abi/npu_commands.hpp.
class Walker {
 public:
  Walker(const Case& c, const std::vector<uint8_t>& activations,
         const std::vector<uint8_t>& weights)
      : p_(c.mapping.program), c_(p_.config), activations_(activations), weights_(weights) {}

  int64_t sum(const Spot& spot) const {
    int64_t sum = 0;
    for (int64_t j = 0; j < c_.segments_y; ++j) {
      for (int64_t i = 0; i < c_.segments_x; ++i) {
        const int64_t row = -int64_t{p_.pad_top} + static_cast<int64_t>(spot.v) * c_.pixel_step_y +
                            j * c_.tap_step_y;
        const int64_t column = -int64_t{p_.pad_left} +
                               static_cast<int64_t>(spot.u) * c_.pixel_step_x + i * c_.tap_step_x;
        for (int64_t e = 0; e < c_.segment_elements; ++e) {
          sum += int64_t{activation(spot, row, column, e)} * weight(spot, j, i, e);
        }
      }
    }
    return sum;
  }

 private:
  int32_t activation(const Spot& spot, int64_t row, int64_t column, int64_t element) const {
    const int64_t bit = column * c_.input_pixel_pitch * 8 + element * c_.activation_bits;
    if (row < 0 || row >= p_.input_rows || bit < 0 || bit >= int64_t{c_.input_row_pitch} * 8) {
      return 0;
    }
    const uint64_t slice = c_.slice_channels == 0 ? 0 : spot.channel / c_.slice_channels;
    const uint64_t at =
        (static_cast<uint64_t>(row) * c_.input_row_pitch + slice * c_.slice_stride) * 8 +
        static_cast<uint64_t>(bit);
    const uint32_t raw = bits_at(activations_, at, c_.activation_bits);
    return c_.activation_signed != 0 ? signed_value(raw, c_.activation_bits)
                                     : static_cast<int32_t>(raw);
  }

  int32_t weight(const Spot& spot, int64_t j, int64_t i, int64_t element) const {
    return c_.slice_channels == 0 ? row_weight(spot, j, i, element)
                                  : group_weight(spot, j, i, element);
  }

  int32_t value(uint64_t bit) const {
    const uint32_t code = bits_at(weights_, bit, c_.weight_bits);
    return c_.p4 != 0 ? p4_value(code) : signed_value(code, c_.weight_bits);
  }

  int32_t row_weight(const Spot& spot, int64_t j, int64_t i, int64_t element) const {
    const int64_t lanes = 16 / c_.activation_bits * (16 / c_.weight_bits);
    const int64_t steps = (c_.segment_elements + lanes - 1) / lanes;
    const int64_t positions = int64_t{c_.spread_y} * c_.spread_x;
    const uint64_t stream = p_.weight_channel_bytes / static_cast<uint64_t>(positions);
    EXPECT_EQ(stream % 16, 0U);
    EXPECT_LE(c_.segments_y * c_.segments_x * steps * lanes * c_.weight_bits, stream * 8);
    const uint64_t row = spot.position * p_.channels + spot.channel;
    const int64_t lane = (j * c_.segments_x + i) * steps * lanes + element;
    return value(row * stream * 8 + static_cast<uint64_t>(lane * c_.weight_bits));
  }

  int32_t group_weight(const Spot& spot, int64_t j, int64_t i, int64_t element) const {
    const int64_t stride_y = c_.pixel_step_y / c_.spread_y;
    const int64_t stride_x = c_.pixel_step_x / c_.spread_x;
    const int64_t rows = c_.segments_y - (c_.spread_y - 1) * stride_y;
    const int64_t columns = c_.segments_x - (c_.spread_x - 1) * stride_x;
    const auto position = static_cast<int64_t>(spot.position);
    const int64_t y = j - position / c_.spread_x * stride_y;
    const int64_t x = i - position % c_.spread_x * stride_x;
    const uint64_t group = spot.channel % c_.slice_channels / c_.group_outputs;
    const int64_t input = element - static_cast<int64_t>(group) * c_.group_inputs;
    if (y < 0 || y >= rows || x < 0 || x >= columns || input < 0 || input >= c_.group_inputs) {
      return 0;
    }
    const int64_t index = (y * columns + x) * c_.group_inputs + input;
    return value(spot.channel * p_.weight_channel_bytes * 8 +
                 static_cast<uint64_t>(index * c_.weight_bits));
  }

  const abi::LayerProgram& p_;
  const abi::ComputeConfig& c_;
  const std::vector<uint8_t>& activations_;
  const std::vector<uint8_t>& weights_;
};

/// Output (y, x) of a channel lies at a position of the block of the spread that it is in.
Spot spot_of(const abi::ComputeConfig& c, uint64_t channel, uint64_t y, uint64_t x) {
  return {channel, y % c.spread_y * c.spread_x + x % c.spread_x, y / c.spread_y, x / c.spread_x};
}

class OperandWalk : public testing::TestWithParam<uint64_t> {};

TEST_P(OperandWalk, documented_addresses_lead_to_the_operands_of_the_convolution) {
  const uint64_t seed = GetParam();
  fuzz::Random random(seed);
  chip::Chip chip = chip::load_chip("reference");
  chip.npu.columns = 1;  // so that the array is what binds
  int sliced = 0, spread = 0;
  for (int i = 0; i < 200; ++i) {
    SCOPED_TRACE("seed " + std::to_string(seed) + ", case " + std::to_string(i));
    chip.npu.rows = i % 2 == 0 ? 4 : 16;
    const Case c = random_case(random, chip);
    const abi::LayerProgram& p = c.mapping.program;
    const auto weights =
        pack_weights(c.conv(), c.in(), c.mapping.segments, c.mapping.lanes, p.weight_channel_bytes);
    ASSERT_EQ(weights.size(), uint64_t{p.channels} * p.weight_channel_bytes);
    const auto local = scratchpad_of(c);
    const auto expected = test::naive_sums(c.conv(), c.in(), c.x);
    size_t at = 0;
    const Walker walker(c, local, weights);
    for (uint64_t k = 0; k < p.channels; ++k) {
      for (uint64_t y = 0; y < p.rows; ++y) {
        for (uint64_t x = 0; x < p.columns; ++x, ++at) {
          ASSERT_EQ(walker.sum(spot_of(p.config, k, y, x)), expected[at])
              << "channel " << k << ", output " << y << ", " << x;
        }
      }
    }
    sliced += p.config.slice_channels != 0;
    spread += p.config.spread_y * p.config.spread_x > 1;
    ASSERT_EQ(at, expected.size());
  }
  EXPECT_GT(sliced, 0);
  EXPECT_GT(spread, 0);
}

INSTANTIATE_TEST_SUITE_P(Seeds, OperandWalk, testing::Range<uint64_t>(0, 5));

}  // namespace
}  // namespace tessera::deploy
