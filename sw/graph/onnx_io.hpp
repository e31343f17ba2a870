#pragma once

#include <string>

#include "graph/graph.hpp"

namespace tessera::graph {

/// Reads float ONNX, QDQ (QuantizeLinear/DequantizeLinear, zero point 0 for weights) and QONNX
/// Quant nodes. Unfused BN, dynamic batch, Constant nodes and Shape/Gather/Reshape flattening are
/// normalised away. Throws std::runtime_error, one or two lines that name file, operator and node.
Graph read_onnx(const std::string& path);
Graph parse_onnx(const std::string& bytes, const std::string& path_for_messages);

/// Writes ONNX (opset 13). Quantised tensors become QuantizeLinear/DequantizeLinear pairs if every
/// grid of the graph is 8 bit, QONNX Quant nodes (domain "qonnx.custom_op.general") otherwise; p4
/// weights carry the extra string attribute encoding="p4". The file appears complete or not at all.
void write_onnx(const Graph& graph, const std::string& path);
std::string serialize_onnx(const Graph& graph);

}  // namespace tessera::graph
