#include "fuzz/network/random_graph.hpp"

#include <algorithm>
#include <cmath>

#include "graph/onnx_io.hpp"

namespace tessera::fuzz {
namespace {

using graph::element_count;
using graph::Graph;
using graph::Node;
using graph::Op;
using graph::Quantization;
using graph::Shape;
using graph::Tensor;
using graph::WeightCode;
using graph::Window;

/// Scales further apart than this do not fit the 16-bit multipliers of an addition.
constexpr float kLargestScaleRatio = 20000;

/// Of a bias in units of its accumulator.
constexpr float kLargestBias = 1 << 30;

class Generator {
 public:
  explicit Generator(uint64_t seed) : random_(seed) {
    graph_.name = "fuzz-" + std::to_string(seed);
  }

  Graph run() {
    add_input();
    const auto count = random_.pick(3, 8);
    for (int64_t i = 0; i < count; ++i) add_random();
    join_loose_ends();
    finish();
    return std::move(graph_);
  }

 private:
  /// A feature map that later layers can read.
  struct Map {
    std::string tensor;
    Shape shape;  // {C, H, W}
    Quantization grid;
    bool is_read = false;
  };

  void add_input() {
    const Shape shape{random_.pick(1, 5), random_.pick(4, 13), random_.pick(4, 13)};
    graph_.input = "x";
    graph_.shapes["x"] = shape;
    if (random_.chance(50)) {
      graph_.normalization.mean = {0.5F};
      graph_.normalization.std = {0.5F};
    }
    maps_.push_back({"x", shape, random_grid(), false});
    graph_.quantizations["x"] = maps_.back().grid;
  }

  /// For values of about -2..2.
  Quantization random_grid() {
    static const std::vector<int> kBits{8, 8, 8, 4, 4, 2, 16, 16, 3, 5, 6, 7, 12};
    Quantization grid;
    grid.bits = random_.any(kBits);
    grid.is_signed = random_.chance(40);
    float scale = random_.real(1.0F, 3.0F) / static_cast<float>(grid.max());
    if (random_.chance(30)) scale = std::exp2(std::round(std::log2(scale)));
    grid.scales = {scale};
    return grid;
  }

  /// Not so fine that values of this scale would need more than a 16-bit multiplier.
  Quantization random_grid_for(float scale) {
    Quantization grid = random_grid();
    while (scale / grid.scales[0] > kLargestScaleRatio) grid = random_grid();
    return grid;
  }
  Quantization random_grid_for(const std::vector<size_t>& operands) {
    float largest = 0;
    for (size_t i : operands) largest = std::max(largest, maps_[i].grid.scales[0]);
    return random_grid_for(largest);
  }

  /// Mostly the newest map, so that networks become deep, and shapes above 1x1.
  size_t pick_map() {
    return random_.chance(70)
               ? maps_.size() - 1
               : static_cast<size_t>(random_.pick(0, static_cast<int64_t>(maps_.size()) - 1));
  }

  Node new_node(Op op, std::vector<std::string> inputs) {
    Node node;
    node.name = std::string(name_of(op)) + "_" + std::to_string(graph_.nodes.size());
    node.op = op;
    node.inputs = std::move(inputs);
    node.output = "t" + std::to_string(graph_.nodes.size());
    return node;
  }

  void add_random() {
    switch (random_.pick(0, 9)) {
      case 0:
      case 1:
      case 2:
      case 3:
        add_convolution(pick_map());
        break;
      case 4:
      case 5:
        add_residual(pick_map());
        break;
      case 6:
        add_pool(pick_map(), random_.chance(50) ? Op::kMaxPool : Op::kAveragePool);
        break;
      case 7:
        add_concat();
        break;
      case 8:
        add_shortcut(pick_map());
        break;
      default:
        add_block(pick_map());
    }
  }

  /// Kernel, stride, dilation and padding that leave at least one output of {H, W}.
  Window random_window(const Shape& shape, bool may_dilate, bool may_pad) {
    Window w;
    w.stride_h = random_.chance(70) ? 1 : random_.pick(2, 3);
    w.stride_w = random_.chance(70) ? w.stride_h : random_.pick(1, 3);
    const auto side = [&](int64_t size, int64_t& kernel, int64_t& dilation, int64_t& before,
                          int64_t& after) {
      kernel = random_.pick(1, 4);
      dilation = may_dilate && random_.chance(20) ? 2 : 1;
      if (may_pad && random_.chance(60)) {
        before = random_.pick(0, kernel - 1);
        after = random_.pick(0, kernel - 1);
      }
      while ((kernel - 1) * dilation + 1 > size + before + after) {
        if (dilation > 1) {
          dilation = 1;
        } else {
          --kernel;
        }
      }
      before = std::min(before, kernel - 1);
      after = std::min(after, kernel - 1);
    };
    side(shape[1], w.kernel_h, w.dilation_h, w.pad_top, w.pad_bottom);
    side(shape[2], w.kernel_w, w.dilation_w, w.pad_left, w.pad_right);
    return w;
  }

  Quantization weight_grid(int64_t channels) {
    static const std::vector<int> kBits{8, 8, 4, 4, 2, 16, 3, 6};
    Quantization grid;
    if (random_.chance(25)) {
      grid.bits = 4;
      grid.code = WeightCode::kPowerOfTwo;
    } else {
      grid.bits = random_.any(kBits);
    }
    grid.scales.resize(random_.chance(70) ? static_cast<size_t>(channels) : 1);
    return grid;
  }

  int32_t random_weight(const Quantization& grid) {
    if (grid.code != WeightCode::kPowerOfTwo) {
      return static_cast<int32_t>(random_.pick(grid.min(), grid.max()));
    }
    const auto exponent = random_.pick(-1, 6);
    const int32_t magnitude = exponent < 0 ? 0 : 1 << exponent;
    return random_.chance(50) ? -magnitude : magnitude;
  }

  /// Weights whose sums of `taps` values of size 1 are of about that size, and a bias.
  void add_weights(Node& node, const Shape& shape, float input_scale) {
    const int64_t inner = element_count(shape) / shape[0];
    Quantization grid = weight_grid(shape[0]);
    const float size = 2.0F / std::sqrt(static_cast<float>(inner)) / static_cast<float>(grid.max());
    for (float& scale : grid.scales) scale = size * random_.real(0.5F, 1.5F);
    Tensor weight{shape, {}};
    Tensor bias{{shape[0]}, {}};
    for (int64_t k = 0; k < shape[0]; ++k) {
      const float scale = grid.scales[grid.scales.size() == 1 ? 0 : static_cast<size_t>(k)];
      for (int64_t i = 0; i < inner; ++i) {
        weight.data.push_back(scale * static_cast<float>(random_weight(grid)));
      }
      // Not more than a bias word holds.
      const float most = std::min(0.5F, kLargestBias * input_scale * scale);
      bias.data.push_back(random_.real(-most, most));
    }
    node.inputs.push_back(node.output + "_w");
    graph_.quantizations[node.inputs.back()] = grid;
    graph_.weights[node.inputs.back()] = std::move(weight);
    if (random_.chance(80)) {
      node.inputs.push_back(node.output + "_b");
      graph_.weights[node.inputs.back()] = std::move(bias);
    }
  }

  /// Puts the node and perhaps an activation behind it; the result is a map on `grid`.
  size_t push(Node node, Quantization grid) {
    std::string tensor = node.output;
    graph_.nodes.push_back(std::move(node));
    if (random_.chance(40)) {
      Node activation = new_node(random_.chance(60) ? Op::kRelu : Op::kClip, {tensor});
      if (activation.op == Op::kClip) {
        activation.clip_low = random_.chance(50) ? 0.0F : -0.5F;
        activation.clip_high = 1.5F;
      }
      tensor = activation.output;
      graph_.nodes.push_back(std::move(activation));
    }
    graph_.quantizations[tensor] = grid;
    settle();
    maps_.push_back({tensor, graph_.shapes.at(tensor), std::move(grid), false});
    return maps_.size() - 1;
  }

  size_t push_convolution(Node node, const Map& in, int64_t channels,
                          const Quantization* grid = nullptr) {
    const Window& w = node.window;
    add_weights(node, {channels, in.shape[0] / node.groups, w.kernel_h, w.kernel_w},
                in.grid.scales[0]);
    if (random_.chance(25)) node.rounding = graph::Rounding::kStochastic;
    return push(std::move(node), grid != nullptr ? *grid : random_grid_for(in.grid.scales[0]));
  }

  size_t add_convolution(size_t source) {
    const Map& in = read(source);
    Node node = new_node(Op::kConv, {in.tensor});
    node.window = random_window(in.shape, true, true);
    int64_t channels = random_.chance(85) ? random_.pick(1, 18) : random_.pick(19, 70);
    if (random_.chance(20)) {
      node.groups = in.shape[0];
      channels = in.shape[0] * random_.pick(1, 2);
    } else if (in.shape[0] % 2 == 0 && random_.chance(30)) {
      node.groups = 2;
      channels += channels % 2;
    }
    return push_convolution(std::move(node), Map(in), channels);
  }

  /// A convolution that keeps height and width, with `channels` outputs.
  size_t add_same(size_t source, int64_t channels, const Quantization* grid = nullptr) {
    const Map in = read(source);
    Node node = new_node(Op::kConv, {in.tensor});
    const int64_t side = in.shape[1] >= 3 && in.shape[2] >= 3 && random_.chance(60) ? 3 : 1;
    Window& w = node.window;
    w.kernel_h = w.kernel_w = side;
    w.pad_top = w.pad_left = w.pad_bottom = w.pad_right = side / 2;
    return push_convolution(std::move(node), in, channels, grid);
  }

  bool addable(const Quantization& a, const Quantization& b) const {
    const float ratio = a.scales[0] / b.scales[0];
    return ratio < kLargestScaleRatio && ratio > 1 / kLargestScaleRatio;
  }

  void add_sum(size_t a, size_t b) {
    const Quantization grid = random_grid();
    if (maps_[a].shape != maps_[b].shape || !addable(maps_[a].grid, grid) ||
        !addable(maps_[b].grid, grid) || !addable(maps_[a].grid, maps_[b].grid)) {
      return;
    }
    const std::string left = read(a).tensor;
    const std::string right = read(b).tensor;
    push(new_node(Op::kAdd, {left, right}), grid);
  }

  void add_residual(size_t source) {
    const int64_t channels = maps_[source].shape[0];
    const size_t branch = add_same(source, channels);
    if (random_.chance(30)) {
      const size_t other = add_same(source, channels);
      return random_.chance(50) ? add_sum(branch, other) : add_sum(other, branch);
    }
    if (random_.chance(50)) {
      add_sum(branch, source);
    } else {
      add_sum(source, branch);
    }
  }

  size_t add_pool(size_t source, Op op) {
    const Map in = read(source);
    Node node = new_node(op, {in.tensor});
    node.window = random_window(in.shape, false, op == Op::kAveragePool || !in.grid.is_signed);
    node.count_include_pad = true;
    if (op == Op::kAveragePool) return push(std::move(node), random_grid_for(in.grid.scales[0]));
    const std::string tensor = node.output;
    graph_.nodes.push_back(std::move(node));
    settle();
    maps_.push_back({tensor, graph_.shapes.at(tensor), in.grid, false});
    return maps_.size() - 1;
  }

  void add_concat() {
    const size_t first = pick_map();
    // All but the last operand fill whole bytes whatever the width.
    const size_t a = add_same(first, 4 * random_.pick(1, 4));
    // With one grid the operands can be written where they belong; others are rescaled first.
    const Quantization shared = maps_[a].grid;
    const Quantization* grid = random_.chance(60) ? &shared : nullptr;
    const size_t b = random_.chance(40) ? a : add_same(first, 4 * random_.pick(1, 3), grid);
    const size_t c = random_.chance(50) ? first : add_same(first, random_.pick(1, 9), grid);
    std::vector<size_t> operands{a};
    if (b != a) operands.push_back(b);
    operands.push_back(c);
    const float ratio = maps_[c].grid.scales[0] / shared.scales[0];
    push_concat(operands,
                grid != nullptr && ratio < kLargestScaleRatio ? shared : random_grid_for(operands));
    if (random_.chance(40)) add_sum(maps_.size() - 1, add_same(first, maps_.back().shape[0]));
  }

  void push_concat(const std::vector<size_t>& operands, const Quantization& grid) {
    std::vector<std::string> tensors;
    for (size_t index : operands) tensors.push_back(read(index).tensor);
    Node node = new_node(Op::kConcat, tensors);
    const std::string tensor = node.output;
    graph_.nodes.push_back(std::move(node));
    graph_.quantizations[tensor] = grid;
    settle();
    maps_.push_back({tensor, graph_.shapes.at(tensor), grid, false});
  }

  /// The shortcut of a ResNet without weights.
  void add_shortcut(size_t source) {
    const Map in = read(source);
    Node subsample = new_node(Op::kSubsample, {in.tensor});
    subsample.window.stride_h = subsample.window.stride_w = 2;
    const std::string between = subsample.output;
    graph_.nodes.push_back(std::move(subsample));
    Node pad = new_node(Op::kPadChannels, {between});
    pad.pad_before = random_.pick(0, 3);
    pad.pad_after = random_.pick(1, 3);
    const std::string tensor = pad.output;
    graph_.nodes.push_back(std::move(pad));
    settle();
    graph_.quantizations[tensor] = in.grid;
    maps_.push_back({tensor, graph_.shapes.at(tensor), in.grid, false});
  }

  /// Convolution, addition and pool, which the chip does in one pass.
  void add_block(size_t source) {
    add_residual(source);
    add_pool(maps_.size() - 1, random_.chance(50) ? Op::kMaxPool : Op::kAveragePool);
  }

  /// Shapes up to the newest node.
  void settle() {
    graph_.output = graph_.nodes.back().output;
    infer_shapes(graph_);
  }

  const Map& read(size_t index) {
    maps_[index].is_read = true;
    return maps_[index];
  }

  /// {C, 1, 1} of any map.
  size_t collapse(size_t source) {
    const Map in = read(source);
    if (in.shape[1] == 1 && in.shape[2] == 1) return source;
    return push(new_node(Op::kGlobalAveragePool, {in.tensor}), random_grid_for(in.grid.scales[0]));
  }

  /// Every unread map but the newest gets a reader: 4 channels of its mean join a sum.
  void join_loose_ends() {
    std::vector<size_t> loose;
    for (size_t i = 0; i + 1 < maps_.size(); ++i) {
      if (!maps_[i].is_read) loose.push_back(i);
    }
    if (loose.empty()) return;
    loose.push_back(maps_.size() - 1);
    for (size_t& index : loose) index = add_same(collapse(index), 4);
    push_concat(loose, random_grid_for(loose));
  }

  void finish() {
    const Map in = read(maps_.size() - 1);
    Node flatten = new_node(Op::kFlatten, {in.tensor});
    const std::string flat = flatten.output;
    graph_.nodes.push_back(std::move(flatten));
    Node gemm = new_node(Op::kGemm, {flat});
    add_weights(gemm, {random_.pick(2, 10), element_count(in.shape)}, in.grid.scales[0]);
    Quantization grid;
    grid.bits = random_.chance(50) ? 8 : 16;
    grid.scales = {random_.real(1.0F, 3.0F) / static_cast<float>(grid.max())};
    graph_.quantizations[gemm.output] = grid;
    graph_.nodes.push_back(std::move(gemm));
    settle();
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
