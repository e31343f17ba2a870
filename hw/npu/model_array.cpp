#include "npu/model_array.hpp"

#include <algorithm>

namespace tessera::npu {

namespace {

constexpr int64_t kAccumulatorMax = (int64_t{1} << (abi::kAccumulatorBits - 1)) - 1;
constexpr int64_t kAccumulatorMin = -kAccumulatorMax - 1;

/// Operands of a chunk of pixels, unless one group has more.
constexpr std::size_t kChunkElements = 1U << 22;

std::size_t round_up(std::size_t value, std::size_t step) {
  return (value + step - 1) / step * step;
}

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
ModelArray::ModelArray(const GemmKernel& kernel, std::size_t chunk_pixels)
    : kernel_(kernel), chunk_pixels_(chunk_pixels) {}

bool ModelArray::predictable(const abi::PeMode& mode, std::size_t reduction) const {
  const auto length = static_cast<int64_t>(round_up(reduction, kOperandAlignment));
  return largest_activation(mode) * largest_weight(mode) <= kAccumulatorMax / length;
}

ArrayResult ModelArray::run(const ArrayRun& run, ArrayClient& client) {
  const chip::RunShape& shape = run.shape;
  const std::size_t reduction = shape.steps * static_cast<std::size_t>(abi::lanes(run.mode));
  length_ = round_up(reduction, kOperandAlignment);
  overflow_ = {};
  const std::size_t limit =
      std::clamp<std::size_t>(kChunkElements / run.weights.stride, 1, chunk_pixels_);
  const std::size_t chunk = std::min<uint64_t>(round_up(limit, shape.columns), shape.pixels);
  const uint64_t slice_channels = shape.sliced ? shape.rows : shape.channels;
  accumulators_.resize(std::min(slice_channels, shape.channels) * chunk);
  values_.resize(accumulators_.size());

  ArrayResult result;
  for (uint64_t channel = 0; channel < shape.channels; channel += slice_channels) {
    const Channels channels{channel, std::min(slice_channels, shape.channels - channel)};
    for (uint64_t first = 0; first < shape.pixels; first += chunk) {
      const uint64_t count = std::min<uint64_t>(chunk, shape.pixels - first);
      const PixelOperands operands = client.pixels(channel / slice_channels, first, count);
      compute(run, channels, operands.activations, count);
      for (uint64_t k = 0; k < channels.count; ++k) {
        result.saturations += rescale(run.rescaling, run.parameters[channel + k], channel + k,
                                      accumulators_.data() + k * count, operands.positions, count,
                                      values_.data() + k * count);
      }
      client.take(
          {channel, channels.count, first, count, accumulators_.data(), values_.data(), count});
    }
  }
  result.cycles = chip::run_cycles(shape, *run.bank_cycles);
  result.overflow = overflow_;
  return result;
}

void ModelArray::multiply(const ArrayRun& run, Channels channels, const int16_t* activations,
                          std::size_t stride, uint64_t pixels, std::size_t chunk, int shift,
                          bool accumulate) {
  for (std::size_t first = 0; first < length_; first += chunk) {
    GemmBlock block{};
    block.pixels = pixels;
    block.channels = channels.count;
    block.length = std::min(chunk, length_ - first);
    block.a = activations + first;
    block.a_stride = stride;
    block.w = run.weights.data + channels.first * run.weights.stride + first;
    block.w_stride = run.weights.stride;
    block.out = accumulators_.data();
    block.out_stride = pixels;
    block.shift = shift;
    block.accumulate = accumulate || first != 0;
    kernel_.run(block);
  }
}

/// Accumulators of some channels at some pixels, [channels][pixels].
void ModelArray::compute(const ArrayRun& run, Channels channels, const OperandMatrix& activations,
                         uint64_t pixels) {
  const abi::PeMode& mode = run.mode;
  const int64_t weight = largest_weight(mode);
  const int64_t activation = largest_activation(mode);
  const std::size_t direct = safe_length(activation, weight);
  if (direct != 0 && !unsigned_words(mode)) {
    multiply(run, channels, activations.data, activations.stride, pixels, direct, 0, false);
  } else {
    const std::size_t elements = pixels * activations.stride;
    high_bytes_.resize(elements);
    low_bytes_.resize(elements);
    for (std::size_t i = 0; i < elements; ++i) {
      const int16_t value = activations.data[i];
      const int high = value >> 8;
      high_bytes_[i] = static_cast<int16_t>(mode.activation_signed ? high : high & 0xFF);
      low_bytes_[i] = static_cast<int16_t>(value & 0xFF);
    }
    const std::size_t bytewise = safe_length(255, weight);
    multiply(run, channels, low_bytes_.data(), activations.stride, pixels, bytewise, 0, false);
    multiply(run, channels, high_bytes_.data(), activations.stride, pixels, bytewise, 8, true);
  }
  if (!predictable(mode, length_)) {
    find_overflow(run, channels, activations, pixels);
    const auto end = accumulators_.begin() + static_cast<std::ptrdiff_t>(channels.count * pixels);
    std::transform(accumulators_.begin(), end, accumulators_.begin(), wrap);
  }
}

/// Walks every reduction step by step, as the accumulators do. Only reductions long enough to
/// overflow at all come here.
void ModelArray::find_overflow(const ArrayRun& run, Channels some, const OperandMatrix& activations,
                               uint64_t pixels) {
  const auto lanes = static_cast<std::size_t>(abi::lanes(run.mode));
  const uint64_t end = std::min(some.first + some.count,
                                overflow_.happened ? overflow_.channel : run.shape.channels);
  const auto value = [&](int16_t element) -> int64_t {
    return unsigned_words(run.mode) ? static_cast<uint16_t>(element) : element;
  };
  for (uint64_t k = some.first; k < end; ++k) {
    const int16_t* w = run.weights.data + k * run.weights.stride;
    for (uint64_t p = 0; p < pixels; ++p) {
      const int16_t* a = activations.data + p * activations.stride;
      int64_t sum = 0;
      for (uint64_t step = 0; step < run.shape.steps; ++step) {
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

}  // namespace tessera::npu
