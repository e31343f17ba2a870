#pragma once

/// The tile loops: turns one layer of the program into commands for the three engines.

#include <stdint.h>

#include "abi/image.hpp"
#include "npu.hpp"

namespace tessera::firmware {

/// Physical addresses that the offsets of a layer are relative to, by abi::TensorSpace.
struct TensorBases {
  uint32_t space[3];
  uint32_t weights;
  uint32_t parameters;
};

/// Runs layers on a cluster. A *step* is one compute RUN with the loads that it needs and the store
/// of its result. Scratchpads are halves used in turn, so three kinds of token keep order:
///   load -> compute   the operands of this step have arrived
///   compute -> load   step n is done: the load of step n + 2 may overwrite what it read
///   store -> compute  the result of step n is out: step n + 2 may overwrite it
/// and one more a layer, store -> load: the tensor that the next layer reads is complete in DRAM.
class LayerRunner {
 public:
  /// `npu` has been started.
  void start(Npu& npu);

  /// Begins the layer's share of cluster `part` of `parts`: consecutive tiles, as many as the
  /// others' or one less. `notify_last`: the last store counts in NOTIFY_COUNT, and no token for a
  /// next layer is given.
  void begin(uint32_t index, const abi::LayerProgram& layer, const TensorBases& bases,
             uint32_t part, uint32_t parts, bool notify_last);

  /// Pushes the commands of the next tile of the share, if there is one; returns whether there are
  /// more.
  bool step();

 private:
  struct Tile {
    uint32_t row = 0;
    uint32_t rows = 0;
    uint32_t column = 0;
    uint32_t columns = 0;
    uint32_t channel = 0;
    uint32_t channels = 0;
  };

  /// Input rows or columns that a tile reads, and how many of them are padding.
  struct Extent {
    uint32_t from;    ///< first one that exists
    uint32_t count;   ///< that exist
    uint32_t before;  ///< of padding
    uint32_t after;
  };

  Tile tile_at(uint32_t row, uint32_t column, uint32_t channel) const;
  Tile tile_number(uint32_t number) const;
  bool is_last(const Tile& tile) const;
  void advance(Tile& tile) const;
  void load(const Tile& tile);
  abi::Transfer weights(const Tile& tile) const;
  abi::Transfer parameters(const Tile& tile) const;
  void load_activations(const Tile& tile, uint32_t wait_mask, bool last_of_step);
  void load_pixels(const Extent& rows, const Extent& columns, abi::Transfer body,
                   uint32_t wait_mask, bool last_of_step);
  abi::Transfer residual(const Tile& tile) const;
  void push_load(const abi::Transfer& transfer, uint32_t wait_mask, bool last_of_step);
  void compute(const Tile& tile);
  void store(const Tile& tile, bool last);

  Npu* npu_ = nullptr;
  uint32_t half_activations_ = 0, half_weights_ = 0, half_outputs_ = 0, half_parameters_ = 0;

  uint32_t step_ = 0;  ///< since start; the first two steps wait for nothing
  uint32_t activation_slot_ = 0;
  uint32_t weight_slot_ = 0;
  bool await_store_ = false;  ///< the next activation load waits for the previous layer

  Tile tile_;             ///< the next one of the share
  bool more_ = false;     ///< whether there is one
  bool counted_ = false;  ///< whether the share is a part of the layer, of tiles_left_ tiles
  uint32_t tiles_left_ = 0;
  bool notify_last_ = false;
  uint32_t tag_ = 0;
  const abi::LayerProgram* layer_ = nullptr;
  const TensorBases* bases_ = nullptr;
  int32_t loaded_row_ = -1;  ///< first row and column of the activation tile in the slot
  int32_t loaded_column_ = -1;
  int32_t loaded_channel_ = -1;  ///< first channel of the weight tile in the slot
};

}  // namespace tessera::firmware
