#include "npu/model_array.hpp"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "npu/matrix_client.hpp"
#include "npu/packing.hpp"
#include "pe/pe.hpp"

namespace tessera::npu {
namespace {

constexpr uint8_t kWidths[] = {2, 4, 8, 16};

std::vector<abi::PeMode> all_modes() {
  std::vector<abi::PeMode> modes;
  for (const uint8_t a : kWidths) {
    for (const bool is_signed : {false, true}) {
      for (const uint8_t w : kWidths) modes.push_back({a, w, is_signed, false});
      modes.push_back({a, 4, is_signed, true});
    }
  }
  return modes;
}

struct Operands {
  Operands(const abi::PeMode& mode, uint64_t channels, uint64_t pixels, uint64_t steps,
           std::mt19937& random, bool extreme)
      : reduction(steps * static_cast<uint64_t>(abi::lanes(mode))),
        stride((reduction + kOperandAlignment - 1) / kOperandAlignment * kOperandAlignment),
        activations(pixels * stride, 0),
        weights(channels * stride, 0) {
    const auto pick = [&](int32_t low, int32_t high) {
      if (extreme) return random() % 4 != 0 ? (random() % 2 != 0 ? low : high) : 0;
      return std::uniform_int_distribution<int32_t>(low, high)(random);
    };
    for (uint64_t p = 0; p < pixels; ++p) {
      for (uint64_t i = 0; i < reduction; ++i) {
        activations[p * stride + i] = static_cast<int16_t>(
            pick(abi::min_value(mode.activation_bits, mode.activation_signed),
                 abi::max_value(mode.activation_bits, mode.activation_signed)));
      }
    }
    for (uint64_t k = 0; k < channels; ++k) {
      for (uint64_t i = 0; i < reduction; ++i) {
        const int32_t weight = mode.p4 ? abi::p4_decode(static_cast<unsigned>(random() & 15U))
                                       : pick(abi::min_value(mode.weight_bits, true),
                                              abi::max_value(mode.weight_bits, true));
        weights[k * stride + i] = static_cast<int16_t>(weight);
      }
    }
  }

  uint64_t reduction, stride;
  std::vector<int16_t> activations, weights;
};

struct Answer {
  std::vector<int64_t> accumulators;  // [channels][pixels]
  chip::RunCycles cycles;
  ArrayOverflow overflow;
};

Answer run_array(ModelArray& array, const abi::PeMode& mode, const chip::RunShape& shape,
                 const Operands& operands) {
  const std::vector<uint32_t> banks(shape.groups(), 0);
  const std::vector<uint32_t> positions(shape.pixels, 0);
  const std::vector<abi::ChannelParameters> parameters(shape.channels);
  ArrayRun run{};
  run.mode = mode;
  run.shape = shape;
  run.bank_cycles = &banks;
  run.weights = {operands.weights.data(), operands.stride};
  run.parameters = parameters.data();
  MatrixClient client(shape, {operands.activations.data(), operands.stride}, positions.data());
  const ArrayResult result = array.run(run, client);
  return {std::move(client.accumulators), result.cycles, result.overflow};
}

int64_t naive(const abi::PeMode& mode, const Operands& operands, uint64_t k, uint64_t p) {
  int64_t sum = 0;
  for (uint64_t i = 0; i < operands.reduction; ++i) {
    const int64_t a = element_value(operands.activations[p * operands.stride + i],
                                    mode.activation_bits, mode.activation_signed);
    sum += a * operands.weights[k * operands.stride + i];
  }
  return sum;
}

TEST(ModelArray, every_kernel_and_mode_sums_exactly) {
  std::mt19937 random(11);
  SCOPED_TRACE("seed 11");
  for (const GemmKernel& kernel : gemm_kernels()) {
    ModelArray array(kernel, 4);  // so that the 9 pixels come in pieces
    for (const abi::PeMode& mode : all_modes()) {
      for (const bool extreme : {false, true}) {
        const chip::RunShape shape{4, 4, 7, 9, 37};
        const Operands operands(mode, shape.channels, shape.pixels, shape.steps, random, extreme);
        const Answer answer = run_array(array, mode, shape, operands);
        for (uint64_t k = 0; k < shape.channels; ++k) {
          for (uint64_t p = 0; p < shape.pixels; ++p) {
            ASSERT_EQ(answer.accumulators[k * shape.pixels + p], naive(mode, operands, k, p))
                << kernel.name << ", " << int{mode.activation_bits} << "x" << int{mode.weight_bits}
                << (mode.activation_signed ? " signed" : " unsigned") << (mode.p4 ? " p4" : "");
          }
        }
        EXPECT_FALSE(answer.overflow.happened);
      }
    }
  }
}

TEST(ModelArray, long_reductions_of_the_largest_operands_stay_exact) {
  std::mt19937 random(12);
  SCOPED_TRACE("seed 12");
  for (const GemmKernel& kernel : gemm_kernels()) {
    ModelArray array(kernel);
    for (const abi::PeMode& mode : all_modes()) {
      const chip::RunShape shape{4, 4, 2, 3, 3000};
      const Operands operands(mode, shape.channels, shape.pixels, shape.steps, random, true);
      const Answer answer = run_array(array, mode, shape, operands);
      for (uint64_t k = 0; k < shape.channels; ++k) {
        for (uint64_t p = 0; p < shape.pixels; ++p) {
          ASSERT_EQ(answer.accumulators[k * shape.pixels + p], naive(mode, operands, k, p));
        }
      }
    }
  }
}

TEST(ModelArray, a_pe_built_from_bricks_computes_the_same_accumulators) {
  std::mt19937 random(13);
  SCOPED_TRACE("seed 13");
  ModelArray array;
  for (const abi::PeMode& mode : all_modes()) {
    const chip::RunShape shape{2, 2, 3, 2, 20};
    const Operands operands(mode, shape.channels, shape.pixels, shape.steps, random, false);
    const Answer answer = run_array(array, mode, shape, operands);
    const int lanes = abi::lanes(mode);
    for (uint64_t k = 0; k < shape.channels; ++k) {
      for (uint64_t p = 0; p < shape.pixels; ++p) {
        pe::Pe pe(mode);
        for (uint64_t step = 0; step < shape.steps; ++step) {
          pe::OperandWord a, w;
          for (int lane = 0; lane < lanes; ++lane) {
            const std::size_t i = step * static_cast<uint64_t>(lanes) + static_cast<uint64_t>(lane);
            const int32_t weight = operands.weights[k * operands.stride + i];
            pe::set_lane(a, lane, mode.activation_bits,
                         operands.activations[p * operands.stride + i]);
            pe::set_lane(w, lane, mode.weight_bits, mode.p4 ? abi::p4_encode(weight) : weight);
          }
          pe.step(a, w);
        }
        ASSERT_EQ(answer.accumulators[k * shape.pixels + p], pe.accumulator())
            << int{mode.activation_bits} << "x" << int{mode.weight_bits};
      }
    }
  }
}

TEST(ModelArray, an_overflow_inside_of_a_reduction_is_seen_even_if_the_sum_returns) {
  const abi::PeMode mode{16, 16, true, false};
  const chip::RunShape shape{2, 2, 2, 1, 140000};
  std::mt19937 random(14);
  SCOPED_TRACE("seed 14");
  Operands operands(mode, 2, 1, shape.steps, random, true);
  for (uint64_t i = 0; i < operands.reduction; ++i) {
    operands.activations[i] = -32768;
    operands.weights[i] = 0;
    operands.weights[operands.stride + i] =
        static_cast<int16_t>(i < 131072 ? -32768 : 32767);  // reaches 2^47, then falls
  }
  ModelArray array;
  const Answer answer = run_array(array, mode, shape, operands);
  EXPECT_TRUE(answer.overflow.happened);
  EXPECT_EQ(answer.overflow.channel, 1u);

  operands.weights[operands.stride] = -32767;  // one short of the limit
  EXPECT_FALSE(run_array(array, mode, shape, operands).overflow.happened);
}

TEST(ModelArray, a_run_takes_the_cycles_of_the_timing_equations) {
  const abi::PeMode mode{8, 8, false, false};
  const chip::RunShape shape{4, 4, 9, 10, 30};
  std::mt19937 random(15);
  SCOPED_TRACE("seed 15");
  const Operands operands(mode, shape.channels, shape.pixels, shape.steps, random, false);
  ModelArray array;
  EXPECT_EQ(run_array(array, mode, shape, operands).cycles.total, chip::run_cycles(shape).total);
}

}  // namespace
}  // namespace tessera::npu
