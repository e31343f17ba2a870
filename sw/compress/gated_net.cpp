#include "compress/gated_net.hpp"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "compress/prune.hpp"
#include "compress/thresholds.hpp"
#include "graph/text.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;

// The constants of Louizos et al.
constexpr double kTemperature = 2.0 / 3.0;
constexpr double kStretchLow = -0.1, kStretchHigh = 1.1;
constexpr double kOpenAtFirst = 3;  // log_alpha: all but certainly open
constexpr double kSmallestUniform = 1e-6;
constexpr const char* kGateSuffix = "/gate";
constexpr const char* kChannelGates = "channels/gate";
constexpr const char* kMultiplier = "budget/multiplier";

bool has_weights(const Node& node) { return node.op == Op::kConv || node.op == Op::kGemm; }

std::string grid_name(const std::string& weight, int bits) {
  return weight + "/" + std::to_string(bits);
}

at::Tensor gate_parameter(int64_t count) {
  return torch::full({count}, kOpenAtFirst).requires_grad_(true);
}

at::Tensor as_indices(const std::vector<int64_t>& values) {
  return torch::tensor(values, torch::kInt64);
}

/// One value a row of a weight.
at::Tensor by_row(const at::Tensor& values, const at::Tensor& weight) {
  std::vector<int64_t> shape(static_cast<size_t>(weight.dim()), 1);
  shape[0] = values.numel();
  return values.view(shape);
}

}  // namespace

at::Tensor hard_concrete(const at::Tensor& log_alpha, const at::Tensor& uniform) {
  const at::Tensor noise = at::log(uniform) - at::log1p(-uniform);
  const at::Tensor soft = at::sigmoid((noise + log_alpha) / kTemperature);
  return at::clamp(soft * (kStretchHigh - kStretchLow) + kStretchLow, 0, 1);
}

at::Tensor open_probability(const at::Tensor& log_alpha) {
  return at::sigmoid(log_alpha - kTemperature * std::log(-kStretchLow / kStretchHigh));
}

GatedNet::GatedNet(const Graph& net, const std::map<std::string, int>& activation_bits,
                   double float_cost, const JointOptions& options, Precision precision)
    : TorchNet(net, NormMode::kAffine, precision),
      options_(options),
      budget_(float_cost / options.ratio),
      map_(find_channel_groups(graph_)) {
  if (options_.channels) families_ = channel_families(graph_, map_);
  gate_of_group_.assign(map_.groups.size(), 0);
  int64_t gates = 0;
  for (const auto& family : families_) {
    for (const size_t group : family) gate_of_group_[group] = ++gates;
  }
  parameters_[kChannelGates] = gate_parameter(gates);
  buffers_[kMultiplier] = torch::zeros({1});
  for (const Node& node : graph_.nodes) {
    if (!has_weights(node)) continue;
    layers_.push_back(describe(node, activation_bits.at(node.name), options_.cost));
    add_widths(node.inputs[1]);
  }
  const double least = cost(gates_above(INFINITY)).item<double>();
  if (least > budget_) {
    graph::fail("joint: the budget of ", options_.ratio, "x cannot be met; the most is ",
                float_cost / least, "x");
  }
  sample(0);
}

GatedNet::Layer GatedNet::describe(const Node& node, int activation_bits, JointCost cost) const {
  const graph::Shape& shape = graph_.weights.at(node.inputs[1]).shape;
  const auto indices = [&](const std::string& tensor, size_t count) {
    std::vector<int64_t> result;
    const std::vector<size_t>& groups = map_.group_of.at(tensor);
    for (size_t i = 0; i < count; ++i) result.push_back(gate_of_group_[groups[i]]);
    return as_indices(result);
  };
  Layer layer;
  layer.node = &node;
  layer.rows = indices(node.output, static_cast<size_t>(shape[0]));
  layer.columns = is_depthwise(graph_, node)
                      ? as_indices({0})
                      : indices(node.inputs[0], static_cast<size_t>(shape[1]));
  layer.factor = static_cast<double>(graph::element_count(shape) / shape[0]) /
                 static_cast<double>(layer.columns.numel());
  if (cost == JointCost::kBops) {
    const graph::Shape& y = graph_.shapes.at(node.output);
    layer.factor *= static_cast<double>(graph::element_count(y) / y[0]) * activation_bits;
  }
  return layer;
}

void GatedNet::add_widths(const std::string& weight) {
  if (parameters_.count(weight + kGateSuffix) != 0) return;  // of several layers
  const graph::Tensor& tensor = graph_.weights.at(weight);
  const auto rows = static_cast<size_t>(tensor.shape[0]);
  const size_t row_size = tensor.data.size() / rows;
  for (const int bits : options_.bits) {
    graph::Quantization grid;
    grid.bits = bits;
    for (size_t k = 0; k < rows; ++k) {
      grid.scales.push_back(
          choose_scale(tensor.data.data() + k * row_size, row_size, grid, Threshold::kMse, false));
    }
    add_grid(grid_name(weight, bits), grid);
  }
  parameters_[weight + kGateSuffix] =
      gate_parameter(static_cast<int64_t>(options_.bits.size()) - 1);
}

GatedNet::Gates GatedNet::map_gates(
    const std::function<at::Tensor(const at::Tensor& log_alpha)>& function) const {
  Gates gates;
  gates.channels = at::cat({torch::ones({1}), function(parameters_.at(kChannelGates))});
  for (const Layer& layer : layers_) {
    const std::string& weight = layer.node->inputs[1];
    gates.widths[weight] = function(parameters_.at(weight + kGateSuffix));
  }
  return gates;
}

void GatedNet::sample(int64_t step) {
  at::Generator generator = at::detail::createCPUGenerator(options_.training.seed * 1000003 +
                                                           static_cast<uint64_t>(step));
  drawn_ = map_gates([&](const at::Tensor& log_alpha) {
    const at::Tensor uniform = at::rand(log_alpha.sizes(), generator);
    return hard_concrete(log_alpha, uniform.clamp(kSmallestUniform, 1 - kSmallestUniform));
  });
}

at::Tensor GatedNet::cost(const Gates& open) const {
  at::Tensor sum = torch::zeros({}, torch::kFloat64);
  for (const Layer& layer : layers_) {
    const at::Tensor& steps = open.widths.at(layer.node->inputs[1]);
    at::Tensor bits = torch::full({}, options_.bits.front(), torch::kFloat64);
    at::Tensor reached = torch::ones({});
    for (size_t i = 1; i < options_.bits.size(); ++i) {
      reached = reached * steps[static_cast<int64_t>(i) - 1];
      bits = bits + reached * (options_.bits[i] - options_.bits[i - 1]);
    }
    const auto count = [&](const at::Tensor& indices) {
      return open.channels.index_select(0, indices).sum(at::kDouble);
    };
    sum = sum + count(layer.rows) * count(layer.columns) * bits * layer.factor;
  }
  return sum;
}

at::Tensor GatedNet::penalty() const {
  const at::Tensor expected = cost(map_gates(open_probability));
  return (buffers_.at(kMultiplier) * at::log(expected / budget_)).sum().to(at::kFloat);
}

void GatedNet::ascend() {
  at::NoGradGuard no_grad;
  const double excess = std::log(cost(map_gates(open_probability)).item<double>() / budget_);
  at::Tensor& multiplier = buffers_.at(kMultiplier);
  if (excess > 0) {
    multiplier.add_(options_.dual_learning_rate * excess);
  } else {
    multiplier.zero_();
  }
}

const GatedNet::Layer& GatedNet::layer_of(const Node& node) const {
  return *std::find_if(layers_.begin(), layers_.end(),
                       [&](const Layer& layer) { return layer.node->name == node.name; });
}

at::Tensor GatedNet::quantized(const std::string& weight, size_t width) const {
  return fake_quantized(grid_name(weight, options_.bits[width]), parameters_.at(weight));
}

at::Tensor GatedNet::weight_of(const Node& node) const {
  const std::string& name = node.inputs[1];
  const at::Tensor& steps = drawn_.widths.at(name);
  std::vector<at::Tensor> grids;
  for (size_t i = 0; i < options_.bits.size(); ++i) grids.push_back(quantized(name, i));
  at::Tensor value = grids[0], reached = torch::ones({});
  for (size_t i = 1; i < grids.size(); ++i) {
    reached = reached * steps[static_cast<int64_t>(i) - 1];
    value = value + reached * (grids[i] - grids[i - 1]);
  }
  return value * by_row(drawn_.channels.index_select(0, layer_of(node).rows), value);
}

at::Tensor GatedNet::bias_of(const Node& node) const {
  const at::Tensor bias = TorchNet::bias_of(node);
  if (!bias.defined()) return bias;
  return bias * drawn_.channels.index_select(0, layer_of(node).rows);
}

GatedNet::Gates GatedNet::gates_above(double limit) const {
  at::NoGradGuard no_grad;
  Gates gates =
      map_gates([&](const at::Tensor& log_alpha) { return log_alpha.gt(limit).to(at::kFloat); });
  const at::Tensor& log_alpha = parameters_.at(kChannelGates);
  for (const auto& family : families_) {
    const auto strongest = std::max_element(family.begin(), family.end(), [&](size_t a, size_t b) {
      return log_alpha[gate_of_group_[a] - 1].item<float>() <
             log_alpha[gate_of_group_[b] - 1].item<float>();
    });
    gates.channels[gate_of_group_[*strongest]] = 1;
  }
  return gates;
}

JointResult GatedNet::decide() const {
  at::NoGradGuard no_grad;
  std::vector<float> limits = {-INFINITY, INFINITY};
  for (const auto& [name, parameter] : parameters_) {
    if (!is_gate(name)) continue;
    const auto* values = parameter.data_ptr<float>();
    limits.insert(limits.end(), values, values + parameter.numel());
  }
  std::sort(limits.begin(), limits.end());
  // The cost falls as the limit rises.
  const auto limit = std::partition_point(limits.begin(), limits.end(), [&](float each) {
    return cost(gates_above(each)).item<double>() > budget_;
  });
  const Gates gates = gates_above(limit == limits.end() ? INFINITY : *limit);
  JointResult result;
  result.map = map_;
  for (const int64_t gate : gate_of_group_) {
    result.removed.push_back(gates.channels[gate].item<float>() == 0);
  }
  for (const Layer& layer : layers_) {
    const at::Tensor& steps = gates.widths.at(layer.node->inputs[1]);
    size_t width = 0;
    while (width + 1 < options_.bits.size() &&
           steps[static_cast<int64_t>(width)].item<float>() > 0) {
      ++width;
    }
    result.weight_bits[layer.node->name] = options_.bits[width];
  }
  result.ratio = options_.ratio * budget_ / cost(gates).item<double>();
  result.expected_ratio =
      options_.ratio * budget_ / cost(map_gates(open_probability)).item<double>();
  result.multiplier = buffers_.at(kMultiplier).item<double>();
  return result;
}

Graph GatedNet::float_graph() const {
  Graph result = to_graph();
  result.quantizations.clear();
  return result;
}

bool GatedNet::is_gate(const std::string& parameter) {
  const std::string suffix = kGateSuffix;
  return parameter.size() > suffix.size() &&
         parameter.compare(parameter.size() - suffix.size(), suffix.size(), suffix) == 0;
}

}  // namespace tessera::compress
