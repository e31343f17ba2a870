#pragma once

#include <string>

#include "graph/graph.hpp"

namespace tessera::graph {

/// Reads float ONNX, QDQ (QuantizeLinear/DequantizeLinear) and QONNX Quant nodes. Integer grids
/// begin at zero or lie symmetrically around it, in whatever type and with whatever zero point the
/// file says so (uint8 around 128 is int8 around 0). Unfused BN, dynamic batch, Constant nodes,
/// shape arithmetic and channels-last layouts are normalised away; a network whose input is {N, H,
/// W, C} gets one of {C, H, W}. Throws std::runtime_error, one or two lines that name file,
/// operator and node, and say what to do.
Graph read_onnx(const std::string& path);
Graph parse_onnx(const std::string& bytes, const std::string& path_for_messages);

/// Writes ONNX (opset 13). Quantised tensors become QuantizeLinear/DequantizeLinear pairs if every
/// grid of the graph is 8 bit, QONNX Quant nodes (domain "qonnx.custom_op.general") otherwise; p4
/// weights carry the extra string attribute encoding="p4". The file appears complete or not at all.
void write_onnx(const Graph& graph, const std::string& path);
std::string serialize_onnx(const Graph& graph);

}  // namespace tessera::graph
