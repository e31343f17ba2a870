#include <onnx/onnx_pb.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>

#include "graph/onnx_io.hpp"
#include "graph/text.hpp"

namespace tessera::graph {
namespace {

constexpr int64_t kOpset = 13;
constexpr int64_t kIrVersion = 7;
constexpr int64_t kToTheEnd = INT64_MAX;
constexpr const char* kQonnxDomain = "qonnx.custom_op.general";

bool is_qdq(const Graph& graph) {
  return std::all_of(graph.quantizations.begin(), graph.quantizations.end(), [](const auto& entry) {
    return entry.second.bits == 8 && entry.second.code == WeightCode::kTwosComplement;
  });
}

std::string join_floats(const std::vector<float>& values) {
  std::string text;
  for (const float value : values) {
    char field[32];
    std::snprintf(field, sizeof field, "%.9g", static_cast<double>(value));
    text += (text.empty() ? "" : ",") + std::string(field);
  }
  return text;
}

/// Writes one graph. A tensor keeps its name ahead of its quantiser, but the output behind it, so
/// that it is the quantised values that carry the output's name.
class OnnxWriter {
 public:
  explicit OnnxWriter(const Graph& graph) : graph_(graph), qdq_(is_qdq(graph)) {
    for (const auto& entry : graph.weights) names_.insert(entry.first);
    for (const auto& entry : graph.shapes) names_.insert(entry.first);
  }

  std::string run() {
    start_model();
    write_value(*proto_->add_input(), graph_.input);
    write_value(*proto_->add_output(), graph_.output);
    std::set<std::string> used;
    for (const Node& node : graph_.nodes) used.insert(node.inputs.begin(), node.inputs.end());
    for (const auto& [name, tensor] : graph_.weights) {
      if (used.count(name) != 0) write_weight(name, tensor);
    }
    if (graph_.quantizations.count(graph_.input) != 0) {
      views_[graph_.input] = unused(graph_.input + "/dequantized");
      write_quantizer(graph_.input, graph_.input, views_[graph_.input]);
    }
    for (const Node& node : graph_.nodes) write_node(node);
    std::string bytes;
    if (!model_.SerializeToString(&bytes)) fail("the network is too large for an ONNX file");
    return bytes;
  }

 private:
  void start_model();
  void write_metadata();
  void write_value(onnx::ValueInfoProto& value, const std::string& tensor);
  void write_weight(const std::string& name, const Tensor& tensor);
  void write_gridded_weight(const std::string& name, const Tensor& tensor,
                            const Quantization& grid);
  void write_node(const Node& node);
  void write_operator(const Node& node, onnx::NodeProto& proto);
  void write_quantizer(const std::string& tensor, const std::string& from, const std::string& to);
  void write_qonnx_quant(const std::string& from, const std::string& to, const Quantization& grid,
                         const Shape& scale_shape);
  void write_qdq(const char* op, const std::string& from, const std::string& to,
                 const std::string& scale, const std::string& zero_point, bool per_channel);
  void write_window(const Window& window, onnx::NodeProto& proto);

  std::string unused(const std::string& wish) {
    std::string name = wish;
    for (int i = 1; !names_.insert(name).second; ++i) name = concat(wish, "_", i);
    return name;
  }
  std::string view(const std::string& tensor) const {
    const auto found = views_.find(tensor);
    return found == views_.end() ? tensor : found->second;
  }
  onnx::TensorProto& add_tensor(const std::string& name, const Shape& shape, int type) {
    onnx::TensorProto& tensor = *proto_->add_initializer();
    tensor.set_name(name);
    tensor.set_data_type(type);
    for (const int64_t dimension : shape) tensor.add_dims(dimension);
    return tensor;
  }
  std::string add_floats(const std::string& wish, const Shape& shape, const std::vector<float>& v) {
    const std::string name = unused(wish);
    write_floats(add_tensor(name, shape, onnx::TensorProto::FLOAT), v);
    return name;
  }
  std::string add_integers(const std::string& wish, const std::vector<int64_t>& values) {
    const std::string name = unused(wish);
    auto& tensor =
        add_tensor(name, {static_cast<int64_t>(values.size())}, onnx::TensorProto::INT64);
    tensor.set_raw_data(values.data(), values.size() * sizeof(int64_t));
    return name;
  }
  static void write_floats(onnx::TensorProto& tensor, const std::vector<float>& values) {
    tensor.set_raw_data(values.data(), values.size() * sizeof(float));
  }
  static void set(onnx::NodeProto& node, const char* name, int64_t value) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(onnx::AttributeProto::INT);
    attribute.set_i(value);
  }
  static void set(onnx::NodeProto& node, const char* name, float value) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(onnx::AttributeProto::FLOAT);
    attribute.set_f(value);
  }
  static void set(onnx::NodeProto& node, const char* name, const std::string& value) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(onnx::AttributeProto::STRING);
    attribute.set_s(value);
  }
  static void set(onnx::NodeProto& node, const char* name, const std::vector<int64_t>& values) {
    onnx::AttributeProto& attribute = *node.add_attribute();
    attribute.set_name(name);
    attribute.set_type(onnx::AttributeProto::INTS);
    for (const int64_t value : values) attribute.add_ints(value);
  }

  const Graph& graph_;
  bool qdq_;
  onnx::ModelProto model_;
  onnx::GraphProto* proto_ = nullptr;
  std::set<std::string> names_;
  std::map<std::string, std::string> views_;  // the quantised form of a tensor, which readers take
};

void OnnxWriter::start_model() {
  model_.set_ir_version(kIrVersion);
  model_.set_producer_name("tessera");
  auto& opset = *model_.add_opset_import();
  opset.set_domain("");
  opset.set_version(kOpset);
  if (!qdq_) {
    auto& qonnx = *model_.add_opset_import();
    qonnx.set_domain(kQonnxDomain);
    qonnx.set_version(1);
  }
  proto_ = model_.mutable_graph();
  proto_->set_name(graph_.name);
  write_metadata();
}

void OnnxWriter::write_metadata() {
  const auto put = [this](const char* key, const std::string& value) {
    if (value.empty()) return;
    auto& entry = *model_.add_metadata_props();
    entry.set_key(key);
    entry.set_value(value);
  };
  std::string stochastic;
  for (const Node& node : graph_.nodes) {
    if (node.rounding == Rounding::kStochastic) stochastic += node.name + "\n";
  }
  put("tessera.input_mean", join_floats(graph_.normalization.mean));
  put("tessera.input_std", join_floats(graph_.normalization.std));
  put("tessera.stochastic_rounding", stochastic);
}

void OnnxWriter::write_value(onnx::ValueInfoProto& value, const std::string& tensor) {
  value.set_name(tensor);
  auto& type = *value.mutable_type()->mutable_tensor_type();
  type.set_elem_type(onnx::TensorProto::FLOAT);
  type.mutable_shape()->add_dim()->set_dim_param("N");
  for (const int64_t dimension : graph_.shapes.at(tensor)) {
    type.mutable_shape()->add_dim()->set_dim_value(dimension);
  }
}

void OnnxWriter::write_weight(const std::string& name, const Tensor& tensor) {
  const auto grid = graph_.quantizations.find(name);
  if (grid != graph_.quantizations.end()) return write_gridded_weight(name, tensor, grid->second);
  write_floats(add_tensor(name, tensor.shape, onnx::TensorProto::FLOAT), tensor.data);
}

/// QDQ weights that lie on their grid are stored as integers, one byte each.
void OnnxWriter::write_gridded_weight(const std::string& name, const Tensor& tensor,
                                      const Quantization& grid) {
  check_quantization(grid, tensor.shape.at(0), concat("weights '", name, "'"));
  const bool per_channel = grid.scales.size() > 1;
  const size_t inner = tensor.data.size() / static_cast<size_t>(tensor.shape[0]);
  Shape scale_shape;
  if (per_channel) scale_shape = {tensor.shape[0]};
  views_[name] = unused(name + "/dequantized");
  if (!qdq_) {
    if (per_channel) scale_shape.resize(tensor.shape.size(), 1);
    write_floats(add_tensor(name, tensor.shape, onnx::TensorProto::FLOAT), tensor.data);
    return write_qonnx_quant(name, views_[name], grid, scale_shape);
  }
  std::string bytes;
  bool on_grid = true;
  for (size_t i = 0; i < tensor.data.size() && on_grid; ++i) {
    const float scale = grid.scales[per_channel ? i / inner : 0];
    const int32_t q = quantize(tensor.data[i], scale, grid);
    const float value = scale * static_cast<float>(q);
    on_grid = std::memcmp(&value, &tensor.data[i], sizeof value) == 0;
    bytes.push_back(static_cast<char>(q));
  }
  const int type = grid.is_signed ? onnx::TensorProto::INT8 : onnx::TensorProto::UINT8;
  const std::string scale = add_floats(name + "/scale", scale_shape, grid.scales);
  const std::string zero = unused(name + "/zero_point");
  add_tensor(zero, scale_shape, type).set_raw_data(std::string(grid.scales.size(), '\0'));
  if (on_grid) {
    add_tensor(name, tensor.shape, type).set_raw_data(bytes);
    return write_qdq("DequantizeLinear", name, views_[name], scale, zero, per_channel);
  }
  write_floats(add_tensor(name, tensor.shape, onnx::TensorProto::FLOAT), tensor.data);
  const std::string integers = unused(name + "/integers");
  write_qdq("QuantizeLinear", name, integers, scale, zero, per_channel);
  write_qdq("DequantizeLinear", integers, views_[name], scale, zero, per_channel);
}

void OnnxWriter::write_qdq(const char* op, const std::string& from, const std::string& to,
                           const std::string& scale, const std::string& zero_point,
                           bool per_channel) {
  onnx::NodeProto& node = *proto_->add_node();
  node.set_op_type(op);
  node.set_name(concat(op, "/", from));
  node.add_input(from);
  node.add_input(scale);
  node.add_input(zero_point);
  node.add_output(to);
  if (per_channel) set(node, "axis", int64_t{0});
}

void OnnxWriter::write_qonnx_quant(const std::string& from, const std::string& to,
                                   const Quantization& grid, const Shape& scale_shape) {
  onnx::NodeProto& node = *proto_->add_node();
  node.set_op_type("Quant");
  node.set_domain(kQonnxDomain);
  node.set_name(concat("Quant/", from));
  node.add_input(from);
  node.add_input(add_floats(from + "/scale", scale_shape, grid.scales));
  node.add_input(add_floats(from + "/zero_point", {}, {0}));
  node.add_input(add_floats(from + "/bits", {}, {static_cast<float>(grid.bits)}));
  node.add_output(to);
  set(node, "signed", int64_t{grid.is_signed ? 1 : 0});
  set(node, "narrow", int64_t{0});
  set(node, "rounding_mode", std::string("ROUND"));
  if (grid.code == WeightCode::kPowerOfTwo) set(node, "encoding", std::string("p4"));
}

void OnnxWriter::write_quantizer(const std::string& tensor, const std::string& from,
                                 const std::string& to) {
  const Quantization& grid = graph_.quantizations.at(tensor);
  check_quantization(grid, 1, concat("tensor '", tensor, "'"));
  if (!qdq_) return write_qonnx_quant(from, to, grid, {});
  const std::string scale = add_floats(tensor + "/scale", {}, grid.scales);
  const std::string zero = unused(tensor + "/zero_point");
  add_tensor(zero, {}, grid.is_signed ? onnx::TensorProto::INT8 : onnx::TensorProto::UINT8)
      .set_raw_data(std::string(1, '\0'));
  const std::string integers = unused(tensor + "/integers");
  write_qdq("QuantizeLinear", from, integers, scale, zero, false);
  write_qdq("DequantizeLinear", integers, to, scale, zero, false);
}

void OnnxWriter::write_node(const Node& node) {
  onnx::NodeProto proto;
  proto.set_name(node.name);
  proto.set_op_type(name_of(node.op));
  for (const std::string& input : node.inputs) proto.add_input(view(input));
  const bool has_grid = graph_.quantizations.count(node.output) != 0;
  const bool is_output = node.output == graph_.output;
  const std::string written =
      has_grid && is_output ? unused(node.output + "/unquantized") : node.output;
  proto.add_output(written);
  write_operator(node, proto);
  *proto_->add_node() = std::move(proto);
  if (!has_grid) return;
  if (!is_output) views_[node.output] = unused(node.output + "/dequantized");
  write_quantizer(node.output, written, view(node.output));
}

void OnnxWriter::write_window(const Window& w, onnx::NodeProto& proto) {
  set(proto, "kernel_shape", std::vector<int64_t>{w.kernel_h, w.kernel_w});
  set(proto, "strides", std::vector<int64_t>{w.stride_h, w.stride_w});
  set(proto, "pads", std::vector<int64_t>{w.pad_top, w.pad_left, w.pad_bottom, w.pad_right});
  if (w.dilation_h != 1 || w.dilation_w != 1) {
    set(proto, "dilations", std::vector<int64_t>{w.dilation_h, w.dilation_w});
  }
}

void OnnxWriter::write_operator(const Node& node, onnx::NodeProto& proto) {
  switch (node.op) {
    case Op::kConv:
      write_window(node.window, proto);
      set(proto, "group", node.groups);
      return;
    case Op::kGemm:
      set(proto, "transB", int64_t{1});
      return;
    case Op::kBatchNorm: {
      const Shape& shape = graph_.weights.at(node.inputs.at(1)).shape;
      const auto channels = static_cast<size_t>(element_count(shape));
      proto.add_input(add_floats(node.name + "/mean", shape, std::vector<float>(channels, 0)));
      proto.add_input(add_floats(node.name + "/variance", shape, std::vector<float>(channels, 1)));
      set(proto, "epsilon", 0.F);
      return;
    }
    case Op::kClip:
      proto.add_input(add_floats(node.name + "/min", {}, {node.clip_low}));
      proto.add_input(add_floats(node.name + "/max", {}, {node.clip_high}));
      return;
    case Op::kAveragePool:
      if (node.window.dilation_h != 1 || node.window.dilation_w != 1) {
        fail("node '", node.name, "': ONNX opset 13 has no dilated AveragePool");
      }
      set(proto, "count_include_pad", int64_t{node.count_include_pad ? 1 : 0});
      write_window(node.window, proto);
      return;
    case Op::kMaxPool:
      write_window(node.window, proto);
      return;
    case Op::kConcat:
    case Op::kFlatten:
    case Op::kSoftmax:
      set(proto, "axis", int64_t{1});
      return;
    case Op::kPadChannels:
      proto.set_op_type("Pad");
      proto.add_input(
          add_integers(node.name + "/pads", {0, node.pad_before, 0, 0, 0, node.pad_after, 0, 0}));
      return;
    case Op::kSubsample:
      proto.set_op_type("Slice");
      proto.add_input(add_integers(node.name + "/starts", {0, 0}));
      proto.add_input(add_integers(node.name + "/ends", {kToTheEnd, kToTheEnd}));
      proto.add_input(add_integers(node.name + "/axes", {2, 3}));
      proto.add_input(
          add_integers(node.name + "/steps", {node.window.stride_h, node.window.stride_w}));
      return;
    case Op::kLrn:
      set(proto, "alpha", node.lrn_alpha);
      set(proto, "beta", node.lrn_beta);
      set(proto, "bias", node.lrn_bias);
      set(proto, "size", node.lrn_size);
      return;
    case Op::kRelu:
    case Op::kGlobalAveragePool:
    case Op::kAdd:
      return;
  }
}

}  // namespace

std::string serialize_onnx(const Graph& graph) {
  Graph checked = graph;
  infer_shapes(checked);
  return OnnxWriter(checked).run();
}

void write_onnx(const Graph& graph, const std::string& path) {
  const std::string bytes = serialize_onnx(graph);
  const std::string partial = concat(path, ".partial.", getpid());
  std::ofstream file(partial, std::ios::binary);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file || std::rename(partial.c_str(), path.c_str()) != 0) {
    std::remove(partial.c_str());
    fail(path, ": cannot be written");
  }
}

}  // namespace tessera::graph
