#include "compress/budget.hpp"

namespace tessera::compress {
namespace {

constexpr int64_t kBytesPerBias = 4;
constexpr int64_t kBytesPerRescale = 3;  // 16 bit multiplier, 8 bit shift

}  // namespace

const char* unit_of(BudgetKind kind) {
  if (kind == BudgetKind::kBops) return "bit operations";
  return kind == BudgetKind::kLatency ? "cycles" : "bytes";
}

std::string to_string(const WidthChoice& choice) {
  return choice.code == graph::WeightCode::kPowerOfTwo ? "p4" : std::to_string(choice.bits);
}

int64_t packed_size_bytes(const graph::IntegerLayer& layer) {
  const auto bits = static_cast<int64_t>(layer.weights.size()) * layer.weight_bits;
  return (bits + 7) / 8 +
         static_cast<int64_t>(layer.bias.size()) * (kBytesPerBias + kBytesPerRescale);
}

int64_t mac_count(const graph::IntegerNetwork& network, const graph::IntegerLayer& layer) {
  const graph::IntegerTensor& y = network.tensors[static_cast<size_t>(layer.output)];
  return static_cast<int64_t>(layer.weights.size()) * y.height * y.width;
}

int64_t bit_operations(const graph::IntegerNetwork& network, const graph::IntegerLayer& layer) {
  const graph::IntegerTensor& x = network.tensors[static_cast<size_t>(layer.inputs[0])];
  return mac_count(network, layer) * layer.weight_bits * x.bits;
}

Costs costs_of(const graph::Graph& quantized, BudgetKind kind, const LatencyModel* latency) {
  if (kind == BudgetKind::kLatency) return latency->estimate(quantized);
  Costs costs;
  const graph::IntegerNetwork network = graph::lower(quantized);
  for (const graph::IntegerLayer& layer : network.layers) {
    if (layer.op != graph::IntegerOp::kConv) continue;
    const int64_t cost =
        kind == BudgetKind::kBops ? bit_operations(network, layer) : packed_size_bytes(layer);
    costs.layers.emplace_back(layer.name, cost);
    costs.total += cost;
  }
  return costs;
}

}  // namespace tessera::compress
