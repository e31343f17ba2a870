#include "npu/model_array.hpp"

#include <algorithm>

namespace tessera::npu {

namespace {

constexpr int64_t kAccumulatorMax = (int64_t{1} << (abi::kAccumulatorBits - 1)) - 1;
constexpr int64_t kAccumulatorMin = -kAccumulatorMax - 1;

int64_t wrap(int64_t value) {
  constexpr int kUnused = 64 - abi::kAccumulatorBits;
  return static_cast<int64_t>(static_cast<uint64_t>(value) << kUnused) >> kUnused;
}

bool unsigned_words(const abi::PeMode& mode) {
  return mode.activation_bits == 16 && !mode.activation_signed;
}

int64_t largest_activation(const abi::PeMode& mode) {
  return mode.activation_signed ? int64_t{1} << (mode.activation_bits - 1)
                                : (int64_t{1} << mode.activation_bits) - 1;
}

int64_t largest_weight(const abi::PeMode& mode) {
  return mode.p4 ? int64_t{1} << abi::kP4FractionBits : int64_t{1} << (mode.weight_bits - 1);
}

/// Longest reduction, a multiple of kOperandAlignment, whose 32-bit sum cannot overflow.
std::size_t safe_length(int64_t activation, int64_t weight) {
  const auto length = static_cast<std::size_t>(INT32_MAX / (activation * weight));
  return length / kOperandAlignment * kOperandAlignment;
}

}  // namespace

ModelArray::ModelArray() : ModelArray(gemm_kernels().front()) {}
ModelArray::ModelArray(const GemmKernel& kernel) : kernel_(kernel) {}

void ModelArray::begin_run(const ArrayRun& run) {
  run_ = run;
  overflow_ = {};
  const std::size_t reduction = run.shape.steps * static_cast<std::size_t>(abi::lanes(run.mode));
  length_ = (reduction + kOperandAlignment - 1) / kOperandAlignment * kOperandAlignment;
}

void ModelArray::multiply(const int16_t* activations, std::size_t stride, uint64_t pixels,
                          std::size_t chunk, int shift, bool accumulate, int64_t* out,
                          std::size_t out_stride) const {
  for (std::size_t first = 0; first < length_; first += chunk) {
    GemmBlock block{};
    block.pixels = pixels;
    block.channels = run_.shape.channels;
    block.length = std::min(chunk, length_ - first);
    block.a = activations + first;
    block.a_stride = stride;
    block.w = run_.weights.data + first;
    block.w_stride = run_.weights.stride;
    block.out = out;
    block.out_stride = out_stride;
    block.shift = shift;
    block.accumulate = accumulate || first != 0;
    kernel_.run(block);
  }
}

void ModelArray::compute(uint64_t, uint64_t pixel_count, const OperandMatrix& activations,
                         int64_t* accumulators, std::size_t accumulator_stride) {
  const int64_t weight = largest_weight(run_.mode);
  const int64_t activation = largest_activation(run_.mode);
  const std::size_t direct = safe_length(activation, weight);
  if (direct != 0 && !unsigned_words(run_.mode)) {
    multiply(activations.data, activations.stride, pixel_count, direct, 0, false, accumulators,
             accumulator_stride);
  } else {
    const std::size_t elements = pixel_count * activations.stride;
    high_bytes_.resize(elements);
    low_bytes_.resize(elements);
    const bool is_signed = run_.mode.activation_signed;
    for (std::size_t i = 0; i < elements; ++i) {
      const int16_t value = activations.data[i];
      const int high = value >> 8;
      high_bytes_[i] = static_cast<int16_t>(is_signed ? high : high & 0xFF);
      low_bytes_[i] = static_cast<int16_t>(value & 0xFF);
    }
    const std::size_t bytewise = safe_length(255, weight);
    multiply(low_bytes_.data(), activations.stride, pixel_count, bytewise, 0, false, accumulators,
             accumulator_stride);
    multiply(high_bytes_.data(), activations.stride, pixel_count, bytewise, 8, true, accumulators,
             accumulator_stride);
  }
  if (activation * weight > kAccumulatorMax / static_cast<int64_t>(length_)) {
    find_overflow(activations, pixel_count);
    for (uint64_t k = 0; k < run_.shape.channels; ++k) {
      int64_t* row = accumulators + k * accumulator_stride;
      std::transform(row, row + pixel_count, row, wrap);
    }
  }
}

/// Walks every reduction step by step, as the accumulators do. Only reductions long enough to
/// overflow at all come here.
void ModelArray::find_overflow(const OperandMatrix& activations, uint64_t pixels) {
  const auto lanes = static_cast<std::size_t>(abi::lanes(run_.mode));
  const uint64_t channels = overflow_.happened ? overflow_.channel : run_.shape.channels;
  const auto value = [&](int16_t element) -> int64_t {
    return unsigned_words(run_.mode) ? static_cast<uint16_t>(element) : element;
  };
  for (uint64_t k = 0; k < channels; ++k) {
    const int16_t* w = run_.weights.data + k * run_.weights.stride;
    for (uint64_t p = 0; p < pixels; ++p) {
      const int16_t* a = activations.data + p * activations.stride;
      int64_t sum = 0;
      for (uint64_t step = 0; step < run_.shape.steps; ++step) {
        for (std::size_t lane = step * lanes; lane < (step + 1) * lanes; ++lane) {
          sum += value(a[lane]) * w[lane];
        }
        if (sum < kAccumulatorMin || sum > kAccumulatorMax) {
          overflow_ = {true, k};
          return;
        }
      }
    }
  }
}

chip::RunCycles ModelArray::end_run() { return chip::run_cycles(run_.shape, *run_.bank_cycles); }

}  // namespace tessera::npu
