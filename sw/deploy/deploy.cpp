#include "deploy/deploy.hpp"

#include <algorithm>
#include <cstring>
#include <stdexcept>

#include "abi/number_formats.hpp"
#include "deploy/image.hpp"
#include "deploy/placement.hpp"
#include "deploy/residency.hpp"
#include "deploy/tile_costs.hpp"
#include "deploy/weight_coding.hpp"
#include "graph/onnx_io.hpp"

namespace tessera::deploy {
namespace {

/// Streams start at whole DRAM bursts.
constexpr size_t kWeightAlignment = 64;

constexpr size_t aligned(size_t bytes) {
  return (bytes + kWeightAlignment - 1) / kWeightAlignment * kWeightAlignment;
}

abi::IoTensor describe(const graph::IntegerTensor& t, const Place& place, std::string& names) {
  abi::IoTensor io = {};
  io.name = add_name(names, t.name);
  io.channels = static_cast<uint32_t>(t.channels);
  io.height = static_cast<uint32_t>(t.height);
  io.width = static_cast<uint32_t>(t.width);
  io.bits = static_cast<uint32_t>(t.bits);
  io.is_signed = t.is_signed ? 1 : 0;
  io.pixel_bytes = place.pixel_bytes;
  io.row_bytes = place.row_bytes;
  io.low = abi::min_value(t.bits, t.is_signed);
  io.high = abi::max_value(t.bits, t.is_signed);
  const auto scale = static_cast<float>(t.scale);
  std::memcpy(&io.scale, &scale, sizeof(scale));
  return io;
}

void append_parameters(std::vector<uint8_t>& bytes, const graph::IntegerLayer& conv) {
  for (size_t k = 0; k < conv.bias.size(); ++k) {
    abi::ChannelParameters p = {};
    p.bias = conv.bias[k];
    p.multiplier = conv.rescale[k].multiplier;
    p.shift = conv.rescale[k].shift;
    const auto* data = reinterpret_cast<const uint8_t*>(&p);
    bytes.insert(bytes.end(), data, data + sizeof(p));
  }
}

void append_aligned(std::vector<uint8_t>& to, const std::vector<uint8_t>& bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
  to.resize(aligned(to.size()));
}

/// Whether coded weights are loaded, once, in fewer cycles than packed ones: what the bytes save
/// against the way there and back of every table, which nothing hides.
bool loads_faster(const CodedWeights& coded, size_t packed_bytes, uint32_t block_bytes,
                  const chip::Chip& chip) {
  uint64_t coded_cycles = 0;
  for (size_t i = 0; i + 1 < coded.pieces.size(); ++i) {
    coded_cycles += traffic_of(chip, 1, coded.pieces[i + 1] - coded.pieces[i]).cycles;
  }
  uint64_t packed_cycles = 0;
  for (size_t at = 0; at < packed_bytes; at += block_bytes) {
    packed_cycles += traffic_of(chip, 1, std::min<size_t>(block_bytes, packed_bytes - at)).cycles;
  }
  return coded_cycles < packed_cycles;
}

/// Codes the weights of a layer if the chip has lanes to decode them and they are to be. Returns
/// the bytes that they take, or 0.
uint32_t append_coded(ImageContents& contents, abi::LayerProgram& layer,
                      const std::vector<uint8_t>& packed, const chip::Chip& chip, Coding coding) {
  if (chip.npu.decoder_lanes == 0 || coding == Coding::kNowhere) return 0;
  const uint32_t block_bytes = layer.channels_per_tile * layer.weight_channel_bytes;
  const CodedWeights coded =
      code_weights(packed, block_bytes, layer.config.weight_bits, chip.npu.decoder_lanes);
  const size_t index_bytes = coded.pieces.size() * sizeof(coded.pieces[0]);
  const bool smaller = aligned(coded.bytes.size()) + index_bytes < aligned(packed.size());
  const bool pays = smaller && loads_faster(coded, packed.size(), block_bytes, chip);
  if (coding == Coding::kWhereItPays && !pays) return 0;
  if (contents.weight_pieces.size() + coded.pieces.size() > abi::kMaxWeightPieces) return 0;
  layer.weight_tables = coded.tables;
  layer.weight_pieces = static_cast<uint32_t>(contents.weight_pieces.size());
  contents.weight_pieces.insert(contents.weight_pieces.end(), coded.pieces.begin(),
                                coded.pieces.end());
  append_aligned(contents.weights, coded.bytes);
  return static_cast<uint32_t>(coded.bytes.size() + index_bytes);
}

uint32_t checked_offset(size_t bytes, const std::string& what) {
  if (bytes > 0x7FFF'FFFF) throw std::runtime_error(what + " exceed 2 GiB");
  return static_cast<uint32_t>(bytes);
}

/// Poolings whose windows do not fit the scratchpads behind their convolution run on their own.
std::vector<FusedLayer> fuse_what_fits(graph::IntegerNetwork& net, const chip::Chip& chip) {
  std::vector<FusedLayer> layers;
  for (FusedLayer& layer : fuse(net)) {
    try {
      if (layer.pool && !layer.inserted) map_layer(layer, net, chip);
      layers.push_back(std::move(layer));
    } catch (const std::runtime_error&) {
      auto [convolution, pool] = split_pool(net, layer);
      layers.push_back(std::move(convolution));
      layers.push_back(std::move(pool));
    }
  }
  return layers;
}

/// Mappings of all layers, with some maps on chip.
struct Plan {
  Residency residency;
  std::vector<Mapping> mappings;
  uint64_t cycles = 0;
};

Plan plan_with(Residency residency, const graph::IntegerNetwork& net,
               const std::vector<FusedLayer>& layers, const chip::Chip& chip) {
  Plan plan{std::move(residency), {}, 0};
  for (const FusedLayer& layer : layers) {
    plan.mappings.push_back(map_layer(layer, net, chip, plan.residency));
    plan.cycles += plan.mappings.back().best.cycles;
  }
  return plan;
}

/// The share of the activation scratchpad for maps that stay with which the layers take the fewest
/// cycles.
Plan best_plan(const graph::IntegerNetwork& net, const std::vector<FusedLayer>& layers,
               const chip::Chip& chip) {
  constexpr uint32_t kShares = 8;
  constexpr uint32_t kAlignment = 128;
  Plan best = plan_with(no_residency(chip), net, layers, chip);
  for (uint32_t share = 1; chip.npu.clusters == 1 && share < kShares; ++share) {
    const uint32_t bytes =
        chip.npu.scratchpads.activation_bytes / kShares * share / kAlignment * kAlignment;
    Residency residency = keep_on_chip(net, layers, chip, bytes);
    try {
      Plan plan = plan_with(std::move(residency), net, layers, chip);
      if (plan.cycles < best.cycles) best = std::move(plan);
    } catch (const std::runtime_error&) {
      break;  // a layer does not fit what is left, nor less
    }
  }
  return best;
}

}  // namespace

Deployment deploy(const graph::Graph& graph, const chip::Chip& chip, const DeployOptions& options) {
  graph::IntegerNetwork net = graph::lower(graph);
  const std::vector<FusedLayer> layers = fuse_what_fits(net, chip);
  const Plan plan = best_plan(net, layers, chip);
  const Placement placement = place(net, layers, plan.residency);

  ImageContents contents;
  contents.network_name = net.name;
  contents.chip_name = chip.name;
  contents.chip_yaml = chip::to_yaml(chip);
  contents.chip_fingerprint = chip::fingerprint(chip);
  contents.arena_bytes = placement.arena_bytes;

  Deployment result;
  for (size_t i = 0; i < layers.size(); ++i) {
    const FusedLayer& layer = layers[i];
    Mapping mapping = plan.mappings[i];
    abi::LayerProgram& p = mapping.program;
    const Place& in = placement.places[static_cast<size_t>(layer.input)];
    const Place& out = placement.places[static_cast<size_t>(layer.output)];
    p.name = add_name(contents.names, layer.name);
    p.inserted = layer.inserted ? 1 : 0;
    p.input_space = in.space;
    p.input_offset = in.offset;
    p.output_space = out.space;
    p.output_offset = out.offset;
    p.output_pixel_bytes = out.pixel_bytes;
    p.output_row_bytes = out.row_bytes;
    if (layer.residual >= 0) {
      const Place& r = placement.places[static_cast<size_t>(layer.residual)];
      p.residual_space = r.space;
      p.residual_offset = r.offset;
      p.residual_pixel_bytes = r.pixel_bytes;
      p.residual_row_bytes = r.row_bytes;
    }

    p.weight_offset = checked_offset(contents.weights.size(), "the weights of " + net.name);
    const auto packed =
        pack_weights(layer.convolution, net.tensors[static_cast<size_t>(layer.input)],
                     mapping.segments, mapping.lanes, p.weight_channel_bytes);
    const uint32_t coded_bytes = append_coded(contents, p, packed, chip, options.coding);
    if (coded_bytes == 0) append_aligned(contents.weights, packed);
    p.parameter_offset = checked_offset(contents.parameters.size(), "the parameters");
    append_parameters(contents.parameters, layer.convolution);

    contents.layers.push_back(p);
    const auto weight_bytes = static_cast<uint32_t>(packed.size());
    result.layers.push_back({layer.name, mapping, weight_bytes, coded_bytes});
  }

  contents.input = describe(net.tensors[static_cast<size_t>(net.input)],
                            placement.places[static_cast<size_t>(net.input)], contents.names);
  contents.input.low = net.input_low;
  contents.input.high = net.input_high;
  contents.normalization = net.normalization;
  contents.output = describe(net.tensors[static_cast<size_t>(net.output)],
                             placement.places[static_cast<size_t>(net.output)], contents.names);
  if (!options.strip) contents.graph_onnx = graph::serialize_onnx(graph);
  result.image = build_image(std::move(contents));
  return result;
}

}  // namespace tessera::deploy
