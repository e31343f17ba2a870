#include "array_run.hpp"

#include <algorithm>

#include "npu/matrix_client.hpp"
#include "npu/model_array.hpp"
#include "pe/mode.hpp"

namespace tessera::rtl {
namespace {

int16_t random_element(int bits, bool is_signed, Random& random) {
  const auto raw = static_cast<int32_t>(random() & ((1U << bits) - 1U));
  const bool negative = is_signed && (raw >> (bits - 1)) != 0;
  return static_cast<int16_t>(negative ? raw - (1 << bits) : raw);
}

int16_t random_weight(const abi::PeMode& mode, Random& random) {
  if (mode.p4) return static_cast<int16_t>(abi::p4_decode(static_cast<unsigned>(random() & 15U)));
  return random_element(mode.weight_bits, true, random);
}

/// A row of independent elements, or, one time in four, of the same one: else a word whose lanes
/// are all zero, or all the same p4 code, would hardly ever occur.
template <typename Draw>
void fill_row(int16_t* row, std::size_t count, const Draw& draw, Random& random) {
  if (pick(random, 0, 3) == 0) {
    std::fill_n(row, count, draw());
  } else {
    std::generate_n(row, count, draw);
  }
}

/// Half up or stochastic, to the range of an output format with or without ReLU.
npu::Rescaling random_rescaling(Random& random) {
  npu::Rescaling rescaling;
  rescaling.stochastic = pick(random, 0, 1) != 0;
  rescaling.seed = static_cast<uint32_t>(random());
  rescaling.channel_first = static_cast<uint32_t>(random());
  const int bits = 2 << pick(random, 0, 3);
  const bool is_signed = pick(random, 0, 1) != 0;
  rescaling.low = pick(random, 0, 3) == 0 ? 0 : abi::min_value(bits, is_signed);
  rescaling.high = abi::max_value(bits, is_signed);
  return rescaling;
}

/// Parameters that take an accumulator of `accumulator_bits` to `output_bits`, give or take some.
abi::ChannelParameters random_parameters(int accumulator_bits, int output_bits, Random& random) {
  abi::ChannelParameters parameters{};
  parameters.bias = static_cast<int32_t>(random()) >> std::max(0, 32 - accumulator_bits);
  parameters.multiplier = static_cast<uint16_t>(random() >> pick(random, 48, 63));
  int multiplier_bits = 0;
  while (parameters.multiplier >> multiplier_bits != 0) ++multiplier_bits;
  const int shift = accumulator_bits + multiplier_bits - output_bits;
  parameters.shift =
      static_cast<uint8_t>(std::clamp(shift + static_cast<int>(pick(random, 0, 6)) - 4, 0, 47));
  return parameters;
}

void draw_parameters(TestRun& run, Random& random) {
  run.rescaling = random_rescaling(random);
  const int weight_bits = run.mode.p4 ? 8 : run.mode.weight_bits;
  int accumulator_bits = run.mode.activation_bits + weight_bits;
  while ((run.shape.steps >> (accumulator_bits - run.mode.activation_bits - weight_bits)) != 0) {
    ++accumulator_bits;
  }
  int output_bits = 0;
  while (run.rescaling.high >> output_bits != 0) ++output_bits;
  for (uint64_t k = 0; k < run.shape.channels; ++k) {
    run.parameters.push_back(random_parameters(accumulator_bits, output_bits, random));
  }
  for (uint64_t p = 0; p < run.shape.pixels; ++p) {
    run.positions.push_back(static_cast<uint32_t>(random() >> pick(random, 32, 63)));
  }
}

}  // namespace

uint64_t pick(Random& random, uint64_t low, uint64_t high) {
  return std::uniform_int_distribution<uint64_t>(low, high)(random);
}

pe::OperandWord TestRun::weight_word(uint64_t channel, uint64_t step) const {
  const int lanes = abi::lanes(mode);
  const int16_t* first = weights.data() + channel * stride + step * static_cast<std::size_t>(lanes);
  pe::OperandWord word;
  for (int lane = 0; lane < lanes; ++lane) {
    const int value = mode.p4 ? abi::p4_encode(first[lane]) : first[lane];
    pe::set_lane(word, lane, mode.weight_bits, value);
  }
  return word;
}

pe::OperandWord TestRun::activation_word(uint64_t pixel, uint64_t step) const {
  const int lanes = abi::lanes(mode);
  const int16_t* first =
      activations.data() + pixel * stride + step * static_cast<std::size_t>(lanes);
  pe::OperandWord word;
  for (int lane = 0; lane < lanes; ++lane) {
    pe::set_lane(word, lane, mode.activation_bits, first[lane]);
  }
  return word;
}

std::string TestRun::name() const {
  return pe::mode_name(mode) + " " + std::to_string(shape.channels) + " channels, " +
         std::to_string(shape.pixels) + " pixels, " + std::to_string(shape.steps) +
         (rescaling.stochastic ? " steps, stochastic, on " : " steps, half up, on ") +
         std::to_string(shape.rows) + "x" + std::to_string(shape.columns);
}

TestRun random_run(const abi::PeMode& mode, const chip::RunShape& shape, Random& random) {
  TestRun run;
  run.mode = mode;
  run.shape = shape;
  const std::size_t reduction = shape.steps * static_cast<std::size_t>(abi::lanes(mode));
  run.stride =
      (reduction + npu::kOperandAlignment - 1) / npu::kOperandAlignment * npu::kOperandAlignment;
  run.weights.resize(shape.channels * run.stride);
  run.activations.resize(shape.pixels * run.stride);
  const auto weight = [&] { return random_weight(mode, random); };
  const auto activation = [&] {
    return random_element(mode.activation_bits, mode.activation_signed, random);
  };
  for (uint64_t k = 0; k < shape.channels; ++k) {
    fill_row(&run.weights[k * run.stride], reduction, weight, random);
  }
  for (uint64_t p = 0; p < shape.pixels; ++p) {
    fill_row(&run.activations[p * run.stride], reduction, activation, random);
  }
  draw_parameters(run, random);
  return run;
}

chip::RunShape random_shape(uint32_t rows, uint32_t columns, Random& random) {
  chip::RunShape shape;
  shape.rows = rows;
  shape.columns = columns;
  // Exact multiples and single elements are as likely as everything between.
  const auto extent = [&](uint64_t unit) {
    switch (pick(random, 0, 3)) {
      case 0:
        return uint64_t{1};
      case 1:
        return unit * pick(random, 1, 3);
      default:
        return pick(random, 1, 3 * unit + 1);
    }
  };
  shape.channels = extent(rows);
  shape.pixels = extent(columns);
  shape.steps = extent(columns);
  return shape;
}

Expected expected_of(const TestRun& run, const std::vector<uint32_t>& bank_cycles) {
  const std::vector<uint32_t> none(run.shape.groups(), 0);
  npu::ArrayRun array_run{};
  array_run.mode = run.mode;
  array_run.shape = run.shape;
  array_run.bank_cycles = bank_cycles.empty() ? &none : &bank_cycles;
  array_run.weights = {run.weights.data(), run.stride};
  array_run.rescaling = run.rescaling;
  array_run.parameters = run.parameters.data();
  npu::MatrixClient client(run.shape, {run.activations.data(), run.stride}, run.positions.data());
  npu::ModelArray model;
  const npu::ArrayResult result = model.run(array_run, client);
  return {std::move(client.accumulators), std::move(client.values), result.saturations,
          result.overflow, result.cycles};
}

}  // namespace tessera::rtl
