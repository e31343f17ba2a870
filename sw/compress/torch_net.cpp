#include "compress/torch_net.hpp"

#include <cmath>
#include <stdexcept>

#include "compress/torch_convolution.hpp"
#include "compress/torch_quantize.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::Quantization;
using graph::Shape;
using graph::Window;
namespace F = torch::nn::functional;

constexpr double kNormEpsilon = 1e-5;
constexpr double kNormMomentum = 0.1;
constexpr int kBfloat16Bits = 8;  // of its significand
constexpr const char* kScaleSuffix = "/scale";
constexpr const char* kFrozenSuffix = "/frozen";
constexpr const char* kIntegersSuffix = "/integers";

at::Tensor to_torch(const graph::Tensor& tensor) {
  return torch::from_blob(const_cast<float*>(tensor.data.data()), tensor.shape, torch::kFloat32)
      .clone();
}

std::vector<float> to_vector(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().contiguous();
  return {flat.data_ptr<float>(), flat.data_ptr<float>() + flat.numel()};
}

at::Tensor padded(const at::Tensor& x, const Window& w, double value) {
  if (w.pad_top == 0 && w.pad_left == 0 && w.pad_bottom == 0 && w.pad_right == 0) return x;
  return at::constant_pad_nd(x, {w.pad_left, w.pad_right, w.pad_top, w.pad_bottom}, value);
}

at::Tensor float_convolution(const Node& node, const at::Tensor& x, const at::Tensor& weight,
                             const at::Tensor& bias) {
  const Window& w = node.window;
  const c10::optional<at::Tensor> b =
      bias.defined() ? c10::optional<at::Tensor>(bias) : c10::nullopt;
  if (w.pad_top == w.pad_bottom && w.pad_left == w.pad_right) {
    return at::conv2d(x, weight, b, at::IntArrayRef({w.stride_h, w.stride_w}),
                      at::IntArrayRef({w.pad_top, w.pad_left}),
                      at::IntArrayRef({w.dilation_h, w.dilation_w}), node.groups);
  }
  return at::conv2d(padded(x, w, 0), weight, b, at::IntArrayRef({w.stride_h, w.stride_w}),
                    at::IntArrayRef({0, 0}), at::IntArrayRef({w.dilation_h, w.dilation_w}),
                    node.groups);
}

at::Tensor max_pool(const Window& w, const at::Tensor& x) {
  return at::max_pool2d(padded(x, w, -std::numeric_limits<double>::infinity()),
                        {w.kernel_h, w.kernel_w}, {w.stride_h, w.stride_w}, {0, 0},
                        {w.dilation_h, w.dilation_w});
}

at::Tensor average_pool(const Node& node, const at::Tensor& x) {
  const Window& w = node.window;
  const auto pool = [&](const at::Tensor& t) {
    return at::avg_pool2d(padded(t, w, 0), {w.kernel_h, w.kernel_w}, {w.stride_h, w.stride_w});
  };
  if (node.count_include_pad) return pool(x);
  return pool(x) / pool(at::ones_like(x.detach()));
}

/// y = x / (bias + alpha / size * sum over `size` neighbouring channels of x^2)^beta, as in ONNX.
at::Tensor lrn(const Node& node, const at::Tensor& x) {
  const int64_t before = (node.lrn_size - 1) / 2;
  const int64_t after = node.lrn_size - 1 - before;
  const at::Tensor squares =
      at::constant_pad_nd(x.pow(2).unsqueeze(1), {0, 0, 0, 0, before, after}, 0);
  const at::Tensor mean = at::avg_pool3d(squares, {node.lrn_size, 1, 1}, {1, 1, 1}).squeeze(1);
  return x / (mean * node.lrn_alpha + node.lrn_bias).pow(node.lrn_beta);
}

/// One value a channel, shaped to broadcast over dimension `channel_dimension` of x.
at::Tensor broadcast(const at::Tensor& values, const at::Tensor& x, int64_t channel_dimension) {
  if (values.numel() == 1) return values;
  std::vector<int64_t> shape(static_cast<size_t>(x.dim()), 1);
  shape[static_cast<size_t>(channel_dimension)] = values.numel();
  return values.view(shape);
}

}  // namespace

TorchNet::TorchNet(const Graph& graph, NormMode norms, Precision precision)
    : graph_(graph), norms_(norms), bfloat16_(precision == Precision::kBfloat16) {
  for (const Node& node : graph_.nodes) {
    for (const std::string& input : node.inputs) {
      const auto found = graph_.weights.find(input);
      if (found == graph_.weights.end() || parameters_.count(input) != 0) continue;
      parameters_[input] = to_torch(found->second);
      if (bfloat16_ && parameters_[input].dim() == 4) {
        parameters_[input] = parameters_[input].contiguous(at::MemoryFormat::ChannelsLast);
      }
    }
    if (node.op == Op::kBatchNorm && norms == NormMode::kBatchStatistics) {
      const int64_t channels = parameters_.at(node.inputs[1]).numel();
      // With these the scale and shift of the graph are what is computed.
      buffers_[node.name + "/mean"] = torch::zeros({channels});
      buffers_[node.name + "/variance"] = torch::full({channels}, 1 - kNormEpsilon);
    }
  }
  for (auto& [name, parameter] : parameters_) parameter.requires_grad_(true);
  for (const auto& [tensor, grid] : graph.quantizations) add_grid(tensor, grid);
  plan_quantizations();
}

/// A Relu before an unsigned grid is the grid's clamp; an addition is done where its sum is
/// quantised.
void TorchNet::plan_quantizations() {
  std::map<std::string, const Node*> producers;
  std::map<std::string, int> readers;
  for (const Node& node : graph_.nodes) {
    producers[node.output] = &node;
    for (const std::string& input : node.inputs) ++readers[input];
  }
  for (const Node& node : graph_.nodes) {
    const auto grid = graph_.quantizations.find(node.output);
    if (grid == graph_.quantizations.end()) continue;
    const Node* source = &node;
    std::string value = node.output;
    if (node.op == Op::kRelu && grid->second.min() == 0) {
      value = node.inputs[0];
      const auto before = producers.find(value);
      const bool alone = before != producers.end() && readers.at(value) == 1 &&
                         graph_.quantizations.count(value) == 0;
      source = alone ? before->second : nullptr;
    }
    if (source != nullptr && source->op == Op::kAdd &&
        graph_.shapes.at(source->inputs[0]) == graph_.shapes.at(source->inputs[1])) {
      operands_[node.name] = {source->inputs[0], source->inputs[1]};
      if (source != &node) within_others_.insert(source->name);
    } else if (value != node.output) {
      operands_[node.name] = {value, ""};
    }
  }
}

void TorchNet::add_grid(const std::string& tensor, const Quantization& grid) {
  graph_.quantizations[tensor] = grid;
  const graph::Tensor scales{{static_cast<int64_t>(grid.scales.size())}, grid.scales};
  parameters_[tensor + kScaleSuffix] = to_torch(scales).log().requires_grad_(true);
}

bool TorchNet::is_scale(const std::string& parameter) {
  const std::string suffix = kScaleSuffix;
  return parameter.size() > suffix.size() &&
         parameter.compare(parameter.size() - suffix.size(), suffix.size(), suffix) == 0;
}

at::Tensor TorchNet::scale_of(const std::string& tensor, const at::Tensor& value) const {
  return broadcast(parameters_.at(tensor + kScaleSuffix).exp(), value, 0);
}

at::Tensor TorchNet::fake_quantized(const std::string& tensor, const at::Tensor& value,
                                    const at::Tensor& other) const {
  const auto found = graph_.quantizations.find(tensor);
  if (found == graph_.quantizations.end()) return value;
  const Quantization& grid = found->second;
  // More bits than bfloat16 holds, and vectors, which are cheap, stay float32, as do weights.
  const bool narrow =
      bfloat16_ && grid.bits <= kBfloat16Bits && value.dim() == 4 && parameters_.count(tensor) == 0;
  return fake_quantize(value, other, parameters_.at(tensor + kScaleSuffix), grid,
                       narrow ? at::kBFloat16 : at::kFloat);
}

at::Tensor TorchNet::weight_of(const Node& node) const {
  const std::string& name = node.inputs[1];
  const at::Tensor& value = parameters_.at(name);
  return with_frozen(name, rest_ == Unfrozen::kFloat ? value : fake_quantized(name, value));
}

at::Tensor TorchNet::with_frozen(const std::string& weight, const at::Tensor& rest) const {
  const auto frozen = buffers_.find(weight + kFrozenSuffix);
  if (frozen == buffers_.end()) return rest;
  const at::Tensor fixed = buffers_.at(weight + kIntegersSuffix) * scale_of(weight, rest);
  return at::where(frozen->second.to(at::kBool), fixed, rest);
}

void TorchNet::start_freezing(Unfrozen rest) {
  rest_ = rest;
  for (const auto& [name, parameter] : parameters_) {
    if (graph_.quantizations.count(name) == 0) continue;
    buffers_[name + kFrozenSuffix] = at::zeros_like(parameter.detach());
    buffers_[name + kIntegersSuffix] = at::zeros_like(parameter.detach());
  }
}

void TorchNet::freeze_weights(double share) {
  at::NoGradGuard no_grad;
  for (const auto& [name, parameter] : parameters_) {
    const auto found = buffers_.find(name + kFrozenSuffix);
    if (found == buffers_.end()) continue;
    const Quantization& grid = graph_.quantizations.at(name);
    at::Tensor& frozen = found->second;
    at::Tensor& integers = buffers_.at(name + kIntegersSuffix);
    const auto wanted =
        static_cast<int64_t>(std::llround(share * static_cast<double>(frozen.numel())));
    const auto more = wanted - frozen.sum(at::kLong).item<int64_t>();
    if (more <= 0) continue;
    // Below all magnitudes: not chosen again.
    const at::Tensor magnitudes =
        at::where(frozen.to(at::kBool), -at::ones_like(frozen), parameter.abs());
    const at::Tensor chosen =
        std::get<1>(at::sort(magnitudes.flatten(), true, 0, true)).slice(0, 0, more);
    at::Tensor added = at::zeros({frozen.numel()}).index_fill_(0, chosen, 1).view(frozen.sizes());
    integers.add_(added * nearest_integers(parameter, parameters_.at(name + kScaleSuffix), grid));
    frozen.add_(added);
  }
}

at::Tensor TorchNet::bias_of(const Node& node) const {
  return node.inputs.size() > 2 ? parameters_.at(node.inputs[2]) : at::Tensor();
}

at::Tensor TorchNet::convolution(const Node& node, const at::Tensor& x) const {
  const Window& w = node.window;
  if (!bfloat16_) return float_convolution(node, x, weight_of(node), bias_of(node));
  const bool even = w.pad_top == w.pad_bottom && w.pad_left == w.pad_right;
  ConvolutionShape shape{w.stride_h, w.stride_w, 0, 0, w.dilation_h, w.dilation_w, node.groups};
  if (even) {
    shape.pad_h = w.pad_top;
    shape.pad_w = w.pad_left;
  }
  return bfloat16_convolution(even ? x : padded(x, w, 0), weight_of(node), bias_of(node), shape);
}

at::Tensor TorchNet::gemm(const Node& node, const at::Tensor& x) const {
  const at::ScalarType type = bfloat16_ ? at::kBFloat16 : at::kFloat;
  const at::Tensor product = at::matmul(x.to(type), weight_of(node).to(type).t());
  return node.inputs.size() > 2 ? product + bias_of(node).to(type) : product;
}

at::Tensor TorchNet::batch_norm(const Node& node, const at::Tensor& x, bool training) {
  const at::Tensor& scale = parameters_.at(node.inputs[1]);
  const at::Tensor& shift = parameters_.at(node.inputs[2]);
  if (norms_ == NormMode::kAffine) {
    return (x * broadcast(scale, x, 1) + broadcast(shift, x, 1)).to(x.scalar_type());
  }
  return at::batch_norm(x, scale, shift, buffers_.at(node.name + "/mean"),
                        buffers_.at(node.name + "/variance"), training, kNormMomentum, kNormEpsilon,
                        false);
}

at::Tensor TorchNet::run(const Node& node, const at::Tensor& x, bool training) {
  switch (node.op) {
    case Op::kConv:
      return convolution(node, x);
    case Op::kGemm:
      return gemm(node, x);
    case Op::kBatchNorm:
      if (estimating_) estimate_norm(node, x);
      return batch_norm(node, x, training);
    case Op::kRelu:
      return at::relu(x);
    case Op::kClip:
      return at::clamp(x, node.clip_low, node.clip_high);
    case Op::kMaxPool:
      return max_pool(node.window, x);
    case Op::kAveragePool:
      return average_pool(node, x);
    case Op::kGlobalAveragePool:
      return x.mean({2, 3}, true);
    case Op::kAdd:
      return x + values_.at(node.inputs[1]);
    case Op::kConcat: {
      std::vector<at::Tensor> parts;
      for (const std::string& input : node.inputs) parts.push_back(values_.at(input));
      return at::cat(parts, 1);
    }
    case Op::kPadChannels:
      return at::constant_pad_nd(x, {0, 0, 0, 0, node.pad_before, node.pad_after}, 0);
    case Op::kSubsample:
      return x.slice(2, 0, c10::nullopt, node.window.stride_h)
          .slice(3, 0, c10::nullopt, node.window.stride_w);
    case Op::kFlatten:
      return x.flatten(1);
    case Op::kLrn:
      return lrn(node, x.to(at::kFloat));
    case Op::kSoftmax:
      return node.output == graph_.output ? x : at::softmax(x, 1);
  }
  throw std::runtime_error("node " + node.name + ": " + graph::name_of(node.op) +
                           " cannot be trained");
}

at::Tensor TorchNet::forward(const at::Tensor& images, bool training,
                             std::map<std::string, at::Tensor>* watched) {
  const auto watch = [&](const std::string& tensor) {
    if (watched == nullptr || watched->count(tensor) == 0) return;
    values_.at(tensor).retain_grad();
    watched->at(tensor) = values_.at(tensor);
  };
  values_.clear();
  values_[graph_.input] = fake_quantized(graph_.input, images);
  watch(graph_.input);
  for (const Node& node : graph_.nodes) {
    if (within_others_.count(node.name) != 0) continue;
    const auto operands = operands_.find(node.name);
    if (operands == operands_.end()) {
      const at::Tensor y = run(node, values_.at(node.inputs.at(0)), training);
      values_[node.output] = fake_quantized(node.output, y);
    } else {
      const auto& [x, other] = operands->second;
      values_[node.output] = fake_quantized(node.output, values_.at(x),
                                            other.empty() ? at::Tensor() : values_.at(other));
    }
    watch(node.output);
  }
  const at::Tensor logits = values_.at(graph_.output).flatten(1).to(at::kFloat);
  values_.clear();
  return logits;
}

void TorchNet::estimate_norm(const Node& node, const at::Tensor& x) {
  const auto [variance, mean] = at::var_mean(x.to(at::kFloat), {0, 2, 3}, false);
  const at::Tensor gain = parameters_.at(node.inputs[1]) /
                          at::sqrt(buffers_.at(node.name + "/variance") + kNormEpsilon);
  const at::Tensor shift = parameters_.at(node.inputs[2]) - gain * buffers_.at(node.name + "/mean");
  parameters_.at(node.inputs[1]).copy_(gain * at::sqrt(variance + kNormEpsilon));
  parameters_.at(node.inputs[2]).copy_(shift + gain * mean);
  buffers_.at(node.name + "/mean").copy_(mean);
  buffers_.at(node.name + "/variance").copy_(variance);
}

void TorchNet::estimate_norms(const at::Tensor& images) {
  at::NoGradGuard no_grad;
  estimating_ = true;
  forward(images, false);
  estimating_ = false;
}

Graph TorchNet::to_graph() const {
  Graph result = graph_;
  for (const auto& [name, parameter] : parameters_) {
    const auto found = result.weights.find(name);
    if (found != result.weights.end()) found->second.data = to_vector(with_frozen(name, parameter));
  }
  for (auto& [tensor, grid] : result.quantizations) {
    grid.scales = to_vector(parameters_.at(tensor + kScaleSuffix).exp());
  }
  if (norms_ == NormMode::kAffine) return result;
  for (const Node& node : graph_.nodes) {
    if (node.op != Op::kBatchNorm) continue;
    const at::Tensor gain = parameters_.at(node.inputs[1]) /
                            at::sqrt(buffers_.at(node.name + "/variance") + kNormEpsilon);
    const at::Tensor shift =
        parameters_.at(node.inputs[2]) - buffers_.at(node.name + "/mean") * gain;
    result.weights.at(node.inputs[1]).data = to_vector(gain);
    result.weights.at(node.inputs[2]).data = to_vector(shift);
  }
  return result;
}

}  // namespace tessera::compress
