#include <cmath>

#include "graph/onnx_importer.hpp"
#include "graph/text.hpp"

namespace tessera::graph {
namespace {

/// Multiplies each channel's weights by its factor, by way of their scale; `grid` has one a
/// channel.
void scale_channels(Tensor& weight, Quantization& grid, const std::vector<float>& factors) {
  const size_t inner = weight.data.size() / factors.size();
  for (size_t i = 0; i < weight.data.size(); ++i) {
    const size_t k = i / inner;
    const int32_t q = quantize(weight.data[i], grid.scales[k], grid);
    if (factors[k] < 0 && -q > grid.max()) {
      fail("its factor of channel ", k, " is negative, and a weight ", q,
           " has no counterpart; fold batch norms before quantising");
    }
    weight.data[i] = static_cast<float>(q) * grid.scales[k] * factors[k];
  }
  for (size_t k = 0; k < factors.size(); ++k) {
    if (factors[k] != 0) grid.scales[k] *= std::fabs(factors[k]);
  }
}

}  // namespace

void OnnxImporter::import_batch_norm(const Proto& proto) {
  if (int_attribute(proto, "training_mode", 0) != 0)
    fail("it is in training mode; export for inference");
  Constant scale = constant(proto, 1, "scale");
  Constant shift = constant(proto, 2, "bias");
  const std::vector<float> mean = constant(proto, 3, "mean").values();
  const std::vector<float> variance = constant(proto, 4, "variance").values();
  const double epsilon = float_attribute(proto, "epsilon", 1e-5F);
  scale.floats = scale.values();
  shift.floats = shift.values();
  if (scale.floats.empty()) fail("its scale is empty, or holds no floats");
  if (shift.floats.size() != scale.floats.size() || mean.size() != scale.floats.size() ||
      variance.size() != scale.floats.size()) {
    fail("scale, bias, mean and variance differ in length");
  }
  for (size_t c = 0; c < mean.size(); ++c) {
    if (!(variance[c] + epsilon > 0)) fail("the variance of channel ", c, " is not positive");
    const double factor = scale.floats[c] / std::sqrt(variance[c] + epsilon);
    scale.floats[c] = static_cast<float>(factor);
    shift.floats[c] = static_cast<float>(shift.floats[c] - mean[c] * factor);
  }
  add_scale_and_shift(proto, 0, {scale.name, {scale.shape, scale.floats}},
                      {shift.name, {shift.shape, shift.floats}});
}

/// The constant as one value a channel of x.
Tensor OnnxImporter::channel_values(const Proto& node, const Constant& values,
                                    const View& x) const {
  const Shape& shape = shape_of(x);
  std::vector<float> data = values.values();
  const bool is_channel = [&] {
    if (values.shape.size() > shape.size() + 1) return false;
    const size_t skipped = shape.size() + 1 - values.shape.size();  // leading dimensions left out
    for (size_t d = 0; d < values.shape.size(); ++d) {
      if (values.shape[d] != 1 && (d + skipped != 1 || values.shape[d] != shape[0])) return false;
    }
    return true;
  }();
  if (data.empty() || !values.is_float() || !is_channel) {
    fail("its constant of shape ", to_string(values.shape),
         " is no scalar or one value a channel of ", to_string(shape), " (", node.op_type(), ")");
  }
  if (data.size() == 1) data.assign(static_cast<size_t>(shape[0]), data[0]);
  return {{shape[0]}, std::move(data)};
}

/// The convolution or Gemm whose bare output only this node reads, if there is one.
Node* OnnxImporter::sole_layer_before(const Proto& proto, int index) {
  const View& x = view(proto, index);
  Node* producer = producer_of(x.tensor);
  const bool is_sole = producer != nullptr && !x.quantized && !x.integers && !x.padding &&
                       (producer->op == Op::kConv || producer->op == Op::kGemm) &&
                       graph_.quantizations.count(x.tensor) == 0;
  const std::string& name = proto.input(index);
  return is_sole && name == x.tensor && read_once(name) ? producer : nullptr;
}

/// A convolution or Gemm without a bias takes an Add behind it over.
bool OnnxImporter::merge_bias(const Proto& proto, int index, const Tensor& bias) {
  Node* layer = sole_layer_before(proto, index);
  if (layer == nullptr || layer->inputs.size() != 2) return false;
  layer->inputs.push_back(add_plain_weight(proto.input(1 - index), bias));
  alias(proto, View(view(proto, index)));
  return true;
}

/// A layer whose weights are on a grid takes a factor a channel into its scales, exactly.
bool OnnxImporter::scale_quantized_layer(const Proto& proto, int index, const Tensor& scale,
                                         const Tensor& shift) {
  Node* layer = sole_layer_before(proto, index);
  if (layer == nullptr || graph_.quantizations.count(layer->inputs[1]) == 0) return false;
  const std::string before = layer->inputs[1];
  Tensor weight = graph_.weights.at(before);
  Quantization grid = graph_.quantizations.at(before);
  const size_t channels = scale.data.size();
  if (static_cast<int64_t>(channels) != weight.shape[0]) return false;
  if (grid.scales.size() == 1) grid.scales.resize(channels, grid.scales[0]);
  scale_channels(weight, grid, scale.data);
  check_quantization(grid, weight.shape[0], "its product with the weights' scales");
  Tensor bias = shift;
  if (layer->inputs.size() > 2) {
    const std::vector<float>& own = graph_.weights.at(layer->inputs[2]).data;
    for (size_t k = 0; k < channels; ++k) bias.data[k] += own.at(k) * scale.data[k];
  }
  const std::string name =
      graph_.consumers(before).size() == 1 ? before : unused_name(proto.output(0) + "/weights");
  graph_.weights[name] = std::move(weight);
  graph_.quantizations[name] = std::move(grid);
  const std::string old_bias = layer->inputs.size() > 2 ? layer->inputs[2] : "";
  layer->inputs = {layer->inputs[0], name,
                   add_plain_weight(proto.output(0) + "/bias", std::move(bias))};
  if (!old_bias.empty() && graph_.consumers(old_bias).empty()) graph_.weights.erase(old_bias);
  alias(proto, View(view(proto, index)));
  return true;
}

void OnnxImporter::add_scale_and_shift(const Proto& proto, int index, NamedTensor scale,
                                       NamedTensor shift) {
  for (const float value : scale.tensor.data) {
    if (!std::isfinite(value)) fail("scales by a value that is not finite");
  }
  if (scale_quantized_layer(proto, index, scale.tensor, shift.tensor)) return;
  Node node = new_node(proto, Op::kBatchNorm);
  node.inputs.push_back(read(proto, index));
  node.inputs.push_back(add_plain_weight(scale.name, std::move(scale.tensor)));
  node.inputs.push_back(add_plain_weight(shift.name, std::move(shift.tensor)));
  add(proto, std::move(node));
}

/// A sum of any number of operands: Adds of two.
void OnnxImporter::import_sum(const Proto& proto) {
  if (proto.input_size() == 1) return import_identity(proto);
  Proto add = proto;
  add.set_op_type("Add");
  for (int i = 1; i < proto.input_size(); ++i) {
    const bool is_last = i + 1 == proto.input_size();
    add.clear_input();
    add.add_input(i == 1 ? proto.input(0) : add.output(0));
    add.add_input(proto.input(i));
    add.set_output(0, is_last ? proto.output(0) : concat(proto.output(0), "/sum_", i));
    if (!is_view(add, 0) && !is_view(add, 1)) fail("adds constants");
    import_arithmetic(add);
  }
}

void OnnxImporter::import_arithmetic(const Proto& proto) {
  const std::string& op = proto.op_type();
  if (is_view(proto, 0) && is_view(proto, 1)) {
    if (op != "Add") fail("combines two computed tensors; only Add does that here");
    Node node = new_node(proto, Op::kAdd);
    node.inputs = {read(proto, 0), read(proto, 1)};
    return add(proto, std::move(node));
  }
  const int x_index = is_view(proto, 0) ? 0 : 1;
  const Constant& operand = constant(proto, 1 - x_index, "operand");
  Tensor shift = channel_values(proto, operand, view(proto, x_index));
  if (op == "Add" && merge_bias(proto, x_index, shift)) return;
  if (op == "Div" && x_index == 1) fail("divides a constant by a computed tensor");
  Tensor scale = shift;
  for (size_t c = 0; c < shift.data.size(); ++c) {
    const float value = shift.data[c];
    const bool additive = op == "Add" || op == "Sub";
    scale.data[c] = op == "Mul"                   ? value
                    : op == "Div"                 ? 1 / value
                    : op == "Sub" && x_index == 1 ? -1.F
                                                  : 1.F;
    shift.data[c] = !additive ? 0 : op == "Sub" && x_index == 0 ? -value : value;
  }
  add_scale_and_shift(proto, x_index, {proto.output(0) + "/scale", std::move(scale)},
                      {proto.output(0) + "/shift", std::move(shift)});
}

}  // namespace tessera::graph
