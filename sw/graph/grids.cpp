#include "graph/grids.hpp"

#include <algorithm>
#include <cmath>

#include "graph/text.hpp"

namespace tessera::graph {
namespace {

using Grids = std::map<std::string, Quantization>;

bool moves_values(Op op) {
  return op == Op::kMaxPool || op == Op::kFlatten || op == Op::kSubsample ||
         op == Op::kPadChannels || op == Op::kConcat;
}

const Quantization* find(const Grids& grids, const std::string& tensor) {
  const auto found = grids.find(tensor);
  return found == grids.end() ? nullptr : &found->second;
}

void pass_forward(const Node& node, Grids& grids) {
  if (!moves_values(node.op) && node.op != Op::kRelu) return;
  const Quantization* first = find(grids, node.inputs.front());
  if (first == nullptr || grids.count(node.output) != 0) return;
  for (const std::string& input : node.inputs) {
    const Quantization* grid = find(grids, input);
    if (grid == nullptr || !(*grid == *first)) return;
  }
  const Quantization copy = *first;
  grids[node.output] = copy;
}

void pass_backward(const Graph& graph, const Node& node, Grids& grids) {
  if (!moves_values(node.op) || grids.count(node.output) == 0) return;
  const Quantization grid = grids.at(node.output);
  for (const std::string& input : node.inputs) {
    if (input == graph.output || graph.consumers(input).size() != 1) continue;
    grids.emplace(input, grid);
  }
}

}  // namespace

void check_quantization(const Quantization& grid, int64_t channels, const std::string& what) {
  if (grid.bits < 2 || grid.bits > 16) fail(what, ": grids have 2..16 bits, not ", grid.bits);
  if (grid.code == WeightCode::kPowerOfTwo && (grid.bits != 4 || !grid.is_signed)) {
    fail(what, ": power-of-two grids are signed and have 4 bits");
  }
  const auto count = static_cast<int64_t>(grid.scales.size());
  if (count != 1 && count != channels) {
    fail(what, ": ", count, " scales given, expected ", channels == 1 ? "" : "1 or ", channels);
  }
  for (const float scale : grid.scales) {
    if (!std::isnormal(scale) || scale < 0) {
      fail(what, ": scales must be positive and finite, one is ", scale);
    }
  }
}

Grids complete_grids(const Graph& graph) {
  Grids grids = graph.quantizations;
  for (const Node& node : graph.nodes) pass_forward(node, grids);
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    pass_backward(graph, *node, grids);
  }
  for (const Node& node : graph.nodes) pass_forward(node, grids);
  return grids;
}

int storage_bits(int bits) { return bits <= 2 ? 2 : bits <= 4 ? 4 : bits <= 8 ? 8 : 16; }

}  // namespace tessera::graph
