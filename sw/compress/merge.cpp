#include "compress/merge.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>

#include "compress/fold.hpp"
#include "reference/float_engine.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Node;
using graph::Op;
using graph::Shape;
using graph::Tensor;
using graph::Window;
using Values = std::vector<float>;

void check_float(const Graph& graph) {
  if (graph.quantizations.empty()) return;
  throw std::runtime_error("network " + graph.name +
                           " is quantised already; layers are merged in float networks");
}

Node* producer_of(Graph& graph, const std::string& tensor) {
  for (Node& node : graph.nodes) {
    if (node.output == tensor) return &node;
  }
  return nullptr;
}

/// The node that makes the tensor, if only one node reads it.
Node* sole_producer(Graph& graph, const std::string& tensor) {
  const bool is_sole = tensor != graph.output && graph.consumers(tensor).size() == 1;
  return is_sole ? producer_of(graph, tensor) : nullptr;
}

void erase_unused_weights(Graph& graph) {
  std::set<std::string> used;
  for (const Node& node : graph.nodes) used.insert(node.inputs.begin(), node.inputs.end());
  for (auto entry = graph.weights.begin(); entry != graph.weights.end();) {
    entry = used.count(entry->first) != 0 ? std::next(entry) : graph.weights.erase(entry);
  }
}

/// Removes the node, and all that then has no reader; what it read takes its output's place.
void bypass(Graph& graph, const std::string& name, const std::string& kept_input) {
  const auto at = std::find_if(graph.nodes.begin(), graph.nodes.end(),
                               [&](const Node& node) { return node.name == name; });
  const std::string output = at->output;
  graph.nodes.erase(at);
  for (Node& node : graph.nodes) {
    std::replace(node.inputs.begin(), node.inputs.end(), output, kept_input);
  }
  std::set<std::string> read{graph.output};
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    const Node& node = graph.nodes[i];
    if (read.count(node.output) != 0) {
      read.insert(node.inputs.begin(), node.inputs.end());
    } else {
      graph.nodes.erase(graph.nodes.begin() + static_cast<long>(i));
    }
  }
  erase_unused_weights(graph);
  infer_shapes(graph);
}

/// A convolution and, maybe, the activation behind it, in front of a pooling.
struct Producer {
  Node* conv = nullptr;
  Node* activation = nullptr;
};

Producer convolution_before(Graph& graph, const Node& pool, bool through_activation) {
  Producer found;
  Node* node = sole_producer(graph, pool.inputs[0]);
  if (node != nullptr && through_activation && (node->op == Op::kRelu || node->op == Op::kClip)) {
    found.activation = node;
    node = sole_producer(graph, node->inputs[0]);
  }
  if (node != nullptr && node->op == Op::kConv) found.conv = node;
  return found;
}

/// Lets the convolution have the window and weights, and takes the pooling out.
void replace_pool(Graph& graph, size_t pool, const Producer& producer, const Window& window,
                  std::optional<Tensor> weight) {
  Node& conv = *producer.conv;
  const std::string output = graph.nodes[pool].output;
  conv.window = window;
  if (weight) {
    const std::string name = graph.nodes[pool].name + "/" + conv.inputs[1];
    conv.inputs[1] = name;
    graph.weights[name] = std::move(*weight);
  }
  (producer.activation == nullptr ? conv : *producer.activation).output = output;
  graph.nodes.erase(graph.nodes.begin() + static_cast<long>(pool));
  erase_unused_weights(graph);
  infer_shapes(graph);
}

/// The convolution's and the pooling's window as one.
Window joint_window(const Window& conv, const Window& pool) {
  Window w = conv;
  w.kernel_h = (pool.kernel_h - 1) * conv.stride_h + (conv.kernel_h - 1) * conv.dilation_h + 1;
  w.kernel_w = (pool.kernel_w - 1) * conv.stride_w + (conv.kernel_w - 1) * conv.dilation_w + 1;
  w.dilation_h = w.dilation_w = 1;
  w.stride_h = conv.stride_h * pool.stride_h;
  w.stride_w = conv.stride_w * pool.stride_w;
  return w;
}

Tensor averaged_weight(const Tensor& weight, const Window& conv, const Window& pool) {
  const Window joint = joint_window(conv, pool);
  Tensor result{{weight.shape[0], weight.shape[1], joint.kernel_h, joint.kernel_w}, {}};
  std::vector<double> sums(static_cast<size_t>(graph::element_count(result.shape)));
  const double area = static_cast<double>(pool.kernel_h * pool.kernel_w);
  for (size_t i = 0; i < weight.data.size(); ++i) {
    const auto tap = static_cast<int64_t>(i);
    const int64_t kw = tap % conv.kernel_w;
    const int64_t kh = tap / conv.kernel_w % conv.kernel_h;
    const int64_t filter = tap / conv.kernel_w / conv.kernel_h;
    for (int64_t y = 0; y < pool.kernel_h; ++y) {
      for (int64_t x = 0; x < pool.kernel_w; ++x) {
        const int64_t row = y * conv.stride_h + kh * conv.dilation_h;
        const int64_t column = x * conv.stride_w + kw * conv.dilation_w;
        const int64_t at = (filter * joint.kernel_h + row) * joint.kernel_w + column;
        sums[static_cast<size_t>(at)] += weight.data[i] / area;
      }
    }
  }
  result.data.assign(sums.begin(), sums.end());
  return result;
}

/// One dimension of a convolution that computes the middle of each of a pooling's windows.
struct Striding {
  int64_t kernel, stride, dilation, before, after;  ///< of the convolution
};

Striding strided(Striding conv, int64_t size, int64_t positions, int64_t kernel, int64_t stride,
                 int64_t pad) {
  const int64_t middle = std::min((kernel - 1) / 2, pad + conv.before / conv.stride);
  conv.before -= conv.stride * (middle - pad);
  conv.stride *= stride;
  const int64_t end = (positions - 1) * conv.stride + (conv.kernel - 1) * conv.dilation + 1;
  conv.after = std::max<int64_t>(end - size - conv.before, 0);
  return conv;
}

Window strided_window(const Node& conv, const Node& pool, const Shape& x, const Shape& y) {
  const Window& c = conv.window;
  const Window& p = pool.window;
  const Striding h = strided({c.kernel_h, c.stride_h, c.dilation_h, c.pad_top, c.pad_bottom}, x[1],
                             y[1], p.kernel_h, p.stride_h, p.pad_top);
  const Striding w = strided({c.kernel_w, c.stride_w, c.dilation_w, c.pad_left, c.pad_right}, x[2],
                             y[2], p.kernel_w, p.stride_w, p.pad_left);
  return {c.kernel_h,   c.kernel_w, h.stride, w.stride, c.dilation_h,
          c.dilation_w, h.before,   w.before, h.after,  w.after};
}

/// The factors of each LRN, by node.
std::map<std::string, Values> lrn_factors(const Graph& graph, const Samples& samples) {
  struct Sums {
    std::vector<double> xy, xx;
  };
  std::map<std::string, Sums> sums;
  std::map<std::string, Values> inputs;  // of LRNs, as they come
  for (const Node& node : graph.nodes) {
    if (node.op == Op::kLrn) inputs[node.inputs[0]];
  }
  const reference::FloatEngine engine(graph);
  const auto observer = [&](const std::string& tensor, const Values& values) {
    const auto input = inputs.find(tensor);
    if (input != inputs.end()) input->second = values;
    const Node* node = graph.producer(tensor);
    if (node == nullptr || node->op != Op::kLrn) return;
    const Values& x = inputs.at(node->inputs[0]);
    Sums& sum = sums[node->name];
    const auto channels = static_cast<size_t>(graph.shapes.at(tensor)[0]);
    sum.xy.resize(channels);
    sum.xx.resize(channels);
    for (size_t i = 0; i < x.size(); ++i) {
      const size_t c = i / (x.size() / channels);
      sum.xy[c] += double{x[i]} * double{values[i]};
      sum.xx[c] += double{x[i]} * double{x[i]};
    }
  };
  for (int64_t i = 0; i < samples.count; ++i) engine.run(samples.image(i), observer);
  std::map<std::string, Values> factors;
  for (const Node& node : graph.nodes) {
    if (node.op != Op::kLrn) continue;
    const double at_zero = std::pow(double{node.lrn_bias}, -double{node.lrn_beta});
    const Sums& sum = sums[node.name];
    for (size_t c = 0; c < static_cast<size_t>(graph.shapes.at(node.output)[0]); ++c) {
      const bool seen = c < sum.xx.size() && sum.xx[c] > 0;
      factors[node.name].push_back(static_cast<float>(seen ? sum.xy[c] / sum.xx[c] : at_zero));
    }
  }
  return factors;
}

bool commutes_with_positive_factors(Op op) {
  return op == Op::kRelu || op == Op::kMaxPool || op == Op::kAveragePool ||
         op == Op::kGlobalAveragePool || op == Op::kSubsample;
}

/// The convolution that factors of the tensor's channels can move into.
Node* layer_to_scale(Graph& graph, const std::string& tensor) {
  Node* node = sole_producer(graph, tensor);
  while (node != nullptr && commutes_with_positive_factors(node->op)) {
    node = sole_producer(graph, node->inputs[0]);
  }
  return node != nullptr && node->op == Op::kConv ? node : nullptr;
}

void become_batch_norm(Graph& graph, Node& lrn, const Values& factors) {
  const Shape shape{static_cast<int64_t>(factors.size())};
  lrn.op = Op::kBatchNorm;
  lrn.inputs = {lrn.inputs[0], lrn.name + "/scale", lrn.name + "/shift"};
  graph.weights[lrn.inputs[1]] = {shape, factors};
  graph.weights[lrn.inputs[2]] = {shape, Values(factors.size(), 0)};
}

/// What a layer adds to what it is given, relative to its output, and what is left without it.
struct Removable {
  std::string node, kept_input;
  double relative = 0;
};

bool keeps_shape(const Graph& graph, const Node& node) {
  return graph.shapes.at(node.inputs[0]) == graph.shapes.at(node.output);
}

/// The ways to remove nodes, with how much each would change.
std::vector<Removable> removable_layers(const Graph& graph, const Samples& samples) {
  struct Sums {
    const Node* node;
    std::string kept_input;
    double difference = 0, output = 0;
  };
  std::vector<Sums> all;
  std::map<std::string, Values> tensors;
  for (const Node& node : graph.nodes) {
    if (node.output == graph.output) continue;
    if (node.op != Op::kAdd && (node.op != Op::kConv || !keeps_shape(graph, node))) continue;
    const size_t operands = node.op == Op::kAdd ? 2 : 1;
    for (size_t i = 0; i < operands; ++i) all.push_back({&node, node.inputs[i]});
    for (size_t i = 0; i < operands; ++i) tensors[node.inputs[i]];
    tensors[node.output];
  }
  const reference::FloatEngine engine(graph);
  const auto observer = [&](const std::string& tensor, const Values& values) {
    const auto found = tensors.find(tensor);
    if (found != tensors.end()) found->second = values;
  };
  for (int64_t i = 0; i < samples.count; ++i) {
    engine.run(samples.image(i), observer);
    for (Sums& sums : all) {
      const Values& x = tensors.at(sums.kept_input);
      const Values& y = tensors.at(sums.node->output);
      for (size_t at = 0; at < y.size(); ++at) {
        const double change = double{y[at]} - double{x[at]};
        sums.difference += change * change;
        sums.output += double{y[at]} * double{y[at]};
      }
    }
  }
  std::vector<Removable> found;
  for (const Sums& sums : all) {
    if (sums.output > 0) {
      found.push_back({sums.node->name, sums.kept_input, std::sqrt(sums.difference / sums.output)});
    }
  }
  return found;
}

}  // namespace

std::vector<std::string> merge_lrn(Graph& graph, const Samples& samples) {
  check_float(graph);
  std::vector<std::string> merged;
  for (const auto& [name, factors] : lrn_factors(graph, samples)) {
    for (const float factor : factors) {
      if (factor > 0 && std::isfinite(factor)) continue;
      throw std::runtime_error("node " + name + " (LRN): its mean factor is " +
                               std::to_string(factor) + ", which no layer can take over");
    }
    Node& lrn = *std::find_if(graph.nodes.begin(), graph.nodes.end(),
                              [&name = name](const Node& node) { return node.name == name; });
    Node* layer = lrn.output == graph.output ? nullptr : layer_to_scale(graph, lrn.inputs[0]);
    if (layer == nullptr) {
      become_batch_norm(graph, lrn, factors);
    } else {
      scale_layer(graph, *layer, factors, Values(factors.size(), 0));
      bypass(graph, name, std::string(lrn.inputs[0]));
    }
    merged.push_back(name);
  }
  fold_batch_norm(graph);
  infer_shapes(graph);
  return merged;
}

std::vector<std::string> merge_average_pools(Graph& graph, Merging merging) {
  check_float(graph);
  std::vector<std::string> merged;
  for (size_t i = 0; i < graph.nodes.size() && merging != Merging::kNone; ++i) {
    const Node& pool = graph.nodes[i];
    const Window& w = pool.window;
    if (pool.op != Op::kAveragePool || w.dilation_h * w.dilation_w != 1 ||
        w.pad_top + w.pad_left + w.pad_bottom + w.pad_right != 0) {
      continue;
    }
    const Producer producer = convolution_before(graph, pool, merging == Merging::kApproximate);
    if (producer.conv == nullptr) continue;
    const Window& c = producer.conv->window;
    merged.push_back(pool.name);
    replace_pool(graph, i, producer, joint_window(c, w),
                 averaged_weight(graph.weights.at(producer.conv->inputs[1]), c, w));
    --i;
  }
  return merged;
}

std::vector<std::string> merge_max_pools(Graph& graph) {
  check_float(graph);
  std::vector<std::string> merged;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& pool = graph.nodes[i];
    if (pool.op != Op::kMaxPool) continue;
    const Producer producer = convolution_before(graph, pool, true);
    if (producer.conv == nullptr) continue;
    Node conv = *producer.conv;
    conv.window =
        strided_window(conv, pool, graph.shapes.at(conv.inputs[0]), graph.shapes.at(pool.output));
    // Windows of which more is left over than a stride have no convolution of their size.
    if (infer_output_shape(graph, conv) != graph.shapes.at(pool.output)) continue;
    merged.push_back(pool.name);
    replace_pool(graph, i, producer, conv.window, std::nullopt);
    --i;
  }
  return merged;
}

std::vector<std::string> remove_near_identities(Graph& graph, const Samples& samples,
                                                double threshold) {
  check_float(graph);
  std::vector<std::string> removed;
  for (;;) {
    const std::vector<Removable> layers = removable_layers(graph, samples);
    const auto least = std::min_element(
        layers.begin(), layers.end(),
        [](const Removable& a, const Removable& b) { return a.relative < b.relative; });
    if (least == layers.end() || !(least->relative < threshold)) return removed;
    removed.push_back(least->node);
    bypass(graph, least->node, least->kept_input);
  }
}

std::vector<std::string> merge_layers(Graph& graph, const MergeOptions& options,
                                      const Samples& samples) {
  std::vector<std::string> gone;
  const auto note = [&](const std::vector<std::string>& names) {
    gone.insert(gone.end(), names.begin(), names.end());
  };
  if (options.lrn) note(merge_lrn(graph, samples));
  note(merge_average_pools(graph, options.average_pool));
  if (options.max_pool) note(merge_max_pools(graph));
  if (options.identity_threshold > 0) {
    note(remove_near_identities(graph, samples, options.identity_threshold));
  }
  return gone;
}

}  // namespace tessera::compress
