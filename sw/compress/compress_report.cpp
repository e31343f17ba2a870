#include "compress/compress_report.hpp"

#include <algorithm>

#include "compress/huffman.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Op;

constexpr int64_t kBytesPerFloat = 4;
constexpr int64_t kFloatBits = 32;
constexpr int64_t kBytesPerCodeTag = 1;  // says whether a layer's weights are coded

const graph::Tensor* layer_weight(const Graph& net, const std::string& name) {
  for (const graph::Node& node : net.nodes) {
    if (node.name == name && (node.op == Op::kConv || node.op == Op::kGemm)) {
      return &net.weights.at(node.inputs[1]);
    }
  }
  return nullptr;
}

LayerReport describe(const graph::IntegerNetwork& network, const graph::IntegerLayer& layer,
                     const Graph& given) {
  const graph::IntegerTensor& x = network.tensors[static_cast<size_t>(layer.inputs[0])];
  const graph::IntegerTensor& y = network.tensors[static_cast<size_t>(layer.output)];
  LayerReport entry;
  entry.name = layer.name;
  entry.op =
      x.height * x.width == layer.window.kernel_h * layer.window.kernel_w && y.height * y.width == 1
          ? "fully connected"
          : "convolution";
  entry.weight_bits = layer.weight_bits;
  entry.activation_bits = x.bits;
  entry.activation_signed = x.is_signed;
  entry.power_of_two = layer.p4;
  entry.weights = static_cast<int64_t>(layer.weights.size());
  entry.nonzero_weights =
      entry.weights - std::count(layer.weights.begin(), layer.weights.end(), int16_t{0});
  entry.macs = mac_count(network, layer);
  entry.size_bytes = packed_size_bytes(layer);
  const int64_t packed = (entry.weights * layer.weight_bits + 7) / 8;
  const int64_t coded = (huffman_size_bits(layer.weights, layer.weight_bits) + 7) / 8;
  entry.coded_bytes = entry.size_bytes - packed + std::min(packed, coded) + kBytesPerCodeTag;
  entry.channels = static_cast<int64_t>(layer.bias.size());
  const graph::Tensor* weight = layer_weight(given, layer.name);
  entry.channels_given = weight == nullptr ? entry.channels : weight->shape[0];
  return entry;
}

}  // namespace

int64_t parameter_count(const Graph& net) {
  int64_t count = 0;
  for (const auto& [name, tensor] : net.weights) count += static_cast<int64_t>(tensor.data.size());
  return count;
}

void describe_original(const Graph& net, CompressReport& report) {
  report.net = net.name;
  report.parameters = parameter_count(net);
  report.float_size_bytes = report.parameters * kBytesPerFloat;
  report.float_bit_operations = graph::mac_count(net) * kFloatBits * kFloatBits;
  for (const graph::Node& node : net.nodes) {
    const graph::Tensor* weight = layer_weight(net, node.name);
    if (weight != nullptr) {
      report.float_weight_bits += static_cast<int64_t>(weight->data.size()) * kFloatBits;
    }
  }
}

void describe_result(const graph::IntegerNetwork& network, const Graph& given,
                     CompressReport& report) {
  for (const graph::IntegerLayer& layer : network.layers) {
    if (layer.op != graph::IntegerOp::kConv) continue;
    const LayerReport entry = describe(network, layer, given);
    report.layers.push_back(entry);
    report.nonzero_parameters += entry.nonzero_weights + static_cast<int64_t>(layer.bias.size());
    report.weight_bits += entry.weights * entry.weight_bits;
    report.integer_size_bytes += entry.size_bytes;
    report.coded_size_bytes += entry.coded_bytes;
    report.bit_operations += bit_operations(network, layer);
  }
}

}  // namespace tessera::compress
