#pragma once

/// The tile loops: turns layers of the program into a list of commands for the three engines.

#include <stdint.h>

#include "abi/image.hpp"
#include "list_writer.hpp"
#include "npu.hpp"

namespace tessera::firmware {

/// Physical addresses that the offsets of a layer are relative to. Those of TensorSpace::kInput and
/// kOutput are in the registers BASE_1 and BASE_2 when the commands begin.
struct TensorBases {
  uint32_t arena;
  uint32_t weights;
  uint32_t parameters;
  const uint32_t* weight_pieces;  ///< the section
};

/// Words of commands that a layer takes at most on each cluster, whatever its tiles: CONFIGURE, two
/// code tables, a load that waits for a store; and those that each of its steps takes: loads of
/// weights, parameters, map and residual, RUN, store.
constexpr uint32_t kWordsOfTransfer = abi::kPreambleWords + abi::words_of<abi::Transfer>();
constexpr uint32_t kMostWordsOfLayer =
    abi::kPreambleWords + abi::words_of<abi::ComputeConfig>() +
    2 * (abi::kPreambleWords + abi::words_of<abi::TableTransfer>()) + kWordsOfTransfer;
constexpr uint32_t kMostWordsOfStep =
    5 * kWordsOfTransfer + abi::kPreambleWords + abi::words_of<abi::ComputeRun>();

/// Writes the commands of layers for a cluster. A *step* is one compute RUN with the loads that it
/// needs and the store of its result, if it has any: maps that stay in the activation scratchpad
/// are neither loaded nor stored. Weights, input tiles and results have two slots each, used in
/// turn, and tokens keep order. A *group* is a step that loads and those after it that need nothing
/// else.
///   load -> compute   the operands of this group have arrived
///   compute -> load   group n is done: the loads of group n + 2 may overwrite what it read
///   compute -> store  the result of this step is there
///   store -> compute  stored step n is out: stored step n + 2 may overwrite it
/// and one more a layer that stores, store -> load: its output is complete in DRAM. The next load
/// of a map waits for it.
///
/// The commands can run again and again. At their start as at their end, two tokens compute -> load
/// and two store -> compute are pending, and no other.
class LayerRunner {
 public:
  /// Commands go to `list`. `npu` has been started; all that is read of it is the size of its
  /// memories.
  void start(const Npu& npu, ListWriter& list);

  /// Begins the layer's share of cluster `part` of `parts`: consecutive tiles, as many as the
  /// others' or one less. `notify_last`: the last store counts in NOTIFY_COUNT, and no token for a
  /// next layer is given. `layer` and `bases` must outlive the steps.
  void begin(uint32_t index, const abi::LayerProgram& layer, const TensorBases& bases,
             uint32_t part, uint32_t parts, bool notify_last);

  /// Writes the commands of the next tile of the share, if there is one; returns whether there are
  /// more.
  bool step();

  /// Behind the last layer: takes the tokens of stores that no load has waited for.
  void finish();

 private:
  struct Tile {
    uint32_t row = 0;
    uint32_t rows = 0;
    uint32_t column = 0;
    uint32_t columns = 0;
    uint32_t channel = 0;
    uint32_t channels = 0;
  };

  /// Input rows or columns that a tile reads, and how many are padding before those that exist.
  struct Extent {
    uint32_t from;    ///< first one that exists
    uint32_t count;   ///< that exist
    uint32_t before;  ///< of padding before them
  };

  /// What a step needs to have loaded.
  struct Needs {
    bool weights = false;
    bool map = false;
    bool residual = false;

    bool any() const { return weights || map || residual; }
  };

  Tile tile_at(uint32_t row, uint32_t column, uint32_t channel) const;
  Tile tile_number(uint32_t number) const;
  bool is_last(const Tile& tile) const;
  void advance(Tile& tile) const;
  /// Of the step after one for the tile `from`; all if there is none.
  Needs needs_after(const Tile* from, const Tile& tile) const;
  void load(const Tile& tile, const Needs& needs);
  void find_extents(const Tile& tile);
  uint32_t wait_for_stores(uint32_t wait_mask);
  uint32_t slot() const;
  /// What offsets in a space are added to in commands.
  uint32_t address_in(abi::TensorSpace space) const {
    return space == abi::TensorSpace::kArena ? bases_->arena : 0;
  }
  void load_coded(const Tile& tile, uint32_t wait_mask);
  void load_tables();
  abi::Transfer weights(const Tile& tile) const;
  abi::Transfer parameters(const Tile& tile) const;
  abi::Transfer map(const Tile& tile) const;
  abi::Transfer residual(const Tile& tile) const;
  void configure();
  void push_load(const abi::Transfer& transfer, uint32_t wait_mask, bool last_of_step,
                 abi::TensorSpace space = abi::TensorSpace::kArena);
  void await_store();
  void compute(const Tile& tile, bool waits, bool ends_group);
  void store(const Tile& tile, bool last);

  ListWriter* list_ = nullptr;
  uint32_t half_weights_ = 0, half_outputs_ = 0, half_parameters_ = 0;

  uint32_t activation_slot_ = 0;
  uint32_t weight_slot_ = 0;
  uint32_t output_slot_ = 0;
  uint32_t stores_to_await_ = 0;  ///< layers whose store -> load token has not been taken

  Tile tile_;          ///< the next one of the share
  Needs needs_;        ///< of its step
  bool more_ = false;  ///< whether there is one
  bool configured_ = false;
  bool counted_ = false;  ///< whether the share is a part of the layer, of tiles_left_ tiles
  uint32_t tiles_left_ = 0;
  bool notify_last_ = false;
  uint32_t tag_ = 0;
  const abi::LayerProgram* layer_ = nullptr;
  const TensorBases* bases_ = nullptr;
  uint32_t next_block_ = 0;         ///< of coded weights
  bool tables_are_loaded_ = false;  ///< of this layer
  bool map_by_channels_ = false;
  bool map_in_dram_ = false, residual_in_dram_ = false, output_in_dram_ = false;
  Extent rows_ = {}, columns_ = {};  ///< of the input tile in the slot
};

}  // namespace tessera::firmware
