#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "abi/number_formats.hpp"
#include "graph/grids.hpp"
#include "graph/integer_network.hpp"
#include "graph/text.hpp"

namespace tessera::graph {
namespace {

constexpr int kIdentityBits = 2;  // holds the weights 0 and 1

/// FNV-1a over the layer's index and name.
uint32_t layer_seed(size_t index, const std::string& name) {
  uint32_t hash = 2166136261U;
  for (const char c : std::to_string(index) + ":" + name) {
    hash = (hash ^ static_cast<uint8_t>(c)) * 16777619U;
  }
  return hash;
}

int32_t grid_point(double real, double scale) {
  const double q = std::floor(real / scale + 0.5);
  return static_cast<int32_t>(std::clamp(q, -2147483648.0, 2147483647.0));
}

/// A node's result after the Relu and Clip nodes that join it.
struct Result {
  std::string tensor;
  const Quantization* grid = nullptr;
  int32_t low = 0, high = 0;
  Rounding rounding = Rounding::kHalfUp;
};

class Lowering {
 public:
  explicit Lowering(const Graph& source) : graph_(source) {
    infer_shapes(graph_);
    drop_final_softmax();
    grids_ = complete_grids(graph_);
    for (const Node& node : graph_.nodes) {
      for (const std::string& input : node.inputs) ++readers_[input];
    }
  }

  IntegerNetwork run() {
    network_.name = graph_.name;
    network_.normalization = graph_.normalization;
    const Quantization& grid = grid_of(graph_.input, "the network's input");
    network_.input = add_tensor(graph_.input, grid);
    network_.input_low = grid.min();
    network_.input_high = grid.max();
    for (const Node& node : graph_.nodes) {
      if (joined_.count(&node) == 0) emit(node);
    }
    network_.output = tensors_.at(graph_.output);
    return std::move(network_);
  }

 private:
  void drop_final_softmax();
  void emit(const Node& node);
  void emit_conv(const Node& node);
  void emit_add(const Node& node);
  void emit_max_pool(const Node& node);
  void emit_average_pool(const Node& node);
  void emit_concat(const Node& node);
  void emit_activation(const Node& node);
  void emit_selection(const Node& node);
  void emit_identity(const std::string& name, int input, int64_t pad_before, int64_t pad_after,
                     const Window& window, const Result& result);
  void set_weights(IntegerLayer& layer, const Node& node, const IntegerTensor& x);
  void set_bias_and_rescale(IntegerLayer& layer, const Node& node, double scale_in,
                            double scale_out);

  [[noreturn]] static void refuse(const Node& node, const std::string& what) {
    fail("node '", node.name, "' (", name_of(node.op), "): ", what);
  }
  const Quantization& grid_of(const std::string& tensor, const std::string& what) const;
  const Node* sole_reader(const std::string& tensor) const;
  void clip(const Node& activation, Result& result) const;
  bool can_join(const std::string& tensor, const Node& activation) const;
  Result join_activations(const Node& node, bool stochastic_allowed);
  int add_tensor(const std::string& name, const Quantization& grid);
  int tensor_of(const std::string& name) const { return tensors_.at(name); }
  const IntegerTensor& integer_tensor(int index) const {
    return network_.tensors[static_cast<size_t>(index)];
  }
  IntegerLayer new_layer(const std::string& name, IntegerOp op, const Result& result);
  int push(IntegerLayer layer, const Result& result);

  Graph graph_;
  std::map<std::string, Quantization> grids_;
  std::map<std::string, int> readers_;
  std::map<std::string, int> tensors_;  // by the graph's names; a Flatten shares its input's
  std::set<const Node*> joined_;
  IntegerNetwork network_;
};

void Lowering::drop_final_softmax() {
  if (graph_.nodes.empty() || graph_.producer(graph_.output) == nullptr) return;
  const Node node = *graph_.producer(graph_.output);
  if (node.op != Op::kSoftmax || !graph_.consumers(graph_.output).empty()) return;
  graph_.output = node.inputs.front();
  graph_.nodes.erase(graph_.nodes.begin() + (graph_.producer(node.output) - graph_.nodes.data()));
}

const Quantization& Lowering::grid_of(const std::string& tensor, const std::string& what) const {
  const auto found = grids_.find(tensor);
  if (found == grids_.end()) {
    fail(what, ": tensor '", tensor, "' is on no integer grid; quantise the network first");
  }
  check_quantization(found->second, 1, concat(what, ": tensor '", tensor, "'"));
  return found->second;
}

const Node* Lowering::sole_reader(const std::string& tensor) const {
  const auto count = readers_.find(tensor);
  if (tensor == graph_.output || count == readers_.end() || count->second != 1) return nullptr;
  return graph_.consumers(tensor).front();
}

void Lowering::clip(const Node& activation, Result& result) const {
  const double scale = result.grid->scales.front();
  if (activation.op == Op::kRelu) {
    result.low = std::max(result.low, 0);
  } else {
    result.low = std::max(result.low, grid_point(activation.clip_low, scale));
    result.high = std::min(result.high, grid_point(activation.clip_high, scale));
  }
  if (result.low > result.high) refuse(activation, "no value of its grid lies in its range");
}

/// Joining is exact if the activation's input is on no grid, or on one of the same scale.
bool Lowering::can_join(const std::string& tensor, const Node& activation) const {
  if (activation.op != Op::kRelu && activation.op != Op::kClip) return false;
  const auto before = grids_.find(tensor);
  const auto after = grids_.find(activation.output);
  if (before == grids_.end()) return true;
  return after != grids_.end() && before->second.scales == after->second.scales;
}

Result Lowering::join_activations(const Node& node, bool stochastic_allowed) {
  std::vector<const Node*> chain;
  Result result;
  result.tensor = node.output;
  result.rounding = node.rounding;
  for (const Node* next = sole_reader(result.tensor);
       next != nullptr && can_join(result.tensor, *next); next = sole_reader(result.tensor)) {
    chain.push_back(next);
    joined_.insert(next);
    result.tensor = next->output;
    if (next->rounding == Rounding::kStochastic) result.rounding = Rounding::kStochastic;
  }
  if (result.rounding == Rounding::kStochastic && !stochastic_allowed) {
    refuse(node, "only convolutions and fully connected layers round stochastically");
  }
  result.grid = &grid_of(result.tensor, concat("node '", node.name, "' (", name_of(node.op), ")"));
  result.low = result.grid->min();
  result.high = result.grid->max();
  const Node* producer = &node;
  for (const Node* activation : chain) {
    const auto before = grids_.find(producer->output);
    if (before != grids_.end()) {
      result.low = std::max(result.low, before->second.min());
      result.high = std::min(result.high, before->second.max());
    }
    producer = activation;
  }
  if (node.op == Op::kRelu || node.op == Op::kClip) clip(node, result);
  for (const Node* activation : chain) clip(*activation, result);
  return result;
}

int Lowering::add_tensor(const std::string& name, const Quantization& grid) {
  if (grid.code == WeightCode::kPowerOfTwo) {
    fail("tensor '", name, "': power-of-two grids are for weights only");
  }
  const Shape& shape = graph_.shapes.at(name);
  IntegerTensor tensor;
  tensor.name = name;
  tensor.channels = shape.at(0);
  tensor.height = shape.size() == 3 ? shape[1] : 1;
  tensor.width = shape.size() == 3 ? shape[2] : 1;
  tensor.bits = storage_bits(grid.bits);
  tensor.is_signed = grid.is_signed;
  tensor.scale = grid.scales.front();
  network_.tensors.push_back(tensor);
  return tensors_[name] = static_cast<int>(network_.tensors.size()) - 1;
}

IntegerLayer Lowering::new_layer(const std::string& name, IntegerOp op, const Result& result) {
  IntegerLayer layer;
  layer.name = name;
  layer.op = op;
  layer.low = result.low;
  layer.high = result.high;
  layer.rounding = result.rounding;
  layer.seed = layer_seed(network_.layers.size(), name);
  return layer;
}

int Lowering::push(IntegerLayer layer, const Result& result) {
  layer.output = add_tensor(result.tensor, *result.grid);
  network_.layers.push_back(std::move(layer));
  return network_.layers.back().output;
}

void Lowering::emit(const Node& node) {
  switch (node.op) {
    case Op::kConv:
    case Op::kGemm:
      return emit_conv(node);
    case Op::kAdd:
      return emit_add(node);
    case Op::kMaxPool:
      return emit_max_pool(node);
    case Op::kAveragePool:
    case Op::kGlobalAveragePool:
      return emit_average_pool(node);
    case Op::kConcat:
      return emit_concat(node);
    case Op::kRelu:
    case Op::kClip:
      return emit_activation(node);
    case Op::kPadChannels:
    case Op::kSubsample:
      return emit_selection(node);
    case Op::kFlatten: {
      const auto before = graph_.quantizations.find(node.inputs[0]);
      const auto after = graph_.quantizations.find(node.output);
      const auto end = graph_.quantizations.end();
      if (before != end && after != end && !(before->second == after->second)) {
        refuse(node, "its output has another grid than its input; quantise one of them only");
      }
      tensors_[node.output] = tensor_of(node.inputs[0]);
      return;
    }
    case Op::kBatchNorm:
      refuse(node, "fold it into its convolution first (tessera compress does)");
    case Op::kLrn:
      refuse(node,
             "the chip computes no LRN; merge it into its convolution with a recipe "
             "(tessera compress, merge: {lrn: true})");
    case Op::kSoftmax:
      refuse(node, "the chip computes a softmax nowhere but at the end");
  }
}

void Lowering::set_weights(IntegerLayer& layer, const Node& node, const IntegerTensor& x) {
  const Tensor& weight = graph_.weights.at(node.inputs[1]);
  const auto found = grids_.find(node.inputs[1]);
  if (found == grids_.end()) {
    refuse(node, concat("weights '", node.inputs[1],
                        "' are on no integer grid; quantise the network first"));
  }
  const Quantization& grid = found->second;
  const int64_t channels = weight.shape[0];
  check_quantization(grid, channels,
                     concat("node '", node.name, "': weights '", node.inputs[1], "'"));
  if (!grid.is_signed) refuse(node, "unsigned weights are not supported; use a signed grid");
  layer.p4 = grid.code == WeightCode::kPowerOfTwo;
  layer.weight_bits = storage_bits(grid.bits);
  const int64_t per_channel = element_count(weight.shape) / channels;
  if (node.op == Op::kGemm && per_channel != x.channels * x.height * x.width) {
    refuse(node, "its weights do not fit its input map");
  }
  layer.weights.reserve(weight.data.size());
  for (size_t i = 0; i < weight.data.size(); ++i) {
    const size_t k = grid.scales.size() == 1 ? 0 : i / static_cast<size_t>(per_channel);
    layer.weights.push_back(static_cast<int16_t>(quantize(weight.data[i], grid.scales[k], grid)));
  }
}

void Lowering::set_bias_and_rescale(IntegerLayer& layer, const Node& node, double scale_in,
                                    double scale_out) {
  const Quantization& grid = grids_.at(node.inputs[1]);
  const auto channels = static_cast<size_t>(graph_.weights.at(node.inputs[1]).shape[0]);
  const Tensor* bias = node.inputs.size() > 2 ? &graph_.weights.at(node.inputs[2]) : nullptr;
  for (size_t k = 0; k < channels; ++k) {
    const double scale = scale_in * grid.scales[grid.scales.size() == 1 ? 0 : k];
    const double q = bias == nullptr ? 0 : std::round(bias->data[k] / scale);
    if (!(std::fabs(q) <= std::numeric_limits<int32_t>::max())) {
      refuse(node,
             concat("the bias of channel ", k, " is ", q,
                    " in units of its accumulator, more than 32 bits hold; use larger scales"));
    }
    layer.bias.push_back(static_cast<int32_t>(q));
    try {
      layer.rescale.push_back(make_rescale(scale / scale_out));
    } catch (const std::runtime_error& error) {
      refuse(node, concat("channel ", k, ": ", error.what()));
    }
  }
}

void Lowering::emit_conv(const Node& node) {
  const Result result = join_activations(node, true);
  IntegerLayer layer = new_layer(node.name, IntegerOp::kConv, result);
  layer.inputs = {tensor_of(node.inputs[0])};
  const IntegerTensor& x = integer_tensor(layer.inputs[0]);
  if (node.op == Op::kGemm) {
    layer.window.kernel_h = x.height;
    layer.window.kernel_w = x.width;
  } else {
    layer.window = node.window;
    layer.groups = node.groups;
  }
  set_weights(layer, node, x);
  set_bias_and_rescale(layer, node, x.scale, result.grid->scales.front());
  push(std::move(layer), result);
}

void Lowering::emit_add(const Node& node) {
  const Result result = join_activations(node, false);
  IntegerLayer layer = new_layer(node.name, IntegerOp::kAdd, result);
  double factors[2];
  for (size_t i = 0; i < 2; ++i) {
    layer.inputs.push_back(tensor_of(node.inputs[i]));
    factors[i] = integer_tensor(layer.inputs[i]).scale / double{result.grid->scales.front()};
  }
  const IntegerTensor& a = integer_tensor(layer.inputs[0]);
  const IntegerTensor& b = integer_tensor(layer.inputs[1]);
  if (a.height != b.height || a.width != b.width) refuse(node, "adds a flattened map to a vector");
  const double largest = std::max(factors[0], factors[1]);
  int shift = 47;
  while (shift > 1 && std::round(std::ldexp(largest, shift)) > 65535) --shift;
  for (size_t i = 0; i < 2; ++i) {
    const double multiplier = std::round(std::ldexp(factors[i], shift));
    if (multiplier < 1 || multiplier > 65535) {
      refuse(node, concat("the scales of its operands and its output do not fit together (factors ",
                          factors[0], " and ", factors[1], ")"));
    }
    layer.add_multiplier[i] = static_cast<uint16_t>(multiplier);
  }
  layer.add_shift = static_cast<uint8_t>(shift);
  push(std::move(layer), result);
}

void Lowering::emit_max_pool(const Node& node) {
  Result result;
  result.tensor = node.output;
  result.grid = &grid_of(node.output, concat("node '", node.name, "' (MaxPool)"));
  result.low = result.grid->min();
  result.high = result.grid->max();
  if (!(*result.grid == grid_of(node.inputs[0], node.name))) {
    refuse(node, "its output's grid differs from its input's; give both the same");
  }
  IntegerLayer layer = new_layer(node.name, IntegerOp::kMaxPool, result);
  layer.inputs = {tensor_of(node.inputs[0])};
  layer.window = node.window;
  push(std::move(layer), result);
}

void Lowering::emit_average_pool(const Node& node) {
  const Result result = join_activations(node, false);
  IntegerLayer layer = new_layer(node.name, IntegerOp::kAveragePool, result);
  layer.inputs = {tensor_of(node.inputs[0])};
  const IntegerTensor& x = integer_tensor(layer.inputs[0]);
  layer.window = node.window;
  if (node.op == Op::kGlobalAveragePool) {
    layer.window = Window{};
    layer.window.kernel_h = x.height;
    layer.window.kernel_w = x.width;
  }
  const Window& w = layer.window;
  if (!node.count_include_pad && w.pad_top + w.pad_left + w.pad_bottom + w.pad_right != 0) {
    refuse(node,
           "padded averages that leave the padding out are not supported "
           "(set count_include_pad=1, or remove the padding)");
  }
  const double area = static_cast<double>(w.kernel_h * w.kernel_w);
  try {
    layer.pool = make_rescale(x.scale / (area * result.grid->scales.front()));
  } catch (const std::runtime_error& error) {
    refuse(node, error.what());
  }
  if (layer.pool.shift == 0) {
    if (layer.pool.multiplier > 32767)
      refuse(node, "its output's scale is too small for its input's");
    layer.pool = {static_cast<uint16_t>(2 * layer.pool.multiplier), 1};
  }
  push(std::move(layer), result);
}

void Lowering::emit_concat(const Node& node) {
  Result result;
  result.tensor = node.output;
  result.grid = &grid_of(node.output, concat("node '", node.name, "' (Concat)"));
  result.low = result.grid->min();
  result.high = result.grid->max();
  std::vector<int> inputs;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    int input = tensor_of(node.inputs[i]);
    if (!(grid_of(node.inputs[i], node.name) == *result.grid)) {
      Result part = result;
      part.tensor = concat(node.inputs[i], "/for/", node.name, "/", i);
      graph_.shapes[part.tensor] = graph_.shapes.at(node.inputs[i]);
      emit_identity(concat(node.name, "/rescale_", i), input, 0, 0, Window{}, part);
      input = tensor_of(part.tensor);
    }
    inputs.push_back(input);
  }
  IntegerLayer layer = new_layer(node.name, IntegerOp::kConcat, result);
  layer.inputs = std::move(inputs);
  for (const int input : layer.inputs) {
    if (integer_tensor(input).height != integer_tensor(layer.inputs[0]).height ||
        integer_tensor(input).width != integer_tensor(layer.inputs[0]).width) {
      refuse(node, "joins a flattened map and a vector");
    }
  }
  push(std::move(layer), result);
}

void Lowering::emit_activation(const Node& node) {
  const Result result = join_activations(node, true);
  emit_identity(node.name, tensor_of(node.inputs[0]), 0, 0, Window{}, result);
}

void Lowering::emit_selection(const Node& node) {
  const Node* last = &node;
  const Node* next = sole_reader(node.output);
  if (node.op == Op::kSubsample && next != nullptr && next->op == Op::kPadChannels &&
      graph_.quantizations.count(node.output) == 0) {
    joined_.insert(next);
    last = next;
  }
  const Result result = join_activations(*last, true);
  emit_identity(node.name, tensor_of(node.inputs[0]), last->pad_before, last->pad_after,
                node.op == Op::kSubsample ? node.window : Window{}, result);
}

void Lowering::emit_identity(const std::string& name, int input, int64_t pad_before,
                             int64_t pad_after, const Window& window, const Result& result) {
  IntegerLayer layer = new_layer(name, IntegerOp::kConv, result);
  layer.inputs = {input};
  layer.window = window;
  layer.weight_bits = kIdentityBits;
  const IntegerTensor& x = integer_tensor(input);
  const int64_t channels = x.channels + pad_before + pad_after;
  if (pad_before + pad_after == 0) {
    layer.groups = channels;
    layer.weights.assign(static_cast<size_t>(channels), 1);
  } else {
    layer.weights.assign(static_cast<size_t>(channels * x.channels), 0);
    for (int64_t c = 0; c < x.channels; ++c) {
      layer.weights[static_cast<size_t>((c + pad_before) * x.channels + c)] = 1;
    }
  }
  layer.bias.assign(static_cast<size_t>(channels), 0);
  try {
    const Rescale rescale = make_rescale(x.scale / double{result.grid->scales.front()});
    layer.rescale.assign(static_cast<size_t>(channels), rescale);
  } catch (const std::runtime_error& error) {
    fail("layer '", name, "': ", error.what());
  }
  push(std::move(layer), result);
}

}  // namespace

IntegerNetwork lower(const Graph& graph) { return Lowering(graph).run(); }

}  // namespace tessera::graph
