#include "compress/joint.hpp"

namespace tessera::compress {

double float_cost(const graph::Graph& net, JointCost cost) {
  constexpr double kFloatBits = 32;
  if (cost == JointCost::kBops) {
    return kFloatBits * kFloatBits * static_cast<double>(graph::mac_count(net));
  }
  double bits = 0;
  for (const graph::Node& node : net.nodes) {
    if (node.op != graph::Op::kConv && node.op != graph::Op::kGemm) continue;
    bits += kFloatBits * static_cast<double>(net.weights.at(node.inputs[1]).data.size());
  }
  return bits;
}

}  // namespace tessera::compress
