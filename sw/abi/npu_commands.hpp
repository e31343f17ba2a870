#pragma once

/// Commands of the NPU's load, compute and store engines. A command is a header word, a tag word
/// and the payload, written word by word to the engine's FIFO register. An engine takes its
/// commands in order: it waits for one token from every engine in the wait mask, executes, then
/// gives one token to every engine in the signal mask.

#include <stdint.h>

#include "abi/npu_registers.hpp"

namespace tessera::abi {

enum class Opcode : uint32_t {
  kLoad = 0x01,       ///< load engine: Transfer
  kConfigure = 0x10,  ///< compute engine: ComputeConfig
  kRun = 0x11,        ///< compute engine: ComputeRun
  kStore = 0x20,      ///< store engine: Transfer, without padding
};

constexpr uint32_t engine_bit(Engine engine) { return 1U << static_cast<uint32_t>(engine); }

/// Header: opcode 7:0, payload words 15:8, wait mask 18:16, signal mask 22:20, notify 24.
struct CommandHeader {
  Opcode opcode = Opcode::kLoad;
  uint32_t payload_words = 0;
  uint32_t wait_mask = 0;    ///< engine_bit of the engines to take a token from
  uint32_t signal_mask = 0;  ///< engine_bit of the engines to give a token to
  bool notify = false;       ///< count in NOTIFY_COUNT and raise kIrqNotify on completion
};

constexpr uint32_t encode(const CommandHeader& h) {
  return static_cast<uint32_t>(h.opcode) | h.payload_words << 8 | h.wait_mask << 16 |
         h.signal_mask << 20 | (h.notify ? 1U << 24 : 0U);
}
constexpr CommandHeader decode_header(uint32_t word) {
  CommandHeader h;
  h.opcode = static_cast<Opcode>(word & 0xFF);
  h.payload_words = word >> 8 & 0xFF;
  h.wait_mask = word >> 16 & 7;
  h.signal_mask = word >> 20 & 7;
  h.notify = (word >> 24 & 1) != 0;
  return h;
}
constexpr uint32_t kMaxTokens = 255;

/// The tag of a command: the layer it belongs to and a running number, for errors and statistics.
constexpr uint32_t make_tag(uint32_t layer, uint32_t tile) { return layer << 16 | (tile & 0xFFFF); }
constexpr uint32_t tag_layer(uint32_t tag) { return tag >> 16; }

/// Scratchpad addresses.
constexpr uint32_t kLocalActivations = 0x0000'0000;
constexpr uint32_t kLocalWeights = 0x0100'0000;
constexpr uint32_t kLocalOutputs = 0x0200'0000;
constexpr uint32_t kLocalParameters = 0x0300'0000;
constexpr uint32_t kLocalRegionBytes = 0x0100'0000;

/// A 3-D copy between DRAM and a scratchpad: z_count planes of y_count rows of x_bytes contiguous
/// bytes. A load may frame each plane with zeros: every local row is pad_left + x_bytes + pad_right
/// bytes, and pad_top rows before and pad_bottom rows after the y_count rows are zero.
struct Transfer {
  uint32_t dram_address;
  uint32_t local_address;  ///< of the first padded row
  uint32_t x_bytes;
  uint32_t y_count;
  uint32_t z_count;
  int32_t y_dram_stride;
  int32_t z_dram_stride;
  int32_t y_local_stride;
  int32_t z_local_stride;
  uint16_t pad_left;  ///< bytes
  uint16_t pad_right;
  uint16_t pad_top;  ///< rows
  uint16_t pad_bottom;
};

enum class PoolKind : uint8_t { kNone = 0, kMax = 1, kAverage = 2 };

/// What stays the same over the tiles of a layer.
///
/// Operands. Activations are bit-packed in the activation (or output) scratchpad, pixel by pixel
/// (NHWC): element e of a row starts at bit e * aw. The reduction of one output is segments_y *
/// segments_x contiguous runs of segment_elements activations; run (j, i) of the convolution pixel
/// (v, u) of a tile starts at
///   activation_address + v * pixel_stride_y + u * pixel_stride_x + j * segment_stride_y
///                      + i * segment_stride_x                                          (bytes).
/// A run takes ceil(segment_elements / L) steps of L lanes; lanes past its end are zero in the
/// weights and masked in the activations. The weights of a channel are the steps' operand words in
/// that order, padded to 16 bytes (weight_stream_bytes); channel n of a run is at weight_address +
/// n * weight_stream_bytes.
///
/// Slices. With slice_channels != 0 the channels of a RUN are cut into slices of that many (the
/// last may have fewer); slice s reads its operands slice_stride * s bytes further on. So a
/// convolution of groups reads the channels of its groups alone.
///
/// Output path, for channel k: q = clamp(round((acc + bias) * multiplier * 2^-shift), low, high);
/// with a residual r: q = clamp((q * own_multiplier + r * residual_multiplier + 2^(shift-1)) >>
/// shift, residual_low, residual_high); then pooling over pool_h x pool_w convolution pixels at
/// strides pool_stride: the maximum, or clamp((sum * pool_multiplier + 2^(pool_shift-1)) >>
/// pool_shift, pool_low, pool_high) (no rounding term if a shift is 0).
struct ComputeConfig {
  uint8_t activation_bits;
  uint8_t weight_bits;
  uint8_t activation_signed;
  uint8_t p4;
  uint8_t output_bits;
  uint8_t output_signed;
  uint8_t residual_bits;  ///< 0: no residual
  uint8_t residual_signed;
  uint8_t stochastic;
  uint8_t pool_kind;  ///< PoolKind
  uint8_t add_shift;  ///< 1..47
  uint8_t pool_shift;
  uint32_t segment_elements;
  uint32_t segments_y;
  uint32_t segments_x;
  uint32_t segment_stride_y;
  uint32_t segment_stride_x;
  uint32_t pixel_stride_y;
  uint32_t pixel_stride_x;
  uint32_t slice_channels;  ///< output channels of a slice; 0: one slice
  uint32_t slice_stride;    ///< bytes
  uint16_t pool_h;          ///< 1 without pooling
  uint16_t pool_w;
  uint16_t pool_stride_y;
  uint16_t pool_stride_x;
  uint32_t convolution_width;   ///< of the whole layer's map before pooling, for the rounding hash
  uint32_t output_pixel_pitch;  ///< bytes
  uint32_t output_row_pitch;
  uint32_t residual_pixel_pitch;
  uint32_t residual_row_pitch;
  int32_t low;
  int32_t high;
  uint32_t seed;
  uint16_t own_multiplier;
  uint16_t residual_multiplier;
  int32_t residual_low;
  int32_t residual_high;
  int32_t pool_low;
  int32_t pool_high;
  uint16_t pool_multiplier;
  uint16_t reserved;
};

/// One tile of a layer: channel_count channels by y_count rows of x_count outputs (after pooling).
struct ComputeRun {
  uint32_t activation_address;  ///< of the first tap of the first convolution pixel
  uint32_t weight_address;      ///< of the first channel's stream
  uint32_t parameter_address;   ///< of the first channel's ChannelParameters
  uint32_t output_address;      ///< of the first output's first channel
  uint32_t residual_address;    ///< of the first convolution pixel's first channel
  uint32_t channel_first;       ///< coordinates in the layer, for the rounding hash
  uint32_t channel_count;
  uint32_t y_first;
  uint32_t y_count;
  uint32_t x_first;
  uint32_t x_count;
};

/// Output-path parameters of a channel, as they lie in the parameter memory.
struct ChannelParameters {
  int32_t bias;
  uint16_t multiplier;
  uint8_t shift;  ///< 0..47
  uint8_t reserved;
};

static_assert(sizeof(Transfer) == 11 * 4, "commands are whole words without gaps");
static_assert(sizeof(ComputeConfig) == 28 * 4, "commands are whole words without gaps");
static_assert(sizeof(ComputeRun) == 11 * 4, "commands are whole words without gaps");
static_assert(sizeof(ChannelParameters) == 8, "commands are whole words without gaps");

template <typename Payload>
constexpr uint32_t words_of() {
  return static_cast<uint32_t>(sizeof(Payload) / 4);
}

/// Bytes of one channel's weights in the weight scratchpad.
constexpr uint32_t weight_stream_bytes(uint32_t steps, uint32_t weight_word_bits) {
  return (steps * weight_word_bits + 127) / 128 * 16;
}

}  // namespace tessera::abi
