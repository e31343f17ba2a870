#include "compress/fold.hpp"

#include <algorithm>
#include <stdexcept>

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::Tensor;

/// Gives the node weights of its own, if another node reads the same ones.
void own_weights(Graph& graph, Node& node) {
  for (size_t i = 1; i < node.inputs.size(); ++i) {
    std::string& name = node.inputs[i];
    if (graph.consumers(name).size() < 2) continue;
    const std::string copy = node.name + "/" + name;
    graph.weights[copy] = graph.weights.at(name);
    name = copy;
  }
}

void become_depthwise(Graph& graph, Node& norm) {
  if (graph.shapes.at(norm.output).size() != 3) {
    throw std::runtime_error("node " + norm.name +
                             " (BatchNormalization): of a vector, and no Gemm before it to fold "
                             "it into");
  }
  own_weights(graph, norm);
  norm.op = Op::kConv;
  Tensor& weight = graph.weights.at(norm.inputs[1]);
  norm.groups = static_cast<int64_t>(weight.data.size());
  weight.shape = {norm.groups, 1, 1, 1};
}

}  // namespace

void scale_layer(Graph& graph, Node& layer, const std::vector<float>& scale,
                 const std::vector<float>& shift) {
  own_weights(graph, layer);
  Tensor& weight = graph.weights.at(layer.inputs[1]);
  const size_t channels = scale.size();
  const size_t per_channel = weight.data.size() / channels;
  for (size_t i = 0; i < weight.data.size(); ++i) weight.data[i] *= scale[i / per_channel];
  if (layer.inputs.size() < 3) {
    layer.inputs.push_back(layer.name + "/bias");
    graph.weights[layer.inputs[2]] = {{static_cast<int64_t>(channels)},
                                      std::vector<float>(channels)};
  }
  Tensor& bias = graph.weights.at(layer.inputs[2]);
  for (size_t k = 0; k < channels; ++k) bias.data[k] = bias.data[k] * scale[k] + shift[k];
}

void fold_batch_norm(Graph& graph) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Node& norm = graph.nodes[i];
    if (norm.op != Op::kBatchNorm) continue;
    const std::string before = norm.inputs[0];
    const auto layer = std::find_if(graph.nodes.begin(), graph.nodes.end(),
                                    [&](const Node& node) { return node.output == before; });
    const bool foldable = layer != graph.nodes.end() &&
                          (layer->op == Op::kConv || layer->op == Op::kGemm) &&
                          graph.consumers(before).size() == 1 && before != graph.output;
    if (!foldable) {
      become_depthwise(graph, norm);
      continue;
    }
    const std::string scale = norm.inputs[1], shift = norm.inputs[2];
    scale_layer(graph, *layer, graph.weights.at(scale).data, graph.weights.at(shift).data);
    layer->output = norm.output;
    graph.shapes.erase(before);
    graph.nodes.erase(graph.nodes.begin() + static_cast<long>(i--));
    for (const std::string& name : {scale, shift}) {
      if (graph.consumers(name).empty()) graph.weights.erase(name);
    }
  }
}

}  // namespace tessera::compress
