#include "reference/integer_engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "abi/number_formats.hpp"

namespace {

using namespace tessera::graph;
using tessera::reference::IntegerEngine;
using testing::ElementsAre;
using testing::HasSubstr;

__extension__ using Wide = __int128;

Wide floor_shift(Wide value, int shift) {
  const Wide divisor = Wide{1} << shift;
  Wide quotient = value / divisor;
  if (value % divisor < 0) --quotient;
  return quotient;
}

IntegerNetwork network_of(IntegerLayer layer, std::vector<IntegerTensor> tensors, int32_t low,
                          int32_t high) {
  IntegerNetwork network;
  network.tensors = std::move(tensors);
  network.input_low = low;
  network.input_high = high;
  layer.output = static_cast<int>(network.tensors.size()) - 1;
  if (layer.inputs.empty()) layer.inputs = {0};
  network.output = layer.output;
  network.layers = {std::move(layer)};
  return network;
}

/// The definition in graph/integer_network.hpp, one output at a time.
std::vector<int32_t> by_definition(const IntegerNetwork& n, const std::vector<int32_t>& x) {
  const IntegerLayer& l = n.layers[0];
  const IntegerTensor& in = n.tensors[0];
  const IntegerTensor& out = n.tensors[1];
  const Window& w = l.window;
  const int64_t cg = in.channels / l.groups, kg = out.channels / l.groups;
  std::vector<int32_t> y;
  for (int64_t k = 0; k < out.channels; ++k) {
    for (int64_t oy = 0; oy < out.height; ++oy) {
      for (int64_t ox = 0; ox < out.width; ++ox) {
        Wide sum = 0;
        for (int64_t c = 0; c < cg; ++c) {
          for (int64_t i = 0; i < w.kernel_h * w.kernel_w; ++i) {
            const int64_t iy = oy * w.stride_h - w.pad_top + i / w.kernel_w * w.dilation_h;
            const int64_t ix = ox * w.stride_w - w.pad_left + i % w.kernel_w * w.dilation_w;
            if (iy < 0 || ix < 0 || iy >= in.height || ix >= in.width) continue;
            const int64_t at = ((k / kg * cg + c) * in.height + iy) * in.width + ix;
            const int64_t tap = (k * cg + c) * w.kernel_h * w.kernel_w + i;
            sum += Wide{x[static_cast<size_t>(at)]} * l.weights[static_cast<size_t>(tap)];
          }
        }
        const auto ku = static_cast<size_t>(k);
        const int s = l.rescale[ku].shift;
        Wide v = (sum + l.bias[ku]) * l.rescale[ku].multiplier;
        if (l.rounding == Rounding::kStochastic) {
          const uint32_t hash = tessera::abi::rounding_hash(
              l.seed, static_cast<uint32_t>(k), static_cast<uint32_t>(oy * out.width + ox));
          v += tessera::abi::rounding_noise(hash, s);
        } else if (s > 0) {
          v += Wide{1} << (s - 1);
        }
        y.push_back(
            static_cast<int32_t>(std::clamp<Wide>(floor_shift(v, s), Wide{l.low}, Wide{l.high})));
      }
    }
  }
  return y;
}

IntegerNetwork random_convolution(std::mt19937& random, std::vector<int32_t>& x) {
  const auto pick = [&](int64_t low, int64_t high) {
    return std::uniform_int_distribution<int64_t>(low, high)(random);
  };
  IntegerLayer l;
  l.name = "conv";
  l.groups = pick(1, 3);
  IntegerTensor in{
      "x", l.groups * pick(1, 5), pick(5, 9), pick(5, 9), 1 << pick(1, 4), pick(0, 1) == 1, 1};
  l.window = {pick(1, 3), pick(1, 3), pick(1, 3), pick(1, 3), pick(1, 2),
              pick(1, 2), pick(0, 2), pick(0, 2), pick(0, 2), pick(0, 2)};
  const Window& w = l.window;
  IntegerTensor out{
      "y",
      l.groups * pick(1, 4),
      (in.height + w.pad_top + w.pad_bottom - w.dilation_h * (w.kernel_h - 1) - 1) / w.stride_h + 1,
      (in.width + w.pad_left + w.pad_right - w.dilation_w * (w.kernel_w - 1) - 1) / w.stride_w + 1,
      16,
      true,
      1};
  l.weight_bits = 1 << pick(1, 4);
  l.low = -static_cast<int32_t>(pick(0, 32768));
  l.high = static_cast<int32_t>(pick(1, 32767));
  l.rounding = pick(0, 1) == 1 ? Rounding::kStochastic : Rounding::kHalfUp;
  l.seed = static_cast<uint32_t>(pick(0, 0xffffffff));
  const int64_t taps = in.channels / l.groups * w.kernel_h * w.kernel_w;
  const int limit = 1 << (l.weight_bits - 1);
  for (int64_t i = 0; i < out.channels * taps; ++i) {
    l.weights.push_back(static_cast<int16_t>(pick(-limit, limit - 1)));
  }
  for (int64_t k = 0; k < out.channels; ++k) {
    l.bias.push_back(static_cast<int32_t>(pick(-100000, 100000)));
    l.rescale.push_back({static_cast<uint16_t>(pick(1, 65535)), static_cast<uint8_t>(pick(0, 47))});
  }
  const int32_t low = tessera::abi::min_value(in.bits, in.is_signed);
  const int32_t high = tessera::abi::max_value(in.bits, in.is_signed);
  for (int64_t i = 0; i < in.channels * in.height * in.width; ++i) {
    x.push_back(static_cast<int32_t>(pick(low, high)));
  }
  return network_of(l, {in, out}, low, high);
}

TEST(IntegerEngine, random_convolutions_follow_the_definition_exactly) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 random(seed);
  for (int i = 0; i < 400; ++i) {
    std::vector<int32_t> x;
    const IntegerNetwork network = random_convolution(random, x);
    ASSERT_EQ(IntegerEngine(network).run(x), by_definition(network, x))
        << "seed " << seed << ", case " << i;
  }
}

/// One tap a channel; as many channels as make the sum leave a number format.
IntegerNetwork long_sum(int64_t channels, int16_t weight, int32_t input, uint8_t shift) {
  IntegerLayer l;
  l.name = "long";
  l.low = INT32_MIN;
  l.high = INT32_MAX;
  l.weights.assign(static_cast<size_t>(channels), weight);
  l.bias = {1};
  l.rescale = {{1, shift}};
  return network_of(l, {{"x", channels, 1, 1, 16, false, 1}, {"y", 1, 1, 1, 16, true, 1}}, 0,
                    input);
}

TEST(IntegerEngine, sums_stay_exact_where_float_and_double_end) {
  for (const int64_t channels : {127, 128, 129, 1000, 40000}) {  // 2^24 is 128.5 such products
    for (const int16_t weight : {int16_t{32767}, int16_t{-32768}, int16_t{511}}) {
      const IntegerNetwork n = long_sum(channels, weight, 255, 0);
      const int64_t sum = channels * weight * 255 + 1;
      const int64_t clamped = std::clamp<int64_t>(sum, INT32_MIN, INT32_MAX);
      EXPECT_THAT(IntegerEngine(n).run(std::vector<int32_t>(static_cast<size_t>(channels), 255)),
                  ElementsAre(clamped));
    }
  }
}

TEST(IntegerEngine, names_the_layer_whose_accumulator_exceeds_48_bits) {
  const int64_t fits = 65538;  // 65535 * 32767 * 65538 = 0.99999 * 2^47
  const std::vector<int32_t> x(static_cast<size_t>(fits), 65535);
  const int64_t sum = fits * 65535 * 32767 + 1;
  EXPECT_THAT(IntegerEngine(long_sum(fits, 32767, 65535, 30)).run(x),
              ElementsAre((sum + (int64_t{1} << 29)) >> 30));
  try {
    IntegerEngine(long_sum(fits + 2, 32767, 65535, 30))
        .run(std::vector<int32_t>(static_cast<size_t>(fits + 2), 65535));
    FAIL() << "no error";
  } catch (const std::runtime_error& error) {
    EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("'long'"), HasSubstr("48 bits")));
  }
  // More than 2^53 is possible here, so no floating-point format is used; the input keeps it small.
  std::vector<int32_t> small(static_cast<size_t>(int64_t{1} << 23), 0);
  small.back() = 3;
  EXPECT_THAT(IntegerEngine(long_sum(int64_t{1} << 23, 32767, 65535, 0)).run(small),
              ElementsAre(3 * 32767 + 1));
}

TEST(IntegerEngine, the_largest_accumulators_are_rescaled_in_more_than_64_bits) {
  constexpr int64_t kTaps = 65539;  // the sum is 229,373 below 2^47
  for (const int16_t weight : {int16_t{32767}, int16_t{-32767}}) {
    IntegerNetwork n = long_sum(kTaps, weight, 65535, 47);
    n.layers[0].bias = {weight > 0 ? INT32_MAX : INT32_MIN};
    n.layers[0].rescale[0].multiplier = 65535;
    const Wide v = (Wide{kTaps} * 65535 * weight + n.layers[0].bias[0]) * 65535 + (Wide{1} << 46);
    EXPECT_THAT(IntegerEngine(n).run(std::vector<int32_t>(kTaps, 65535)),
                ElementsAre(static_cast<int32_t>(floor_shift(v, 47))));
  }
}

TEST(IntegerEngine, halves_round_up) {
  IntegerNetwork n = long_sum(1, 1, 100, 1);
  n.input_low = -100;
  const IntegerEngine engine(n);  // (x + 1) / 2
  EXPECT_THAT(engine.run({0}), ElementsAre(1));
  EXPECT_THAT(engine.run({-2}), ElementsAre(0));
  EXPECT_THAT(engine.run({-4}), ElementsAre(-1));
}

TEST(IntegerEngine, stochastic_rounding_is_right_on_average_and_depends_on_the_pixel) {
  IntegerLayer l;
  l.name = "s";
  l.low = -128;
  l.high = 127;
  l.weights = {1};
  l.bias = {0};
  l.rescale = {{1, 3}};
  l.rounding = Rounding::kStochastic;
  l.seed = 42;
  const IntegerNetwork n =
      network_of(l, {{"x", 1, 100, 100, 8, false, 1}, {"y", 1, 100, 100, 8, true, 1}}, 0, 255);
  const auto y = IntegerEngine(n).run(std::vector<int32_t>(10000, 19));  // 2.375
  const auto ups = std::count(y.begin(), y.end(), 3);
  EXPECT_EQ(ups + std::count(y.begin(), y.end(), 2), 10000);
  EXPECT_NEAR(static_cast<double>(ups), 3750, 200);  // four standard deviations
}

TEST(IntegerEngine, adds_with_rescaled_operands) {
  IntegerLayer l;
  l.op = IntegerOp::kAdd;
  l.inputs = {0, 0};
  l.low = -100;
  l.high = 100;
  l.add_multiplier[0] = 3;
  l.add_multiplier[1] = 10;
  l.add_shift = 2;
  const IntegerTensor t{"x", 5, 1, 1, 8, true, 1};
  const IntegerEngine engine(network_of(l, {t, t}, -128, 127));
  const auto trace = engine.trace({1, -1, 2, 127, -128});
  EXPECT_THAT(trace.tensors[1], ElementsAre(3, -3, 7, 100, -100));  // 3.25, -3.25, 6.5
  EXPECT_EQ(trace.saturations, 2);
}

TEST(IntegerEngine, pools) {
  IntegerLayer l;
  l.op = IntegerOp::kMaxPool;
  l.low = -128;
  l.high = 127;
  l.window = {2, 2, 2, 2, 1, 1, 1, 1, 1, 1};
  const IntegerTensor t{"x", 1, 2, 2, 8, true, 1};
  EXPECT_THAT(IntegerEngine(network_of(l, {t, t}, -128, 127)).run({-1, -2, -3, -4}),
              ElementsAre(-1, -2, -3, -4));
  l.op = IntegerOp::kAveragePool;
  l.window = {2, 2, 1, 1, 1, 1, 0, 0, 0, 0};
  l.pool = {3, 2};
  const IntegerTensor one{"y", 1, 1, 1, 8, true, 1};
  EXPECT_THAT(IntegerEngine(network_of(l, {t, one}, -128, 127)).run({-1, -2, -3, -4}),
              ElementsAre(-7));  // -30 / 4 = -7.5, half up
}

TEST(IntegerEngine, concatenates) {
  IntegerLayer l;
  l.op = IntegerOp::kConcat;
  l.inputs = {0, 0};
  l.low = -128;
  l.high = 127;
  EXPECT_THAT(IntegerEngine(network_of(l, {{"x", 2, 1, 1, 8, true, 1}, {"y", 4, 1, 1, 8, true, 1}},
                                       -128, 127))
                  .run({5, 6}),
              ElementsAre(5, 6, 5, 6));
}

TEST(IntegerEngine, a_relu_is_no_saturation_but_a_clipped_maximum_is) {
  IntegerNetwork n = long_sum(1, 1, 1000, 0);
  n.input_low = -1000;
  n.layers[0].low = 0;
  n.layers[0].high = 255;
  const IntegerEngine relu(n);
  EXPECT_EQ(relu.trace({-500}).saturations, 0);
  EXPECT_EQ(relu.trace({254}).saturations, 0);
  EXPECT_EQ(relu.trace({255}).saturations, 1);
  n.layers[0].low = -128;
  EXPECT_EQ(IntegerEngine(n).trace({-500}).saturations, 1);
}

TEST(IntegerEngine, refuses_inputs_outside_their_grid_and_networks_that_do_not_fit) {
  const IntegerNetwork good = long_sum(2, 1, 7, 0);
  const IntegerEngine engine(good);
  EXPECT_THROW(engine.run({1}), std::runtime_error);
  EXPECT_THROW(engine.run({1, 8}), std::runtime_error);
  EXPECT_THROW(engine.run({-1, 0}), std::runtime_error);
  EXPECT_NO_THROW(engine.run({7, 0}));
  const auto refused = [&](auto change) {
    IntegerNetwork bad = good;
    change(bad);
    EXPECT_THROW(IntegerEngine{bad}, std::runtime_error);
  };
  refused([](IntegerNetwork& n) { n.layers[0].weights.pop_back(); });
  refused([](IntegerNetwork& n) { n.layers[0].inputs = {1}; });
  refused([](IntegerNetwork& n) { n.layers[0].inputs = {7}; });
  refused([](IntegerNetwork& n) { n.tensors[1].height = 2; });
  refused([](IntegerNetwork& n) { n.layers[0].rescale[0].shift = 48; });
  refused([](IntegerNetwork& n) { n.layers.clear(); });
}

TEST(IntegerEngine, a_batch_on_several_threads_equals_image_by_image) {
  const IntegerEngine engine(long_sum(2, 3, 200, 1));
  std::vector<std::vector<int32_t>> inputs;
  for (int i = 0; i < 100; ++i) inputs.push_back({i, 2 * i});
  const auto outputs = engine.run_batch(inputs, 3);
  for (size_t i = 0; i < inputs.size(); ++i) EXPECT_EQ(outputs[i], engine.run(inputs[i]));
}

}  // namespace
