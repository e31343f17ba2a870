#pragma once

/// A random convolution layer: its data in DRAM, its commands, and its result by plain loops.

#include <cstdint>
#include <random>
#include <vector>

#include "abi/npu_commands.hpp"
#include "cluster_bench.hpp"

namespace tessera::npu::test {

/// Shape and formats; the defaults are 8-bit.
struct ConvolutionShape {
  uint32_t in_channels = 3, height = 6, width = 6, out_channels = 4;
  uint32_t kernel_h = 3, kernel_w = 3, stride = 1, pad = 1;
  uint8_t activation_bits = 8, weight_bits = 8;
  bool activation_signed = false, p4 = false;
  uint8_t output_bits = 8;
  bool output_signed = false, stochastic = false;
  abi::PoolKind pool = abi::PoolKind::kNone;
  uint16_t pool_size = 1, pool_stride = 1;
  uint8_t residual_bits = 0;
  bool residual_signed = false;
  uint32_t rows_per_tile = 0;          ///< 0: all
  uint32_t channels_per_tile = 0;      ///< 0: all
  uint8_t spread_y = 1, spread_x = 1;  ///< without pool, residual, stochastic or channel tiles
  bool merge_rows = false;  ///< one segment a kernel row, where pixels have no padding bits
};

class ConvolutionCase {
 public:
  ConvolutionCase(const ConvolutionShape& shape, uint32_t seed);

  /// Writes the operands to DRAM, sends all commands, in a list at `list_address` if that is not 0,
  /// and waits for the last store.
  void execute(ClusterBench& bench, uint32_t layer, uint32_t list_address = 0);

  /// Elements that differ from the plain loops, and the elements compared.
  uint32_t mismatches(ClusterBench& bench) const;
  uint32_t output_count() const;
  const abi::ComputeConfig& config() const { return config_; }
  /// The whole layer as one RUN.
  abi::ComputeRun whole_run() const;
  uint64_t macs() const;         ///< every pooling window in full
  uint64_t active_macs() const;  ///< without those with a zero operand
  uint64_t saturations() const { return saturations_; }

 private:
  struct Map {
    uint32_t channels, height, width;
    int bits;
    bool is_signed;
    std::vector<int32_t> values;  ///< NHWC

    int32_t& at(uint32_t y, uint32_t x, uint32_t c) {
      return values[(y * width + x) * channels + c];
    }
    int32_t at(uint32_t y, uint32_t x, uint32_t c) const {
      return values[(y * width + x) * channels + c];
    }
    uint32_t pixel_bytes() const;
    void store(uint8_t* bytes) const;
    int32_t load(const uint8_t* bytes, uint32_t y, uint32_t x, uint32_t c) const;
  };

  int32_t input_at(int64_t y, int64_t x, uint32_t c) const;
  int32_t weight_at(uint32_t k, uint32_t ky, uint32_t kx, uint32_t c) const;
  int64_t accumulator(uint32_t k, uint32_t y, uint32_t x) const;
  int32_t convolution_value(uint32_t k, uint32_t y, uint32_t x);
  int32_t clamp(int64_t value, int32_t low, int32_t high);
  void compute_expected();
  abi::ComputeConfig make_config() const;
  std::vector<uint8_t> packed_weights() const;
  uint32_t stream_bytes() const;
  void send_tile(ClusterBench& bench, uint32_t layer, uint32_t y0, uint32_t rows, uint32_t k0,
                 uint32_t channels, bool first, bool last);

  ConvolutionShape s_;
  uint32_t conv_h_, conv_w_, out_h_, out_w_;
  bool merged_;
  Map input_, residual_, output_;
  std::vector<int32_t> weights_;  ///< [k][ky][kx][c]
  std::vector<abi::ChannelParameters> parameters_;
  abi::ComputeConfig config_{};
  uint64_t saturations_ = 0;
};

}  // namespace tessera::npu::test
