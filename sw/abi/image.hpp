#pragma once

/// The deployable image (.timg) and what the loader leaves in memory for the firmware. Little
/// endian; every structure is whole 32-bit words.

#include <stdint.h>

#include "abi/npu_commands.hpp"

namespace tessera::abi {

constexpr uint32_t kImageMagic = 0x474D'4954;  ///< "TIMG"
constexpr uint32_t kImageVersion = 5;

enum class Section : uint32_t {
  kProgram = 1,        ///< LayerProgram[]
  kWeights = 2,        ///< packed operand streams
  kParameters = 3,     ///< ChannelParameters[]
  kTensors = 4,        ///< IoTensor[2]: input, output
  kNames = 5,          ///< NUL-terminated strings
  kChip = 6,           ///< resolved chip YAML it was deployed for (text)
  kNormalization = 8,  ///< float32 mean[n], std[n]: raw bytes to the input, see graph.hpp
  kWeightPieces = 9,   ///< uint32[]: where tables and blocks of coded weights begin
  kGraph = 7,  ///< the quantised ONNX it came from, for checking; never loaded onto the chip
};

/// Sections the chip needs come first; `device_bytes` of the file are loaded into DRAM.
struct ImageHeader {
  uint32_t magic;
  uint32_t version;
  uint32_t total_bytes;
  uint32_t crc32c;  ///< of the whole file with this word zero
  uint32_t device_bytes;
  uint32_t chip_fingerprint;
  uint32_t layer_count;
  uint32_t arena_bytes;   ///< DRAM for intermediate tensors
  uint32_t network_name;  ///< offsets into kNames
  uint32_t chip_name;
  uint32_t section_count;
  uint32_t reserved;
};

struct SectionEntry {
  uint32_t id;
  uint32_t offset;  ///< from the start of the file, multiple of 64
  uint32_t bytes;
  uint32_t reserved;
};

/// A feature map in DRAM: bit-packed NHWC. A pixel is `channels` elements rounded up to whole
/// bytes; rows follow each other without gaps.
struct IoTensor {
  uint32_t name;  ///< offset into kNames
  uint32_t channels;
  uint32_t height;
  uint32_t width;
  uint32_t bits;
  uint32_t is_signed;
  uint32_t pixel_bytes;
  uint32_t row_bytes;
  int32_t low;  ///< smallest and largest value of its grid
  int32_t high;
  uint32_t scale;  ///< float32 bits; real = scale * q
  uint32_t reserved;
};

/// Where a tensor lives: in DRAM in the arena, the array of input images or that of outputs; or all
/// of it in the activation scratchpad of the one cluster.
enum class TensorSpace : uint32_t { kArena = 0, kInput = 1, kOutput = 2, kActivations = 3 };

/// One layer: convolution (or fully connected) with fused output path. Output rows are counted
/// after pooling, and so are columns. The firmware cuts the layer into tiles of rows_per_tile x
/// columns_per_tile x channels_per_tile. The first input row of the tile that starts at output row
/// y0 is y0 * input_row_step - pad_top, and a tile of n rows needs (n - 1) * input_row_step +
/// input_row_window rows; columns alike. In the activation scratchpad pixels are
/// config.input_pixel_pitch apart, rows config.input_row_pitch.
///
/// Tiles of maps in DRAM come to one of two slots of activation_slot_bytes from
/// activation_slot_offset on, and leave by the halves of the output scratchpad. Maps in
/// TensorSpace::kActivations are read and written where they are, at the pitches of config; their
/// offsets count from the start of the scratchpad.
struct LayerProgram {
  uint32_t name;      ///< offset into kNames
  uint32_t inserted;  ///< 1: copies its input for what is fused to it; no layer of the network
  uint32_t channels_outer;  ///< 1: loop over channel tiles outside row tiles; 0: the reverse
  uint32_t rows;
  uint32_t columns;
  uint32_t channels;
  uint32_t rows_per_tile;
  uint32_t columns_per_tile;
  uint32_t channels_per_tile;  ///< with slices a multiple of config.slice_channels

  TensorSpace input_space;
  uint32_t input_offset;
  uint32_t input_rows;
  uint32_t input_columns;
  uint32_t input_pixel_bytes;  ///< in DRAM, where rows follow each other without gaps
  uint32_t input_row_step;
  uint32_t input_row_window;
  uint32_t input_column_step;
  uint32_t input_column_window;
  uint32_t pad_top;          ///< rows
  uint32_t pad_left;         ///< columns
  uint32_t map_by_channels;  ///< 1: with slices; a tile's map has the channels of its slices alone
  uint32_t activation_slot_offset;
  uint32_t activation_slot_bytes;

  TensorSpace output_space;
  uint32_t output_offset;
  uint32_t output_pixel_bytes;  ///< in DRAM
  uint32_t output_row_bytes;

  TensorSpace residual_space;  ///< used if config.residual_bits != 0
  uint32_t residual_offset;
  uint32_t residual_pixel_bytes;
  uint32_t residual_row_bytes;

  uint32_t weight_offset;         ///< into kWeights
  uint32_t weight_channel_bytes;  ///< at all positions of a spread, if these have weights apart
  uint32_t weight_tables;     ///< of coded weights (abi/weight_coding.hpp); 0: they lie as they are
  uint32_t weight_pieces;     ///< of coded weights: first entry in kWeightPieces
  uint32_t parameter_offset;  ///< into kParameters

  uint32_t residual_slot_offset;  ///< of the residual tile in an activation slot

  ComputeConfig config;
};

constexpr uint32_t tiles_of(const LayerProgram& l) {
  const auto parts = [](uint32_t whole, uint32_t part) { return (whole + part - 1) / part; };
  return parts(l.rows, l.rows_per_tile) * parts(l.columns, l.columns_per_tile) *
         parts(l.channels, l.channels_per_tile);
}

/// Coded weights are weight_tables tables and a block for each channel tile, one behind the other.
/// Piece i takes bytes [entry[i], entry[i + 1]) from weight_offset on, where entry is
/// weight_pieces-th and following words of kWeightPieces. One table is for both banks of the
/// decoder, of two the first is bank 0's.
constexpr uint32_t kMaxWeightPieces = 8192;  ///< words of the section

/// What the loader leaves in DRAM for the firmware; its address is in a1 at reset.
struct BootInfo {
  uint32_t magic;  ///< kBootMagic
  uint32_t image_address;
  uint32_t arena_address;
  uint32_t input_address;
  uint32_t input_stride;  ///< bytes between images
  uint32_t output_address;
  uint32_t output_stride;
  uint32_t image_count;
  uint32_t result_address;  ///< InferenceResult[image_count]
  uint32_t cluster_count;
  uint32_t clock_hz;
  uint32_t list_address;  ///< room for the command lists that the firmware writes
  uint32_t list_bytes;
};
constexpr uint32_t kBootMagic = 0x5453'4254;

struct InferenceResult {
  uint32_t top1;  ///< class the firmware's argmax found (the first of equal ones)
  uint32_t done;  ///< kResultDone
};
constexpr uint32_t kResultDone = 0x444F'4E45;

static_assert(sizeof(ImageHeader) == 12 * 4 && sizeof(SectionEntry) == 4 * 4, "no gaps");
static_assert(sizeof(IoTensor) == 12 * 4, "no gaps");
static_assert(sizeof(LayerProgram) == 37 * 4 + sizeof(ComputeConfig), "no gaps");
static_assert(sizeof(BootInfo) == 13 * 4, "no gaps");

}  // namespace tessera::abi
