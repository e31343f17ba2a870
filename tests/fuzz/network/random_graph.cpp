#include "fuzz/network/random_graph.hpp"

#include <algorithm>
#include <utility>

#include "fuzz/network/random_layer.hpp"
#include "graph/onnx_io.hpp"

namespace tessera::fuzz {
namespace {

using graph::element_count;
using graph::Graph;
using graph::Node;
using graph::Op;
using graph::Quantization;
using graph::Shape;
using graph::Window;

constexpr int64_t kMostChannels = 24;

/// Whole bytes of every width.
constexpr int64_t kChannelUnit = 4;

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {
    graph_.name = "fuzz-" + std::to_string(seed);
  }

  Graph run() {
    add_input();
    const auto count = random_.pick(2, 7);
    for (int64_t i = 0; i < count; ++i) add_random();
    join_loose_ends();
    finish();
    return std::move(graph_);
  }

 private:
  /// A tensor on a grid that later layers can read.
  struct Map {
    std::string tensor;
    Shape shape;  // {C, H, W} or {N}
    Quantization grid;
    bool is_read = false;
  };

  void add_input() {
    const Shape shape{random_.chance(60) ? random_.pick(1, 4) : random_.pick(1, kMostChannels),
                      random_.pick(1, 16), random_.pick(1, 16)};
    graph_.input = "x";
    graph_.shapes["x"] = shape;
    if (random_.chance(50)) {
      graph_.normalization.mean = {0.5F};
      graph_.normalization.std = {0.5F};
    }
    maps_.push_back({"x", shape, random_grid(random_), false});
    graph_.quantizations["x"] = maps_.back().grid;
  }

  void add_random() {
    const auto kind = random_.pick(0, 11);
    const size_t source = pick_map();
    if (kind < 4) {
      add_convolution(source);
    } else if (kind < 6) {
      add_residual(source);
    } else if (kind == 6) {
      add_pool(source, random_.chance(50) ? Op::kMaxPool : Op::kAveragePool);
    } else if (kind < 9) {
      add_concat(source);
    } else if (kind == 9) {
      add_selection(source);
    } else if (kind == 10) {
      add_residual(source);
      add_pool(newest(), random_.chance(50) ? Op::kMaxPool : Op::kAveragePool);
    } else {
      add_activation(source);
    }
  }

  size_t newest() const { return maps_.size() - 1; }

  /// Mostly the newest map, so that networks become deep.
  size_t pick_map() {
    return random_.chance(70)
               ? newest()
               : static_cast<size_t>(random_.pick(0, static_cast<int64_t>(newest())));
  }

  const Map& read(size_t index) {
    maps_[index].is_read = true;
    return maps_[index];
  }

  Node new_node(Op op, std::vector<std::string> inputs) {
    Node node;
    node.name = std::string(name_of(op)) + "_" + std::to_string(graph_.nodes.size());
    node.op = op;
    node.inputs = std::move(inputs);
    node.output = "t" + std::to_string(graph_.nodes.size());
    return node;
  }

  /// The node as it is; its result is a map on `grid`.
  size_t push_bare(Node node, Quantization grid) {
    const std::string tensor = node.output;
    graph_.nodes.push_back(std::move(node));
    graph_.output = tensor;
    graph_.quantizations[tensor] = grid;
    infer_shapes(graph_);
    maps_.push_back({tensor, graph_.shapes.at(tensor), std::move(grid), false});
    return newest();
  }

  Node new_activation(const std::string& input) {
    Node node = new_node(random_.chance(60) ? Op::kRelu : Op::kClip, {input});
    if (node.op == Op::kRelu) return node;
    static const std::vector<float> kLow{0, 0, -0.5F, -1, 0.2F};
    static const std::vector<float> kHigh{1.5F, 6, 0.75F};
    node.clip_low = random_.any(kLow);
    node.clip_high = random_.any(kHigh);
    return node;
  }

  /// The node and perhaps activations behind it; the result is a map on `grid`. A tensor in between
  /// is on no grid, on one of the same scale, or on another.
  size_t push(Node node, const Quantization& grid) {
    while (random_.chance(35)) {
      std::string tensor = node.output;
      graph_.nodes.push_back(std::move(node));
      if (random_.chance(15)) {
        Quantization between = random_grid_for(random_, grid.scales[0]);
        if (random_.chance(50)) {
          between = grid;
          if (random_.chance(50)) between.bits = 16;
        }
        graph_.quantizations[tensor] = between;
      }
      node = new_activation(tensor);
    }
    return push_bare(std::move(node), grid);
  }

  size_t push_weighted(Node node, const Shape& weight_shape, const Quantization& input,
                       const Quantization* grid) {
    RandomWeights weights = random_weights(random_, weight_shape, input.scales[0]);
    node.inputs.push_back(node.output + "_w");
    graph_.quantizations[node.inputs.back()] = std::move(weights.grid);
    graph_.weights[node.inputs.back()] = std::move(weights.weight);
    if (!weights.bias.data.empty()) {
      node.inputs.push_back(node.output + "_b");
      graph_.weights[node.inputs.back()] = std::move(weights.bias);
    }
    if (random_.chance(25)) node.rounding = graph::Rounding::kStochastic;
    return push(std::move(node),
                grid != nullptr ? *grid : random_grid_for(random_, input.scales[0]));
  }

  size_t push_convolution(Node node, const Map& in, int64_t channels,
                          const Quantization* grid = nullptr) {
    const Shape shape{channels, in.shape[0] / node.groups, node.window.kernel_h,
                      node.window.kernel_w};
    return push_weighted(std::move(node), shape, in.grid, grid);
  }

  void add_convolution(size_t source) {
    const Map in = read(source);
    Node node = new_node(Op::kConv, {in.tensor});
    node.window = random_window(random_, in.shape, {3, true, true});
    int64_t channels = random_.chance(92) ? random_.pick(1, kMostChannels) : random_.pick(25, 70);
    if (random_.chance(25)) {
      node.groups = in.shape[0];
      channels = in.shape[0] * random_.pick(1, in.shape[0] <= 12 ? 3 : 1);
    } else if (random_.chance(25)) {
      node.groups = random_divisor(in.shape[0]);
      channels = node.groups * random_.pick(1, std::max<int64_t>(kMostChannels / node.groups, 1));
    }
    push_convolution(std::move(node), in, channels);
  }

  int64_t random_divisor(int64_t value) {
    std::vector<int64_t> divisors;
    for (int64_t d = 1; d <= value; ++d) {
      if (value % d == 0) divisors.push_back(d);
    }
    return random_.any(divisors);
  }

  /// A convolution that keeps height and width, with `channels` outputs.
  size_t add_same(size_t source, int64_t channels, const Quantization* grid = nullptr) {
    const Map in = read(source);
    Node node = new_node(Op::kConv, {in.tensor});
    const int64_t side = random_.chance(50) ? 1 : random_.chance(80) ? 3 : 5;
    Window& w = node.window;
    w.kernel_h = w.kernel_w = side;
    w.pad_top = w.pad_left = w.pad_bottom = w.pad_right = side / 2;
    if (channels == in.shape[0] && random_.chance(30)) node.groups = channels;
    return push_convolution(std::move(node), in, channels, grid);
  }

  bool can_add(size_t a, size_t b, const Quantization& grid) const {
    return maps_[a].shape == maps_[b].shape && are_close(maps_[a].grid, grid) &&
           are_close(maps_[b].grid, grid) && are_close(maps_[a].grid, maps_[b].grid);
  }

  void add_sum(size_t a, size_t b) {
    const Quantization grid = random_grid(random_);
    if (!can_add(a, b, grid)) return;
    if (random_.chance(50)) std::swap(a, b);
    const std::string left = read(a).tensor;
    const std::string right = read(b).tensor;
    push(new_node(Op::kAdd, {left, right}), grid);
  }

  void add_residual(size_t source) {
    if (random_.chance(8)) return add_sum(source, source);
    const int64_t channels = maps_[source].shape[0];
    const size_t branch = add_same(source, channels);
    add_sum(branch, random_.chance(30) ? add_same(source, channels) : source);
  }

  size_t add_pool(size_t source, Op op) {
    const Map in = read(source);
    Node node = new_node(op, {in.tensor});
    // Padding of a maximum on a signed grid would be 0 instead of nothing.
    node.window =
        random_window(random_, in.shape, {1, op == Op::kAveragePool || !in.grid.is_signed, false});
    node.count_include_pad = true;
    if (op == Op::kMaxPool) return push_bare(std::move(node), in.grid);
    return push(std::move(node), random_grid_for(random_, in.grid.scales[0]));
  }

  /// Inception-like branches: of one map, of several, of the map itself.
  void add_concat(size_t first) {
    const auto count = random_.pick(2, 4);
    const Quantization shared = random_grid_for(random_, maps_[first].grid.scales[0]);
    // With one grid the operands can be written where they belong; others are rescaled first.
    const Quantization* grid = random_.chance(60) ? &shared : nullptr;
    std::vector<size_t> operands;
    for (int64_t i = 0; i < count; ++i) {
      const bool is_last = i + 1 == count;
      if (random_.chance(25) && (is_last || maps_[first].shape[0] % kChannelUnit == 0) &&
          maps_[first].shape[0] <= kMostChannels) {
        operands.push_back(first);
      } else {
        const int64_t channels = is_last ? random_.pick(1, 9) : kChannelUnit * random_.pick(1, 3);
        operands.push_back(add_same(first, channels, grid));
      }
    }
    push_concat(operands, shared);
    const int64_t channels = maps_.back().shape[0];
    if (random_.chance(30)) add_sum(newest(), add_same(first, channels));
  }

  /// On `wish` if every operand can be rescaled to it.
  void push_concat(const std::vector<size_t>& operands, const Quantization& wish) {
    std::vector<std::string> tensors;
    float largest = 0;
    for (size_t index : operands) {
      tensors.push_back(read(index).tensor);
      largest = std::max(largest, maps_[index].grid.scales[0]);
    }
    const bool fits = largest / wish.scales[0] <= kLargestScaleRatio;
    push_bare(new_node(Op::kConcat, tensors), fits ? wish : random_grid_for(random_, largest));
  }

  /// The parts of a ResNet's shortcut without weights, together or alone.
  void add_selection(size_t source) {
    const Map in = read(source);
    const bool subsamples = random_.chance(75);
    std::string tensor = in.tensor;
    Node node = new_node(Op::kSubsample, {tensor});
    node.window.stride_h = random_.pick(1, 3);
    node.window.stride_w = node.window.stride_h == 1 ? 2 : random_.pick(1, 3);
    if (subsamples && random_.chance(40)) {
      push(std::move(node), random_grid_for(random_, in.grid.scales[0]));
      return;
    }
    if (subsamples) {
      tensor = node.output;
      graph_.nodes.push_back(std::move(node));
    }
    Node pad = new_node(Op::kPadChannels, {tensor});
    pad.pad_before = random_.pick(0, 3);
    pad.pad_after = random_.pick(1, 3);
    push(std::move(pad),
         random_.chance(60) ? in.grid : random_grid_for(random_, in.grid.scales[0]));
  }

  void add_activation(size_t source) {
    const Map in = read(source);
    Node node = new_activation(in.tensor);
    if (random_.chance(30)) {
      push(std::move(node), in.grid);
      return;
    }
    // It may join the layer before it, of which only a convolution rounds so.
    const Node* before = graph_.producer(in.tensor);
    const bool joins_no_other = before == nullptr || before->op == Op::kConv;
    if (joins_no_other && random_.chance(40)) node.rounding = graph::Rounding::kStochastic;
    push(std::move(node), random_grid_for(random_, in.grid.scales[0]));
  }

  /// {C, 1, 1} of any map.
  size_t collapse(size_t source) {
    const Map in = read(source);
    if (in.shape[1] == 1 && in.shape[2] == 1 && random_.chance(80)) return source;
    return push(new_node(Op::kGlobalAveragePool, {in.tensor}),
                random_grid_for(random_, in.grid.scales[0]));
  }

  /// Every unread map but the newest gets a reader: 4 channels of its mean join a sum.
  void join_loose_ends() {
    std::vector<size_t> loose;
    for (size_t i = 0; i + 1 < maps_.size(); ++i) {
      if (!maps_[i].is_read) loose.push_back(i);
    }
    if (loose.empty()) return;
    loose.push_back(newest());
    for (size_t& index : loose) index = add_same(collapse(index), kChannelUnit);
    push_concat(loose, random_grid(random_));
  }

  size_t push_gemm(size_t source, int64_t outputs, const Quantization* grid = nullptr) {
    const Map in = read(source);
    return push_weighted(new_node(Op::kGemm, {in.tensor}), {outputs, in.shape[0]}, in.grid, grid);
  }

  /// Ends in fully connected layers, or where the network is.
  void finish() {
    if (random_.chance(30)) {
      const size_t end = newest();
      if (end != 0 && element_count(maps_[end].shape) <= kLargestOutput) return;
    }
    size_t last = random_.chance(30) ? collapse(newest()) : newest();
    const bool is_vector = element_count(maps_[last].shape) == maps_[last].shape[0];
    Node flatten = new_node(Op::kFlatten, {read(last).tensor});
    last = push_bare(std::move(flatten), Quantization(maps_[last].grid));
    for (auto hidden = random_.pick(0, 2); hidden > 0; --hidden) {
      const size_t before = last;
      last = push_gemm(last, random_.chance(40) ? maps_[last].shape[0] : random_.pick(1, 40));
      // A flattened map of several pixels is no operand of a vector's addition.
      const bool addable = is_vector || graph_.producer(maps_[before].tensor)->op != Op::kFlatten;
      if (addable && maps_[before].shape == maps_[last].shape && random_.chance(60)) {
        add_sum(before, last);
      }
      last = newest();
    }
    // Logits on a fine grid tell more of what came before them.
    Quantization fine;
    fine.bits = random_.chance(50) ? 8 : 16;
    fine.scales = {random_.real(1.0F, 3.0F) / static_cast<float>(fine.max())};
    push_gemm(last, random_.pick(2, 20), random_.chance(85) ? &fine : nullptr);
    if (!random_.chance(10)) return;
    graph_.nodes.push_back(new_node(Op::kSoftmax, {maps_.back().tensor}));
    graph_.output = graph_.nodes.back().output;
    infer_shapes(graph_);
  }

  Random random_;
  Graph graph_;
  std::vector<Map> maps_;
};

}  // namespace

graph::Graph random_graph(uint64_t seed) {
  const Graph graph = Generator(seed).run();
  return graph::parse_onnx(graph::serialize_onnx(graph), graph.name);
}

std::vector<uint8_t> random_image(const graph::Graph& graph, Random& random) {
  std::vector<uint8_t> bytes(static_cast<size_t>(element_count(graph.shapes.at(graph.input))));
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.pick(0, 255));
  return bytes;
}

}  // namespace tessera::fuzz
