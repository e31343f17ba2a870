#include "layer.hpp"

namespace tessera::firmware {
namespace {

using abi::Engine;
using abi::Opcode;

constexpr uint32_t min(uint32_t a, uint32_t b) { return a < b ? a : b; }
constexpr int32_t clamp(int32_t value, int32_t low, int32_t high) {
  return value < low ? low : value > high ? high : value;
}
constexpr uint32_t bit(Engine engine) { return abi::engine_bit(engine); }

constexpr uint32_t parts_of(uint32_t whole, uint32_t part) { return (whole + part - 1) / part; }

/// The base register that addresses in a space count from; 0: none.
constexpr uint32_t base_of(abi::TensorSpace space) {
  return space == abi::TensorSpace::kInput ? 1 : space == abi::TensorSpace::kOutput ? 2 : 0;
}

/// A contiguous block.
abi::Transfer linear(uint32_t dram, uint32_t local, uint32_t bytes) {
  abi::Transfer t = {};
  t.dram_address = dram;
  t.local_address = local;
  t.x_bytes = bytes;
  t.y_count = 1;
  t.z_count = 1;
  return t;
}

}  // namespace

void LayerRunner::start(const Npu& npu, ListWriter& list) {
  *this = LayerRunner();
  list_ = &list;
  half_weights_ = npu.read(abi::npu_reg::WEIGHT_BYTES) / 2;
  half_outputs_ = npu.read(abi::npu_reg::OUTPUT_BYTES) / 2;
  half_parameters_ = npu.read(abi::npu_reg::PARAMETER_BYTES) / 2;
}

void LayerRunner::begin(uint32_t index, const abi::LayerProgram& layer, const TensorBases& bases,
                        uint32_t part, uint32_t parts, bool notify_last) {
  layer_ = &layer;
  bases_ = &bases;
  notify_last_ = notify_last;
  map_by_channels_ = layer.map_by_channels != 0;
  map_in_dram_ = layer.input_space != abi::TensorSpace::kActivations;
  residual_in_dram_ =
      layer.config.residual_bits != 0 && layer.residual_space != abi::TensorSpace::kActivations;
  output_in_dram_ = layer.output_space != abi::TensorSpace::kActivations;

  // Divisions are slow: one cluster alone counts no tiles.
  uint32_t first = 0;
  counted_ = parts > 1;
  if (counted_) {
    const uint32_t all = abi::tiles_of(layer);
    const auto share = [&](uint32_t n) { return (all * n + parts - 1) / parts; };
    first = share(part);
    tiles_left_ = share(part + 1) - first;
  }
  more_ = !counted_ || tiles_left_ != 0;
  if (!more_) return;
  tile_ = counted_ ? tile_number(first) : tile_at(0, 0, 0);
  tables_are_loaded_ = layer.weight_tables == 0;
  next_block_ = counted_ && !tables_are_loaded_ ? tile_.channel / layer.channels_per_tile : 0;
  needs_ = needs_after(nullptr, tile_);
  tag_ = abi::make_tag(index, first);
  configured_ = false;
}

bool LayerRunner::step() {
  if (!more_) return false;
  more_ = counted_ ? --tiles_left_ != 0 : !is_last(tile_);
  const Tile tile = tile_;
  const Needs needs = needs_;
  if (more_) {
    advance(tile_);
    needs_ = needs_after(&tile, tile_);
  }
  if (needs.any()) load(tile, needs);
  if (!configured_) configure();
  // The first step of the next layer loads weights.
  compute(tile, needs.any(), !more_ || needs_.any());
  if (output_in_dram_) store(tile, !more_);
  ++tag_;
  return more_;
}

void LayerRunner::finish() {
  while (stores_to_await_ != 0) await_store();
}

/// Behind the first loads of the layer, which take longer.
void LayerRunner::configure() {
  abi::CommandHeader header;
  header.opcode = Opcode::kConfigure;
  list_->push(header, tag_, layer_->config);
  configured_ = true;
}

LayerRunner::Tile LayerRunner::tile_at(uint32_t row, uint32_t column, uint32_t channel) const {
  Tile tile;
  tile.row = row;
  tile.rows = min(layer_->rows_per_tile, layer_->rows - row);
  tile.column = column;
  tile.columns = min(layer_->columns_per_tile, layer_->columns - column);
  tile.channel = channel;
  tile.channels = min(layer_->channels_per_tile, layer_->channels - channel);
  return tile;
}

LayerRunner::Tile LayerRunner::tile_number(uint32_t number) const {
  const abi::LayerProgram& l = *layer_;
  const uint32_t channel_tiles = parts_of(l.channels, l.channels_per_tile);
  const uint32_t column_tiles = parts_of(l.columns, l.columns_per_tile);
  const uint32_t maps = parts_of(l.rows, l.rows_per_tile) * column_tiles;
  const uint32_t map = l.channels_outer != 0 ? number % maps : number / channel_tiles;
  const uint32_t channel = l.channels_outer != 0 ? number / maps : number % channel_tiles;
  return tile_at(map / column_tiles * l.rows_per_tile, map % column_tiles * l.columns_per_tile,
                 channel * l.channels_per_tile);
}

bool LayerRunner::is_last(const Tile& tile) const {
  return tile.row + tile.rows == layer_->rows && tile.column + tile.columns == layer_->columns &&
         tile.channel + tile.channels == layer_->channels;
}

/// To the next tile of the loop nest.
void LayerRunner::advance(Tile& tile) const {
  const auto next = [](uint32_t& at, uint32_t count, uint32_t end) {
    at += count;
    const bool inside = at < end;
    if (!inside) at = 0;
    return inside;
  };
  const bool outer = layer_->channels_outer != 0;
  if (outer || !next(tile.channel, tile.channels, layer_->channels)) {
    if (!next(tile.column, tile.columns, layer_->columns) &&
        !next(tile.row, tile.rows, layer_->rows) && outer) {
      next(tile.channel, tile.channels, layer_->channels);
    }
  }
  tile = tile_at(tile.row, tile.column, tile.channel);
}

LayerRunner::Needs LayerRunner::needs_after(const Tile* from, const Tile& tile) const {
  const bool new_weights = from == nullptr || from->channel != tile.channel;
  const bool new_pixels = from == nullptr || from->row != tile.row || from->column != tile.column;
  Needs needs;
  needs.weights = new_weights;
  needs.residual = residual_in_dram_ && (new_pixels || new_weights);
  // The residual tile shares the slot of the map's.
  needs.map = map_in_dram_ && (new_pixels || needs.residual || (map_by_channels_ && new_weights));
  return needs;
}

void LayerRunner::load(const Tile& tile, const Needs& needs) {
  uint32_t wait = bit(Engine::kCompute);
  const bool pixels = needs.map || needs.residual;
  if (needs.weights) {
    weight_slot_ ^= 1;
    if (layer_->weight_tables != 0) {
      load_coded(tile, wait);
    } else {
      push_load(weights(tile), wait, false);
    }
    push_load(parameters(tile), 0, !pixels);
    wait = 0;
  }
  if (!pixels) return;
  activation_slot_ ^= 1;
  wait = wait_for_stores(wait);
  if (needs.map) {
    find_extents(tile);
    push_load(map(tile), wait, !needs.residual, layer_->input_space);
    wait = 0;
  }
  if (needs.residual) push_load(residual(tile), wait, true, layer_->residual_space);
}

/// The next load comes after the stores of the layers before. A command takes one token of an
/// engine.
uint32_t LayerRunner::wait_for_stores(uint32_t wait_mask) {
  while (stores_to_await_ > 1) await_store();
  if (stores_to_await_ != 0) wait_mask |= bit(Engine::kStore);
  stores_to_await_ = 0;
  return wait_mask;
}

void LayerRunner::await_store() {
  push_load(linear(0, abi::kLocalActivations, 0), bit(Engine::kStore), false);
  --stores_to_await_;
}

uint32_t LayerRunner::slot() const {
  return abi::kLocalActivations + layer_->activation_slot_offset +
         activation_slot_ * layer_->activation_slot_bytes;
}

/// A load whose address counts from that of `space`.
void LayerRunner::push_load(const abi::Transfer& transfer, uint32_t wait_mask, bool last_of_step,
                            abi::TensorSpace space) {
  abi::CommandHeader header;
  header.opcode = Opcode::kLoad;
  header.base = base_of(space);
  header.wait_mask = wait_mask;
  if (last_of_step) header.signal_mask = bit(Engine::kCompute);
  list_->push(header, tag_, transfer);
}

/// The blocks of a share come one after the other, and begin anew with the channels.
void LayerRunner::load_coded(const Tile& tile, uint32_t wait_mask) {
  const abi::LayerProgram& l = *layer_;
  if (!tables_are_loaded_) load_tables();
  if (tile.channel == 0) next_block_ = 0;
  const uint32_t* piece = bases_->weight_pieces + l.weight_pieces + l.weight_tables + next_block_++;
  abi::CodedTransfer coded = {};
  coded.dram_address = bases_->weights + l.weight_offset + piece[0];
  coded.local_address = abi::kLocalWeights + weight_slot_ * half_weights_;
  coded.coded_bytes = piece[1] - piece[0];
  coded.bytes = tile.channels * l.weight_channel_bytes;
  abi::CommandHeader header;
  header.opcode = Opcode::kLoadCoded;
  header.wait_mask = wait_mask;
  list_->push(header, tag_, coded);
}

void LayerRunner::load_tables() {
  const abi::LayerProgram& l = *layer_;
  const uint32_t* piece = bases_->weight_pieces + l.weight_pieces;
  for (uint32_t i = 0; i < l.weight_tables; ++i) {
    abi::TableTransfer table = {};
    table.dram_address = bases_->weights + l.weight_offset + piece[i];
    table.bytes = piece[i + 1] - piece[i];
    table.banks = l.weight_tables == 1 ? 3 : 1U << i;
    abi::CommandHeader header;
    header.opcode = Opcode::kLoadTable;
    list_->push(header, tag_, table);
  }
  tables_are_loaded_ = true;
}

abi::Transfer LayerRunner::weights(const Tile& tile) const {
  const uint32_t channel_bytes = layer_->weight_channel_bytes;
  return linear(bases_->weights + layer_->weight_offset + tile.channel * channel_bytes,
                abi::kLocalWeights + weight_slot_ * half_weights_, tile.channels * channel_bytes);
}

abi::Transfer LayerRunner::parameters(const Tile& tile) const {
  constexpr auto kBytes = static_cast<uint32_t>(sizeof(abi::ChannelParameters));
  return linear(bases_->parameters + layer_->parameter_offset + tile.channel * kBytes,
                abi::kLocalParameters + weight_slot_ * half_parameters_, tile.channels * kBytes);
}

void LayerRunner::find_extents(const Tile& tile) {
  const abi::LayerProgram& l = *layer_;
  const auto extent = [](uint32_t at, uint32_t count, uint32_t step, uint32_t window, uint32_t pad,
                         uint32_t size) {
    const int32_t first = static_cast<int32_t>(at * step) - static_cast<int32_t>(pad);
    const int32_t end = first + static_cast<int32_t>((count - 1) * step + window);
    const int32_t from = clamp(first, 0, static_cast<int32_t>(size));
    const int32_t to = clamp(end, from, static_cast<int32_t>(size));
    return Extent{static_cast<uint32_t>(from), static_cast<uint32_t>(to - from),
                  static_cast<uint32_t>(from - first)};
  };
  rows_ =
      extent(tile.row, tile.rows, l.input_row_step, l.input_row_window, l.pad_top, l.input_rows);
  columns_ = extent(tile.column, tile.columns, l.input_column_step, l.input_column_window,
                    l.pad_left, l.input_columns);
}

/// Whole rows, or where pixels have gaps between them planes of rows of one pixel.
abi::Transfer LayerRunner::map(const Tile& tile) const {
  const abi::LayerProgram& l = *layer_;
  const uint32_t row_bytes = l.input_columns * l.input_pixel_bytes;
  abi::Transfer t = {};
  t.dram_address = address_in(l.input_space) + l.input_offset + rows_.from * row_bytes +
                   columns_.from * l.input_pixel_bytes;
  t.local_address = slot();
  if (!map_by_channels_ && l.config.input_pixel_pitch == l.input_pixel_bytes) {
    t.x_bytes = columns_.count * l.input_pixel_bytes;
    t.y_count = rows_.count;
    t.z_count = 1;
    t.y_dram_stride = static_cast<int32_t>(row_bytes);
    t.y_local_stride = static_cast<int32_t>(l.config.input_row_pitch);
  } else {
    t.x_bytes = l.input_pixel_bytes;
    if (map_by_channels_) {
      const uint32_t slice_channels = l.config.slice_channels;
      t.dram_address += tile.channel / slice_channels * l.config.slice_stride;
      t.x_bytes = tile.channels / slice_channels * l.config.slice_stride;
    }
    t.y_count = columns_.count;
    t.z_count = rows_.count;
    t.y_dram_stride = static_cast<int32_t>(l.input_pixel_bytes);
    t.z_dram_stride = static_cast<int32_t>(row_bytes);
    t.y_local_stride = static_cast<int32_t>(l.config.input_pixel_pitch);
    t.z_local_stride = static_cast<int32_t>(l.config.input_row_pitch);
  }
  return t;
}

abi::Transfer LayerRunner::residual(const Tile& tile) const {
  const abi::LayerProgram& l = *layer_;
  const abi::ComputeConfig& c = l.config;
  abi::Transfer t = {};
  t.dram_address = address_in(l.residual_space) + l.residual_offset +
                   tile.row * c.pool_stride_y * l.residual_row_bytes +
                   tile.column * c.pool_stride_x * l.residual_pixel_bytes +
                   tile.channel * c.residual_bits / 8;
  t.local_address = slot() + l.residual_slot_offset;
  t.x_bytes = (tile.channels * c.residual_bits + 7) / 8;
  t.y_count = (tile.columns - 1) * c.pool_stride_x + c.pool_w;
  t.z_count = (tile.rows - 1) * c.pool_stride_y + c.pool_h;
  t.y_dram_stride = static_cast<int32_t>(l.residual_pixel_bytes);
  t.z_dram_stride = static_cast<int32_t>(l.residual_row_bytes);
  t.y_local_stride = static_cast<int32_t>(c.residual_pixel_pitch);
  t.z_local_stride = static_cast<int32_t>(c.residual_row_pitch);
  return t;
}

void LayerRunner::compute(const Tile& tile, bool waits, bool ends_group) {
  const abi::LayerProgram& l = *layer_;
  const abi::ComputeConfig& c = l.config;
  abi::ComputeRun r = {};
  if (map_in_dram_) {
    r.activation_address = slot();
    r.input_row = static_cast<int16_t>(-static_cast<int32_t>(rows_.before));
    r.input_column = static_cast<int16_t>(-static_cast<int32_t>(columns_.before));
    r.input_rows = static_cast<uint16_t>(rows_.count);
    r.input_columns = static_cast<uint16_t>(columns_.count);
  } else {
    r.activation_address = abi::kLocalActivations + l.input_offset;
    r.input_row = static_cast<int16_t>(tile.row * l.input_row_step - l.pad_top);
    r.input_column = static_cast<int16_t>(tile.column * l.input_column_step - l.pad_left);
    r.input_rows = static_cast<uint16_t>(l.input_rows);
    r.input_columns = static_cast<uint16_t>(l.input_columns);
  }
  r.weight_address = abi::kLocalWeights + weight_slot_ * half_weights_;
  r.parameter_address = abi::kLocalParameters + weight_slot_ * half_parameters_;
  if (output_in_dram_) {
    r.output_address = abi::kLocalOutputs + output_slot_ * half_outputs_;
  } else {
    r.output_address = abi::kLocalActivations + l.output_offset + tile.row * c.output_row_pitch +
                       tile.column * c.output_pixel_pitch + tile.channel * c.output_bits / 8;
  }
  if (residual_in_dram_) {
    r.residual_address = slot() + l.residual_slot_offset;
  } else if (c.residual_bits != 0) {
    r.residual_address = abi::kLocalActivations + l.residual_offset +
                         tile.row * c.pool_stride_y * c.residual_row_pitch +
                         tile.column * c.pool_stride_x * c.residual_pixel_pitch +
                         tile.channel * c.residual_bits / 8;
  }
  if (c.slice_channels != 0 && !map_by_channels_) {
    r.activation_address += tile.channel / c.slice_channels * c.slice_stride;
  }
  r.channel_first = tile.channel;
  r.channel_count = tile.channels;
  r.y_first = static_cast<uint16_t>(tile.row);
  r.y_count = static_cast<uint16_t>(tile.rows);
  r.x_first = static_cast<uint16_t>(tile.column);
  r.x_count = static_cast<uint16_t>(tile.columns);

  abi::CommandHeader header;
  header.opcode = Opcode::kRun;
  if (waits) header.wait_mask = bit(Engine::kLoad);
  if (ends_group) header.signal_mask = bit(Engine::kLoad);
  if (output_in_dram_) {
    header.wait_mask |= bit(Engine::kStore);
    header.signal_mask |= bit(Engine::kStore);
  }
  list_->push(header, tag_, r);
}

void LayerRunner::store(const Tile& tile, bool last) {
  const abi::LayerProgram& l = *layer_;
  const abi::ComputeConfig& c = l.config;
  abi::Transfer t = {};
  t.dram_address = address_in(l.output_space) + l.output_offset + tile.row * l.output_row_bytes +
                   tile.column * l.output_pixel_bytes + tile.channel * c.output_bits / 8;
  t.local_address = abi::kLocalOutputs + output_slot_ * half_outputs_;
  output_slot_ ^= 1;
  t.x_bytes = (tile.channels * c.output_bits + 7) / 8;
  t.y_count = tile.columns;
  t.z_count = tile.rows;
  t.y_dram_stride = static_cast<int32_t>(l.output_pixel_bytes);
  t.z_dram_stride = static_cast<int32_t>(l.output_row_bytes);
  t.y_local_stride = static_cast<int32_t>(c.output_pixel_pitch);
  t.z_local_stride = static_cast<int32_t>(c.output_row_pitch);

  abi::CommandHeader header;
  header.opcode = Opcode::kStore;
  header.base = base_of(l.output_space);
  header.wait_mask = bit(Engine::kCompute);
  header.signal_mask = bit(Engine::kCompute);
  if (last && !notify_last_) {
    header.signal_mask |= bit(Engine::kLoad);
    ++stores_to_await_;
  }
  header.notify = last && notify_last_;
  list_->push(header, tag_, t);
}

}  // namespace tessera::firmware
