#pragma once

/// Commands of the NPU's load, compute and store engines. A command is a header word, a tag word
/// and the payload, written word by word to the engine's FIFO register. A list in DRAM is commands
/// of any engines one behind the other; the fetch engine writes them to the FIFOs. An engine takes
/// its commands in order: it waits for one token from every engine in the wait mask, executes, then
/// gives one token to every engine in the signal mask.

#include <stdint.h>

#include "abi/npu_registers.hpp"

namespace tessera::abi {

enum class Opcode : uint32_t {
  kLoad = 0x01,       ///< load engine: Transfer
  kLoadCoded = 0x02,  ///< load engine: CodedTransfer
  kLoadTable = 0x03,  ///< load engine: TableTransfer
  kConfigure = 0x10,  ///< compute engine: ComputeConfig
  kRun = 0x11,        ///< compute engine: ComputeRun
  kStore = 0x20,      ///< store engine: Transfer, without padding
};

constexpr uint32_t engine_bit(Engine engine) { return 1U << static_cast<uint32_t>(engine); }

/// Header: opcode 7:0, payload words 15:8, wait mask 18:16, signal mask 22:20, notify 24, base
/// 26:25.
struct CommandHeader {
  Opcode opcode = Opcode::kLoad;
  uint32_t payload_words = 0;
  uint32_t wait_mask = 0;    ///< engine_bit of the engines to take a token from
  uint32_t signal_mask = 0;  ///< engine_bit of the engines to give a token to
  bool notify = false;       ///< count in NOTIFY_COUNT and raise kIrqNotify on completion
  uint32_t base = 0;  ///< of a Transfer: 1, 2: dram_address counts from what BASE_1, BASE_2 holds
                      ///< when it begins; 0: from 0. Others have 0
};
constexpr uint32_t kBases = 2;

constexpr uint32_t encode(const CommandHeader& h) {
  return static_cast<uint32_t>(h.opcode) | h.payload_words << 8 | h.wait_mask << 16 |
         h.signal_mask << 20 | (h.notify ? 1U << 24 : 0U) | h.base << 25;
}
constexpr CommandHeader decode_header(uint32_t word) {
  CommandHeader h;
  h.opcode = static_cast<Opcode>(word & 0xFF);
  h.payload_words = word >> 8 & 0xFF;
  h.wait_mask = word >> 16 & 7;
  h.signal_mask = word >> 20 & 7;
  h.notify = (word >> 24 & 1) != 0;
  h.base = word >> 25 & 3;
  return h;
}
constexpr uint32_t kPreambleWords = 2;  ///< header and tag
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
/// bytes.
struct Transfer {
  uint32_t dram_address;
  uint32_t local_address;
  uint32_t x_bytes;
  uint32_t y_count;
  uint32_t z_count;
  int32_t y_dram_stride;
  int32_t z_dram_stride;
  int32_t y_local_stride;
  int32_t z_local_stride;
};

/// A block of coded weights (abi/weight_coding.hpp) from DRAM, decoded to consecutive bytes of a
/// scratchpad with the tables loaded last.
struct CodedTransfer {
  uint32_t dram_address;
  uint32_t local_address;
  uint32_t coded_bytes;  ///< even
  uint32_t bytes;        ///< decoded
};

/// A table from DRAM to the decoder.
struct TableTransfer {
  uint32_t dram_address;
  uint32_t bytes;  ///< even
  uint32_t banks;  ///< that take it: bit 0, bit 1 or both
};

enum class PoolKind : uint8_t { kNone = 0, kMax = 1, kAverage = 2 };

/// What stays the same over the tiles of a layer.
///
/// Operands. Activations are bit-packed in the activation (or output) scratchpad, pixel by pixel
/// (NHWC), pixels input_pixel_pitch and rows input_row_pitch bytes apart: element e of a row starts
/// at bit e * aw. The reduction of one output is segments_y * segments_x contiguous runs of
/// segment_elements activations; run (j, i) of the convolution pixel (v, u) of a tile starts at the
/// pixel of
///   row    input_row    + v * pixel_step_y + j * tap_step_y
///   column input_column + u * pixel_step_x + i * tap_step_x
/// of the input_rows by input_columns pixels that the scratchpad holds for the RUN. What lies
/// above, below, left or right of these is zero and is not read: so a layer is padded. A run takes
/// ceil(segment_elements / L) steps of L lanes; lanes past its end are zero in the weights and
/// masked in the activations. The weights of a row of the array are the steps' operand words in
/// that order, padded to 16 bytes; the rows of a run follow each other from weight_address
/// on. Slices have weights of another form.
///
/// Slices. With slice_channels != 0 the channels of a RUN are cut into slices of that many (the
/// last may have fewer); slice s reads its operands slice_stride * s bytes further on. So a
/// convolution of groups reads the channels of its groups alone. A slice is whole groups of
/// group_outputs channels, and a run of it the group_inputs elements of each; channels of a group
/// multiply these alone. The weights of a channel are then, for each tap of the kernel, the
/// group_inputs of its group, bit-packed without gaps and padded to 16 bytes; all positions of a
/// spread share them, and channel n of a RUN has the n-th. The kernel has segments_y - (spread_y -
/// 1) * pixel_step_y / spread_y rows of taps, and columns alike.
///
/// Spread. With spread_y * spread_x = S > 1 the rows of the array hold S outputs of each channel: a
/// slice of n channels takes S * n rows, row p * n + k of it being channel k at position p of a
/// block of spread_y by spread_x outputs (row by row). The convolution pixels of the RUN are these
/// blocks, and v and u count them; outputs of a block that lie outside of the tile are dropped. The
/// weights of a row are zero where only another position has a tap.
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
  uint32_t tap_step_y;  ///< input rows and columns from segment to segment
  uint32_t tap_step_x;
  uint32_t pixel_step_y;  ///< from convolution pixel (block, if spread) to convolution pixel
  uint32_t pixel_step_x;
  uint32_t input_pixel_pitch;  ///< bytes
  uint32_t input_row_pitch;
  uint32_t slice_channels;  ///< output channels of a slice; 0: one slice
  uint32_t slice_stride;    ///< bytes
  uint16_t group_outputs;   ///< of a group of the convolution; 0 without slices
  uint16_t group_inputs;
  uint16_t pool_h;  ///< 1 without pooling
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
  uint8_t spread_y;  ///< outputs of a channel in the rows of the array, 1 or more; both 1 with a
  uint8_t spread_x;  ///< pool, a residual or stochastic rounding
};

/// One tile of a layer: channel_count channels by y_count rows of x_count outputs (after pooling).
struct ComputeRun {
  uint32_t activation_address;  ///< of the first pixel of the first row held
  uint32_t weight_address;      ///< of the first row's stream
  uint32_t parameter_address;   ///< of the first channel's ChannelParameters
  uint32_t output_address;      ///< of the first output's first channel
  uint32_t residual_address;    ///< of the first convolution pixel's first channel
  uint32_t channel_first;       ///< coordinates in the layer, for the rounding hash
  uint32_t channel_count;
  uint16_t y_first;
  uint16_t y_count;
  uint16_t x_first;
  uint16_t x_count;
  int16_t input_row;  ///< of the first tap of the first convolution pixel, of those held; negative
  int16_t input_column;  ///< in the padding
  uint16_t input_rows;   ///< held in the scratchpad
  uint16_t input_columns;
};

/// Most rows and columns of a map.
constexpr uint32_t kMaxMapSize = 0x7FFF;

/// Output-path parameters of a channel, as they lie in the parameter memory.
struct ChannelParameters {
  int32_t bias;
  uint16_t multiplier;
  uint8_t shift;  ///< 0..47
  uint8_t reserved;
};

static_assert(sizeof(Transfer) == 9 * 4, "commands are whole words without gaps");
static_assert(sizeof(CodedTransfer) == 4 * 4, "commands are whole words without gaps");
static_assert(sizeof(TableTransfer) == 3 * 4, "commands are whole words without gaps");
static_assert(sizeof(ComputeConfig) == 31 * 4, "commands are whole words without gaps");
static_assert(sizeof(ComputeRun) == 11 * 4, "commands are whole words without gaps");
static_assert(sizeof(ChannelParameters) == 8, "commands are whole words without gaps");

template <typename Payload>
constexpr uint32_t words_of() {
  return static_cast<uint32_t>(sizeof(Payload) / 4);
}

}  // namespace tessera::abi
