#include "convolution_case.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "abi/number_formats.hpp"

namespace tessera::npu::test {

namespace {

constexpr uint32_t kInputAddress = kDramBase;
constexpr uint32_t kWeightAddress = kDramBase + 0x4'0000;
constexpr uint32_t kParameterAddress = kDramBase + 0x8'0000;
constexpr uint32_t kResidualAddress = kDramBase + 0xA'0000;
constexpr uint32_t kOutputAddress = kDramBase + 0xD'0000;
constexpr uint32_t kLocalResidual = 0x8000;
constexpr uint32_t kRowGap = 2;  ///< bytes between rows of the input in the scratchpad

__extension__ using Int128 = __int128;

int64_t floor_shift(Int128 value, int shift) {
  const Int128 divisor = Int128{1} << shift;
  const Int128 quotient = value / divisor;
  return static_cast<int64_t>(value % divisor < 0 ? quotient - 1 : quotient);
}

Int128 half_of(int shift) { return shift == 0 ? 0 : Int128{1} << (shift - 1); }

void put_bits(uint8_t* bytes, std::size_t bit, int bits, uint32_t value) {
  for (int b = 0; b < bits; ++b, ++bit) {
    const auto mask = static_cast<uint8_t>(1U << (bit % 8));
    bytes[bit / 8] = static_cast<uint8_t>((value >> b & 1U) != 0 ? bytes[bit / 8] | mask
                                                                 : bytes[bit / 8] & ~mask);
  }
}

}  // namespace

uint32_t ConvolutionCase::Map::pixel_bytes() const {
  return (channels * static_cast<uint32_t>(bits) + 7) / 8;
}

void ConvolutionCase::Map::store(uint8_t* bytes) const {
  for (uint32_t pixel = 0; pixel < height * width; ++pixel) {
    for (uint32_t c = 0; c < channels; ++c) {
      put_bits(bytes + pixel * pixel_bytes(), c * static_cast<uint32_t>(bits), bits,
               static_cast<uint32_t>(values[pixel * channels + c]));
    }
  }
}

int32_t ConvolutionCase::Map::load(const uint8_t* bytes, uint32_t y, uint32_t x, uint32_t c) const {
  const uint8_t* pixel = bytes + (y * width + x) * pixel_bytes();
  int32_t value = 0;
  for (int b = 0; b < bits; ++b) {
    const std::size_t bit = c * static_cast<uint32_t>(bits) + static_cast<uint32_t>(b);
    value |= (pixel[bit / 8] >> (bit % 8) & 1) << b;
  }
  return is_signed && (value >> (bits - 1) & 1) != 0 ? value - (1 << bits) : value;
}

ConvolutionCase::ConvolutionCase(const ConvolutionShape& shape, uint32_t seed) : s_(shape) {
  std::mt19937 random(seed);
  const auto pick = [&](int32_t low, int32_t high) {
    return std::uniform_int_distribution<int32_t>(low, high)(random);
  };
  const auto fill = [&](Map& map) {
    map.values.resize(map.height * map.width * map.channels);
    for (auto& value : map.values) {
      value =
          pick(abi::min_value(map.bits, map.is_signed), abi::max_value(map.bits, map.is_signed));
      if (random() % 5 == 0) value = 0;
    }
  };
  conv_h_ = (s_.height + 2 * s_.pad - s_.kernel_h) / s_.stride + 1;
  conv_w_ = (s_.width + 2 * s_.pad - s_.kernel_w) / s_.stride + 1;
  out_h_ = (conv_h_ - s_.pool_size) / s_.pool_stride + 1;
  out_w_ = (conv_w_ - s_.pool_size) / s_.pool_stride + 1;
  if (s_.rows_per_tile == 0) s_.rows_per_tile = out_h_;
  if (s_.channels_per_tile == 0) s_.channels_per_tile = s_.out_channels;

  input_ = {s_.in_channels, s_.height, s_.width, s_.activation_bits, s_.activation_signed, {}};
  fill(input_);
  residual_ = {s_.out_channels, conv_h_, conv_w_, s_.residual_bits, s_.residual_signed, {}};
  if (s_.residual_bits != 0) fill(residual_);
  merged_ = s_.merge_rows && s_.in_channels * s_.activation_bits % 8 == 0;

  const uint32_t reduction = s_.kernel_h * s_.kernel_w * s_.in_channels;
  weights_.resize(s_.out_channels * reduction);
  for (auto& weight : weights_) {
    weight = s_.p4
                 ? abi::p4_decode(static_cast<unsigned>(random() & 15U))
                 : pick(abi::min_value(s_.weight_bits, true), abi::max_value(s_.weight_bits, true));
  }
  const double largest = std::ldexp(1.0, s_.activation_bits + (s_.p4 ? 7 : s_.weight_bits) - 2) *
                         std::sqrt(static_cast<double>(reduction));
  for (uint32_t k = 0; k < s_.out_channels; ++k) {
    const auto multiplier = static_cast<uint16_t>(pick(1, 65535));
    const double scale = largest * multiplier / std::ldexp(1.0, s_.output_bits);
    const int shift = std::clamp(static_cast<int>(std::log2(scale)), 0, 47);
    parameters_.push_back({pick(-1000, 1000), multiplier, static_cast<uint8_t>(shift), 0});
  }
  config_ = make_config();
  compute_expected();
}

abi::ComputeConfig ConvolutionCase::make_config() const {
  abi::ComputeConfig c{};
  c.activation_bits = s_.activation_bits;
  c.weight_bits = s_.weight_bits;
  c.activation_signed = s_.activation_signed;
  c.p4 = s_.p4;
  c.output_bits = s_.output_bits;
  c.output_signed = s_.output_signed;
  c.residual_bits = s_.residual_bits;
  c.residual_signed = s_.residual_signed;
  c.stochastic = s_.stochastic;
  c.pool_kind = static_cast<uint8_t>(s_.pool);
  const uint32_t window_w = s_.kernel_w + (s_.spread_x - 1U) * s_.stride;
  c.segment_elements = merged_ ? window_w * s_.in_channels : s_.in_channels;
  c.segments_y = s_.kernel_h + (s_.spread_y - 1U) * s_.stride;
  c.segments_x = merged_ ? 1 : window_w;
  c.tap_step_y = c.tap_step_x = 1;
  c.pixel_step_y = s_.stride * s_.spread_y;
  c.pixel_step_x = s_.stride * s_.spread_x;
  c.input_pixel_pitch = input_.pixel_bytes();
  c.input_row_pitch = s_.width * input_.pixel_bytes() + kRowGap;
  c.spread_y = s_.spread_y;
  c.spread_x = s_.spread_x;
  c.pool_h = c.pool_w = s_.pool_size;
  c.pool_stride_y = c.pool_stride_x = s_.pool_stride;
  c.convolution_width = conv_w_;
  c.output_pixel_pitch = (s_.channels_per_tile * s_.output_bits + 7) / 8;
  c.output_row_pitch = c.output_pixel_pitch * out_w_;
  c.residual_pixel_pitch = residual_.pixel_bytes();
  c.residual_row_pitch = residual_.pixel_bytes() * conv_w_;
  c.seed = 4711;
  const int32_t low = abi::min_value(s_.output_bits, s_.output_signed);
  const int32_t high = abi::max_value(s_.output_bits, s_.output_signed);
  const bool last_stage = s_.residual_bits == 0 && s_.pool != abi::PoolKind::kAverage;
  c.low = last_stage ? low : -300;
  c.high = last_stage ? high : 300;
  c.own_multiplier = 40000;
  c.residual_multiplier = 30000;
  c.add_shift = 15;
  c.residual_low = s_.pool == abi::PoolKind::kAverage ? -200 : low;
  c.residual_high = s_.pool == abi::PoolKind::kAverage ? 200 : high;
  c.pool_multiplier = static_cast<uint16_t>(65536 / (s_.pool_size * s_.pool_size + 1));
  c.pool_shift = 15;
  c.pool_low = low;
  c.pool_high = high;
  return c;
}

int32_t ConvolutionCase::input_at(int64_t y, int64_t x, uint32_t c) const {
  if (y < 0 || x < 0 || y >= s_.height || x >= s_.width) return 0;
  return input_.at(static_cast<uint32_t>(y), static_cast<uint32_t>(x), c);
}

int32_t ConvolutionCase::weight_at(uint32_t k, uint32_t ky, uint32_t kx, uint32_t c) const {
  return weights_[((k * s_.kernel_h + ky) * s_.kernel_w + kx) * s_.in_channels + c];
}

int64_t ConvolutionCase::accumulator(uint32_t k, uint32_t y, uint32_t x) const {
  int64_t sum = 0;
  for (uint32_t ky = 0; ky < s_.kernel_h; ++ky) {
    for (uint32_t kx = 0; kx < s_.kernel_w; ++kx) {
      for (uint32_t c = 0; c < s_.in_channels; ++c) {
        sum +=
            static_cast<int64_t>(input_at(static_cast<int64_t>(y) * s_.stride + ky - s_.pad,
                                          static_cast<int64_t>(x) * s_.stride + kx - s_.pad, c)) *
            weight_at(k, ky, kx, c);
      }
    }
  }
  return sum;
}

int32_t ConvolutionCase::clamp(int64_t value, int32_t low, int32_t high) {
  saturations_ += value > high || (value < low && low != 0);
  return static_cast<int32_t>(std::clamp<int64_t>(value, low, high));
}

int32_t ConvolutionCase::convolution_value(uint32_t k, uint32_t y, uint32_t x) {
  const abi::ChannelParameters& p = parameters_[k];
  Int128 addend = half_of(p.shift);
  if (s_.stochastic) {
    addend = static_cast<Int128>(
        abi::rounding_noise(abi::rounding_hash(config_.seed, k, y * conv_w_ + x), p.shift));
  }
  const Int128 product = (static_cast<Int128>(accumulator(k, y, x)) + p.bias) * p.multiplier;
  const int32_t q = clamp(floor_shift(product + addend, p.shift), config_.low, config_.high);
  if (s_.residual_bits == 0) return q;
  const Int128 sum = static_cast<Int128>(q) * config_.own_multiplier +
                     static_cast<Int128>(residual_.at(y, x, k)) * config_.residual_multiplier;
  return clamp(floor_shift(sum + half_of(config_.add_shift), config_.add_shift),
               config_.residual_low, config_.residual_high);
}

void ConvolutionCase::compute_expected() {
  output_ = {s_.out_channels, out_h_, out_w_, s_.output_bits, s_.output_signed, {}};
  output_.values.resize(out_h_ * out_w_ * s_.out_channels);
  for (uint32_t k = 0; k < s_.out_channels; ++k) {
    for (uint32_t y = 0; y < out_h_; ++y) {
      for (uint32_t x = 0; x < out_w_; ++x) {
        int64_t sum = 0;
        int32_t maximum = INT32_MIN;
        for (uint32_t py = 0; py < s_.pool_size; ++py) {
          for (uint32_t px = 0; px < s_.pool_size; ++px) {
            const int32_t q =
                convolution_value(k, y * s_.pool_stride + py, x * s_.pool_stride + px);
            sum += q;
            maximum = std::max(maximum, q);
          }
        }
        if (s_.pool == abi::PoolKind::kAverage) {
          const Int128 scaled = static_cast<Int128>(sum) * config_.pool_multiplier;
          maximum = clamp(floor_shift(scaled + half_of(config_.pool_shift), config_.pool_shift),
                          config_.pool_low, config_.pool_high);
        }
        output_.at(y, x, k) = maximum;
      }
    }
  }
}

uint32_t ConvolutionCase::stream_bytes() const {
  const int lanes = abi::lanes(s_.activation_bits, s_.weight_bits);
  const auto l = static_cast<uint32_t>(lanes);
  const uint32_t steps =
      config_.segments_y * config_.segments_x * ((config_.segment_elements + l - 1) / l);
  return (steps * l * s_.weight_bits + 127) / 128 * 16;
}

std::vector<uint8_t> ConvolutionCase::packed_weights() const {
  const auto lanes = static_cast<uint32_t>(abi::lanes(s_.activation_bits, s_.weight_bits));
  const uint32_t segment_lanes = (config_.segment_elements + lanes - 1) / lanes * lanes;
  const uint32_t positions = uint32_t{s_.spread_y} * s_.spread_x;
  std::vector<uint8_t> bytes(stream_bytes() * s_.out_channels * positions, 0);
  const auto put = [&](uint32_t row, uint32_t y, uint32_t x, uint32_t c, int32_t weight) {
    const uint32_t lane = merged_ ? y * segment_lanes + x * s_.in_channels + c
                                  : (y * config_.segments_x + x) * segment_lanes + c;
    put_bits(bytes.data() + row * stream_bytes(), lane * s_.weight_bits, s_.weight_bits,
             static_cast<uint32_t>(s_.p4 ? abi::p4_encode(weight) : weight));
  };
  const uint32_t window_h = config_.segments_y;
  const uint32_t window_w = s_.kernel_w + (s_.spread_x - 1U) * s_.stride;
  for (uint32_t row = 0; row < positions * s_.out_channels; ++row) {
    const uint32_t k = row % s_.out_channels;
    const uint32_t top = row / s_.out_channels / s_.spread_x * s_.stride;
    const uint32_t left = row / s_.out_channels % s_.spread_x * s_.stride;
    for (uint32_t n = 0; n < window_h * window_w * s_.in_channels; ++n) {
      const uint32_t y = n / s_.in_channels / window_w;
      const uint32_t x = n / s_.in_channels % window_w;
      const uint32_t c = n % s_.in_channels;
      const bool own = y >= top && y < top + s_.kernel_h && x >= left && x < left + s_.kernel_w;
      put(row, y, x, c, own ? weight_at(k, y - top, x - left, c) : 0);
    }
  }
  return bytes;
}

void ConvolutionCase::send_tile(ClusterBench& bench, uint32_t layer, uint32_t y0, uint32_t rows,
                                uint32_t k0, uint32_t channels, bool first, bool last) {
  using abi::Engine;
  using abi::Opcode;
  const uint32_t tag = abi::make_tag(layer, y0 * 64 + k0);
  const uint32_t conv_first = y0 * s_.pool_stride;
  const uint32_t conv_rows = (rows - 1) * s_.pool_stride + s_.pool_size;

  const int64_t top = static_cast<int64_t>(conv_first) * s_.stride - s_.pad;
  const int64_t bottom = top + (conv_rows - 1) * s_.stride + s_.kernel_h;
  const int64_t from = std::max<int64_t>(top, 0);
  const int64_t to = std::min<int64_t>(bottom, s_.height);
  const uint32_t row_bytes = s_.width * input_.pixel_bytes();
  abi::Transfer t{};
  t.dram_address = kInputAddress + static_cast<uint32_t>(from) * row_bytes;
  t.local_address = abi::kLocalActivations;
  t.x_bytes = row_bytes;
  t.y_count = static_cast<uint32_t>(to - from);
  t.z_count = 1;
  t.y_dram_stride = static_cast<int32_t>(row_bytes);
  t.y_local_stride = static_cast<int32_t>(config_.input_row_pitch);
  bench.push(Engine::kLoad, header(Opcode::kLoad, first ? 0 : kComputeBit), tag, t);
  if (s_.residual_bits != 0) {
    const uint32_t bytes = conv_w_ * residual_.pixel_bytes();
    bench.push(
        Engine::kLoad, header(Opcode::kLoad), tag,
        plain_transfer(kResidualAddress + conv_first * bytes, kLocalResidual, conv_rows * bytes));
  }
  bench.push(Engine::kLoad, header(Opcode::kLoad), tag,
             plain_transfer(kParameterAddress + k0 * 8, abi::kLocalParameters, channels * 8));
  bench.push(Engine::kLoad, header(Opcode::kLoad, 0, kComputeBit), tag,
             plain_transfer(kWeightAddress + k0 * stream_bytes(), abi::kLocalWeights,
                            channels * s_.spread_y * s_.spread_x * stream_bytes()));

  if (first) bench.push(Engine::kCompute, header(Opcode::kConfigure), tag, config_);
  abi::ComputeRun run = whole_run();
  run.residual_address += k0 * s_.residual_bits / 8;
  run.channel_first = k0;
  run.channel_count = channels;
  run.y_first = static_cast<uint16_t>(y0);
  run.y_count = static_cast<uint16_t>(rows);
  run.input_row = static_cast<int16_t>(top - from);
  run.input_rows = static_cast<uint16_t>(to - from);
  bench.push(Engine::kCompute,
             header(Opcode::kRun, kLoadBit | (first ? 0 : kStoreBit), kLoadBit | kStoreBit), tag,
             run);

  abi::Transfer out{};
  out.dram_address = kOutputAddress + y0 * out_w_ * output_.pixel_bytes() + k0 * s_.output_bits / 8;
  out.local_address = abi::kLocalOutputs;
  out.x_bytes = (channels * s_.output_bits + 7U) / 8U;
  out.y_count = out_w_;
  out.z_count = rows;
  out.y_dram_stride = static_cast<int32_t>(output_.pixel_bytes());
  out.z_dram_stride = static_cast<int32_t>(output_.pixel_bytes() * out_w_);
  out.y_local_stride = static_cast<int32_t>(config_.output_pixel_pitch);
  out.z_local_stride = static_cast<int32_t>(config_.output_row_pitch);
  bench.push(Engine::kStore, header(Opcode::kStore, kComputeBit, kComputeBit, last), tag, out);
}

void ConvolutionCase::execute(ClusterBench& bench, uint32_t layer, uint32_t list_address) {
  bench.write(abi::npu_reg::CONTROL, abi::kControlReset);
  input_.store(bench.dram_at(kInputAddress));
  if (s_.residual_bits != 0) residual_.store(bench.dram_at(kResidualAddress));
  const std::vector<uint8_t> weights = packed_weights();
  std::memcpy(bench.dram_at(kWeightAddress), weights.data(), weights.size());
  std::memcpy(bench.dram_at(kParameterAddress), parameters_.data(), parameters_.size() * 8);
  std::memset(bench.dram_at(kOutputAddress), 0xEE, out_h_ * out_w_ * output_.pixel_bytes());
  if (list_address != 0) bench.begin_list();
  for (uint32_t k = 0; k < s_.out_channels; k += s_.channels_per_tile) {
    for (uint32_t y = 0; y < out_h_; y += s_.rows_per_tile) {
      const uint32_t rows = std::min(s_.rows_per_tile, out_h_ - y);
      const uint32_t channels = std::min(s_.channels_per_tile, s_.out_channels - k);
      send_tile(bench, layer, y, rows, k, channels, k == 0 && y == 0,
                k + channels == s_.out_channels && y + rows == out_h_);
    }
  }
  if (list_address != 0) bench.start_list(list_address);
  bench.wait_for_notify(1);
}

uint32_t ConvolutionCase::mismatches(ClusterBench& bench) const {
  uint32_t count = 0;
  for (uint32_t y = 0; y < out_h_; ++y) {
    for (uint32_t x = 0; x < out_w_; ++x) {
      for (uint32_t k = 0; k < s_.out_channels; ++k) {
        count += output_.load(bench.dram_at(kOutputAddress), y, x, k) != output_.at(y, x, k);
      }
    }
  }
  return count;
}

abi::ComputeRun ConvolutionCase::whole_run() const {
  abi::ComputeRun run{};
  run.activation_address = abi::kLocalActivations;
  run.weight_address = abi::kLocalWeights;
  run.parameter_address = abi::kLocalParameters;
  run.output_address = abi::kLocalOutputs;
  run.residual_address = kLocalResidual;
  run.channel_count = s_.out_channels;
  run.y_count = static_cast<uint16_t>(out_h_);
  run.x_count = static_cast<uint16_t>(out_w_);
  run.input_row = run.input_column = static_cast<int16_t>(-static_cast<int32_t>(s_.pad));
  run.input_rows = static_cast<uint16_t>(s_.height);
  run.input_columns = static_cast<uint16_t>(s_.width);
  return run;
}

uint32_t ConvolutionCase::output_count() const { return out_h_ * out_w_ * s_.out_channels; }

uint64_t ConvolutionCase::macs() const {
  return static_cast<uint64_t>(output_count()) * s_.pool_size * s_.pool_size * s_.kernel_h *
         s_.kernel_w * s_.in_channels;
}

uint64_t ConvolutionCase::active_macs() const {
  uint64_t active = 0;
  const uint32_t window = s_.pool_size * s_.pool_size;
  for (uint32_t n = 0; n < out_h_ * out_w_ * window; ++n) {
    const uint32_t y = n / window / out_w_ * s_.pool_stride + n % window / s_.pool_size;
    const uint32_t x = n / window % out_w_ * s_.pool_stride + n % window % s_.pool_size;
    for (uint32_t k = 0; k < s_.out_channels; ++k) {
      for (uint32_t ky = 0; ky < s_.kernel_h; ++ky) {
        for (uint32_t kx = 0; kx < s_.kernel_w; ++kx) {
          for (uint32_t c = 0; c < s_.in_channels; ++c) {
            active += input_at(static_cast<int64_t>(y) * s_.stride + ky - s_.pad,
                               static_cast<int64_t>(x) * s_.stride + kx - s_.pad, c) != 0 &&
                      weight_at(k, ky, kx, c) != 0;
          }
        }
      }
    }
  }
  return active;
}

}  // namespace tessera::npu::test
