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

LayerRunner::LayerRunner(Npu& npu)
    : npu_(npu),
      half_activations_(npu.read(abi::npu_reg::ACTIVATION_BYTES) / 2),
      half_weights_(npu.read(abi::npu_reg::WEIGHT_BYTES) / 2),
      half_outputs_(npu.read(abi::npu_reg::OUTPUT_BYTES) / 2),
      half_parameters_(npu.read(abi::npu_reg::PARAMETER_BYTES) / 2) {}

void LayerRunner::run(uint32_t index, const abi::LayerProgram& layer, const TensorBases& bases,
                      bool notify_last) {
  layer_ = &layer;
  bases_ = &bases;
  tag_ = abi::make_tag(index, 0);
  loaded_row_ = -1;
  loaded_channel_ = -1;

  abi::CommandHeader configure;
  configure.opcode = Opcode::kConfigure;
  npu_.push(Engine::kCompute, configure, tag_, layer.config);

  const uint32_t outer_end = layer.channels_outer != 0 ? layer.channels : layer.rows;
  const uint32_t inner_end = layer.channels_outer != 0 ? layer.rows : layer.channels;
  const uint32_t outer_step =
      layer.channels_outer != 0 ? layer.channels_per_tile : layer.rows_per_tile;
  const uint32_t inner_step =
      layer.channels_outer != 0 ? layer.rows_per_tile : layer.channels_per_tile;

  for (uint32_t outer = 0; outer < outer_end; outer += outer_step) {
    for (uint32_t inner = 0; inner < inner_end; inner += inner_step) {
      Tile tile;
      tile.row = layer.channels_outer != 0 ? inner : outer;
      tile.channel = layer.channels_outer != 0 ? outer : inner;
      tile.rows = min(layer.rows_per_tile, layer.rows - tile.row);
      tile.channels = min(layer.channels_per_tile, layer.channels - tile.channel);
      const bool last = outer + outer_step >= outer_end && inner + inner_step >= inner_end;
      step(tile, last, notify_last);
    }
  }
  await_store_ = !notify_last;
}

void LayerRunner::step(const Tile& tile, bool last, bool notify_last) {
  load(tile);
  compute(tile);
  store(tile, last, notify_last);
  ++step_;
  ++tag_;
}

void LayerRunner::load(const Tile& tile) {
  const bool has_residual = layer_->config.residual_bits != 0;
  const bool new_weights = loaded_channel_ != static_cast<int32_t>(tile.channel);
  // The residual tile shares the activation slot, so a new channel tile brings both anew.
  const bool new_rows =
      loaded_row_ != static_cast<int32_t>(tile.row) || (has_residual && new_weights);
  uint32_t wait = step_ >= 2 ? bit(Engine::kCompute) : 0;
  if (new_weights) {
    weight_slot_ ^= 1;
    loaded_channel_ = static_cast<int32_t>(tile.channel);
    push_load(weights(tile), wait, false);
    push_load(parameters(tile), 0, !new_rows);
    wait = 0;
  }
  if (new_rows) {
    activation_slot_ ^= 1;
    loaded_row_ = static_cast<int32_t>(tile.row);
    if (await_store_) wait |= bit(Engine::kStore);
    await_store_ = false;
    push_load(activations(tile), wait, !has_residual);
    if (has_residual) push_load(residual(tile), 0, true);
  }
  // A step whose operands are all there already still takes and gives its tokens.
  if (!new_weights && !new_rows) push_load(linear(0, abi::kLocalActivations, 0), wait, true);
}

void LayerRunner::push_load(const abi::Transfer& transfer, uint32_t wait_mask, bool last_of_step) {
  abi::CommandHeader header;
  header.opcode = Opcode::kLoad;
  header.wait_mask = wait_mask;
  if (last_of_step) header.signal_mask = bit(Engine::kCompute);
  npu_.push(Engine::kLoad, header, tag_, transfer);
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

abi::Transfer LayerRunner::activations(const Tile& tile) const {
  const abi::LayerProgram& l = *layer_;
  const int32_t first =
      static_cast<int32_t>(tile.row * l.input_row_step) - static_cast<int32_t>(l.pad_top);
  const int32_t end =
      first + static_cast<int32_t>((tile.rows - 1) * l.input_row_step + l.input_row_window);
  const auto rows = static_cast<int32_t>(l.input_rows);
  const int32_t from = clamp(first, 0, rows);
  const int32_t to = clamp(end, from, rows);

  abi::Transfer t = {};
  t.dram_address = bases_->space[static_cast<uint32_t>(l.input_space)] + l.input_offset +
                   static_cast<uint32_t>(from) * l.input_row_bytes;
  t.local_address = abi::kLocalActivations + activation_slot_ * half_activations_;
  t.x_bytes = l.input_row_bytes;
  t.y_count = static_cast<uint32_t>(to - from);
  t.z_count = 1;
  t.y_dram_stride = static_cast<int32_t>(l.input_row_bytes);
  t.y_local_stride = static_cast<int32_t>(l.local_row_pitch);
  t.pad_left = static_cast<uint16_t>(l.pad_left_bytes);
  t.pad_right = static_cast<uint16_t>(l.pad_right_bytes);
  t.pad_top = static_cast<uint16_t>(from - first);
  t.pad_bottom = static_cast<uint16_t>(end - to);
  return t;
}

abi::Transfer LayerRunner::residual(const Tile& tile) const {
  const abi::LayerProgram& l = *layer_;
  const abi::ComputeConfig& c = l.config;
  abi::Transfer t = {};
  t.dram_address = bases_->space[static_cast<uint32_t>(l.residual_space)] + l.residual_offset +
                   tile.row * c.pool_stride_y * l.residual_row_bytes +
                   tile.channel * c.residual_bits / 8;
  t.local_address =
      abi::kLocalActivations + activation_slot_ * half_activations_ + l.residual_slot_offset;
  t.x_bytes = (tile.channels * c.residual_bits + 7) / 8;
  t.y_count = l.residual_row_bytes / l.residual_pixel_bytes;
  t.z_count = (tile.rows - 1) * c.pool_stride_y + c.pool_h;
  t.y_dram_stride = static_cast<int32_t>(l.residual_pixel_bytes);
  t.z_dram_stride = static_cast<int32_t>(l.residual_row_bytes);
  t.y_local_stride = static_cast<int32_t>(c.residual_pixel_pitch);
  t.z_local_stride = static_cast<int32_t>(c.residual_row_pitch);
  return t;
}

void LayerRunner::compute(const Tile& tile) {
  abi::ComputeRun r = {};
  r.activation_address = abi::kLocalActivations + activation_slot_ * half_activations_;
  r.weight_address = abi::kLocalWeights + weight_slot_ * half_weights_;
  r.parameter_address = abi::kLocalParameters + weight_slot_ * half_parameters_;
  r.output_address = abi::kLocalOutputs + (step_ & 1) * half_outputs_;
  r.residual_address = r.activation_address + layer_->residual_slot_offset;
  r.channel_first = tile.channel;
  r.channel_count = tile.channels;
  r.y_first = tile.row;
  r.y_count = tile.rows;
  r.x_first = 0;
  r.x_count = layer_->columns;

  abi::CommandHeader header;
  header.opcode = Opcode::kRun;
  header.wait_mask = bit(Engine::kLoad);
  if (step_ >= 2) header.wait_mask |= bit(Engine::kStore);
  header.signal_mask = bit(Engine::kLoad) | bit(Engine::kStore);
  npu_.push(Engine::kCompute, header, tag_, r);
}

void LayerRunner::store(const Tile& tile, bool last, bool notify_last) {
  const abi::LayerProgram& l = *layer_;
  const abi::ComputeConfig& c = l.config;
  abi::Transfer t = {};
  t.dram_address = bases_->space[static_cast<uint32_t>(l.output_space)] + l.output_offset +
                   tile.row * l.output_row_bytes + tile.channel * c.output_bits / 8;
  t.local_address = abi::kLocalOutputs + (step_ & 1) * half_outputs_;
  t.x_bytes = (tile.channels * c.output_bits + 7) / 8;
  t.y_count = l.columns;
  t.z_count = tile.rows;
  t.y_dram_stride = static_cast<int32_t>(l.output_pixel_bytes);
  t.z_dram_stride = static_cast<int32_t>(l.output_row_bytes);
  t.y_local_stride = static_cast<int32_t>(c.output_pixel_pitch);
  t.z_local_stride = static_cast<int32_t>(c.output_row_pitch);

  abi::CommandHeader header;
  header.opcode = Opcode::kStore;
  header.wait_mask = bit(Engine::kCompute);
  header.signal_mask = bit(Engine::kCompute);
  if (last && !notify_last) header.signal_mask |= bit(Engine::kLoad);
  header.notify = last && notify_last;
  npu_.push(Engine::kStore, header, tag_, t);
}

}  // namespace tessera::firmware
