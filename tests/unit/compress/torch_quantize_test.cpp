#include "compress/torch_quantize.hpp"

#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/torch.h>

#include <map>
#include <string>
#include <vector>

#include "compress/torch_net.hpp"

namespace tessera::compress {
namespace {

using graph::Quantization;
using graph::WeightCode;

/// The same by single operations of libtorch, which find the gradients.
at::Tensor composed(const at::Tensor& x, const at::Tensor& log_scale, const Quantization& grid) {
  std::vector<int64_t> shape(static_cast<size_t>(x.dim()), 1);
  shape[0] = log_scale.numel();
  const at::Tensor scale = log_scale.exp().view(shape);
  const at::Tensor inside = at::clamp(x / scale, grid.min(), grid.max());
  const at::Tensor magnitude = inside.detach().abs();
  const at::Tensor power = at::exp2(at::floor(at::log2(magnitude.clamp_min(0.75) / 0.75)));
  const at::Tensor nearest =
      grid.code == WeightCode::kPowerOfTwo
          ? at::sign(inside.detach()) * power.clamp_max(64) * (magnitude >= 0.5).to(at::kFloat)
          : inside.detach().round();
  return (inside + (nearest - inside).detach()) * scale;
}

double largest_difference(const at::Tensor& a, const at::Tensor& b) {
  return (a.to(at::kFloat) - b.to(at::kFloat)).abs().max().item<double>();
}

Quantization grid_of(int bits, bool is_signed, WeightCode code = WeightCode::kTwosComplement) {
  Quantization grid;
  grid.bits = bits;
  grid.is_signed = is_signed;
  grid.code = code;
  return grid;
}

struct Case {
  std::vector<int64_t> shape;
  int64_t scales;
  Quantization grid;
  bool sum;
  at::ScalarType type;  ///< of operands and result
};

/// Several pieces a scale, and ends of pieces that are not whole vectors.
std::vector<Case> cases() {
  std::vector<Case> result;
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    for (const bool sum : {false, true}) {
      result.push_back({{3, 5, 37, 41}, 1, grid_of(8, false), sum, type});
      result.push_back({{3, 5, 37, 41}, 1, grid_of(4, true), sum, type});
      result.push_back({{7, 33, 3, 3}, 7, grid_of(2, true), sum, type});
      result.push_back({{3, 4099, 3}, 3, grid_of(4, true, WeightCode::kPowerOfTwo), sum, type});
    }
  }
  return result;
}

TEST(TorchQuantize, values_and_gradients_are_those_of_single_operations) {
  torch::manual_seed(3);
  int number = 0;
  for (const Case& c : cases()) {
    SCOPED_TRACE("case " + std::to_string(number++));
    const bool exact = c.type == at::kFloat;
    const auto operand = [&] { return at::randn(c.shape).to(c.type).requires_grad_(true); };
    const at::Tensor x = operand(), other = c.sum ? operand() : at::Tensor();
    // Part of the values lies outside of every grid.
    const at::Tensor log_scale =
        (at::rand({c.scales}) - std::log(0.8 * c.grid.max())).requires_grad_(true);
    const at::Tensor whole = c.sum ? x.to(at::kFloat) + other.to(at::kFloat) : x.to(at::kFloat);
    const at::Tensor expected = composed(whole, log_scale, c.grid);
    const at::Tensor actual = fake_quantize(x, other, log_scale, c.grid, c.type);
    ASSERT_EQ(actual.scalar_type(), c.type);
    ASSERT_EQ(actual.sizes(), expected.sizes());
    const double largest = expected.abs().max().item<double>();
    EXPECT_LE(largest_difference(actual, expected), largest * (exact ? 1e-6 : 1.0 / 256));
    const at::Tensor dy = at::randn(c.shape).to(c.type);
    std::vector<at::Tensor> inputs = {x, log_scale};
    if (c.sum) inputs.push_back(other);
    const auto wanted = torch::autograd::grad({expected}, inputs, {dy.to(at::kFloat)});
    const auto got = torch::autograd::grad({actual}, inputs, {dy});
    for (size_t i = 0; i < inputs.size(); ++i) {
      ASSERT_EQ(got[i].scalar_type(), inputs[i].scalar_type());
      const double scale = wanted[i].abs().max().item<double>();
      EXPECT_LE(largest_difference(got[i], wanted[i]), scale * 1e-4) << "gradient " << i;
      EXPECT_GT(scale, 0);
    }
  }
}

TEST(TorchQuantize, memory_with_channels_last_gives_the_same_as_plain_memory) {
  torch::manual_seed(4);
  const at::Tensor x = at::randn({4, 6, 9, 9});
  const at::Tensor log_scale = at::rand({4}) - 3;
  const Quantization grid = grid_of(4, true);
  const at::Tensor plain = fake_quantize(x, at::Tensor(), log_scale, grid, at::kFloat);
  const at::Tensor last = fake_quantize(x.contiguous(at::MemoryFormat::ChannelsLast), at::Tensor(),
                                        log_scale, grid, at::kFloat);
  EXPECT_TRUE(at::equal(plain, last));
}

TEST(TorchQuantize, the_gradient_of_a_scale_does_not_depend_on_the_number_of_threads) {
  torch::manual_seed(5);
  const at::Tensor x = at::randn({8, 16, 33, 33});
  const at::Tensor dy = at::randn(x.sizes());
  const at::Tensor log_scale = at::full({1}, -3.0).requires_grad_(true);
  std::vector<at::Tensor> gradients;
  const int threads = at::get_num_threads();
  for (const int count : {1, 2, 3}) {
    at::set_num_threads(count);
    const at::Tensor y = fake_quantize(x, at::Tensor(), log_scale, grid_of(8, true), at::kFloat);
    gradients.push_back(torch::autograd::grad({y}, {log_scale}, {dy})[0]);
  }
  at::set_num_threads(threads);
  EXPECT_TRUE(at::equal(gradients[0], gradients[1]));
  EXPECT_TRUE(at::equal(gradients[0], gradients[2]));
}

TEST(TorchQuantize, integers_are_those_of_the_graphs_quantize) {
  torch::manual_seed(6);
  for (const Quantization& grid :
       {grid_of(4, true), grid_of(3, false), grid_of(4, true, WeightCode::kPowerOfTwo)}) {
    const at::Tensor x = at::randn({2, 500});
    const at::Tensor scale = at::tensor({0.11F, 0.23F});
    const at::Tensor integers = nearest_integers(x, scale.log(), grid);
    for (int64_t k = 0; k < 2; ++k) {
      const float exact = scale[k].log().exp().item<float>();
      for (int64_t i = 0; i < 500; ++i) {
        EXPECT_EQ(integers[k][i].item<float>(),
                  static_cast<float>(quantize(x[k][i].item<float>(), exact, grid)));
      }
    }
  }
}

/// relu(relu(x) + x) + x, each sum but the last behind a Relu, with grids where they are named.
graph::Graph chain(const std::map<std::string, Quantization>& grids) {
  graph::Graph net;
  net.input = "x";
  net.shapes["x"] = {2, 3, 3};
  const auto append = [&](graph::Op op, const std::string& output,
                          const std::vector<std::string>& inputs) {
    graph::Node node;
    node.name = node.output = output;
    node.op = op;
    node.inputs = inputs;
    net.nodes.push_back(node);
  };
  append(graph::Op::kRelu, "first", {"x"});
  append(graph::Op::kAdd, "sum", {"first", "x"});
  append(graph::Op::kRelu, "second", {"sum"});
  append(graph::Op::kAdd, "y", {"second", "x"});
  net.output = "y";
  graph::infer_shapes(net);
  net.quantizations = grids;
  return net;
}

TEST(TorchQuantize, a_net_computes_and_learns_the_same_whichever_nodes_a_grid_takes_over) {
  torch::manual_seed(8);
  const at::Tensor images = at::randn({4, 2, 3, 3}) * 3;
  Quantization narrow = grid_of(3, false), wide = grid_of(6, true);
  narrow.scales = {0.3F};
  wide.scales = {0.1F};
  const std::vector<std::map<std::string, Quantization>> all = {
      {{"second", narrow}, {"y", wide}},
      {{"first", narrow}, {"sum", wide}, {"second", narrow}},
      {{"first", wide}, {"second", wide}},
      {{"x", wide}, {"sum", narrow}, {"y", narrow}}};
  for (const auto& grids : all) {
    std::map<std::string, at::Tensor> logs;
    const auto on_grid = [&](const std::string& name, const at::Tensor& value) {
      const auto found = grids.find(name);
      if (found == grids.end()) return value;
      logs[name] = at::tensor(found->second.scales).log().requires_grad_(true);
      return composed(value, logs[name], found->second);
    };
    const at::Tensor x = on_grid("x", images);
    const at::Tensor sum = on_grid("sum", on_grid("first", at::relu(x)) + x);
    const at::Tensor expected = on_grid("y", on_grid("second", at::relu(sum)) + x).flatten(1);
    TorchNet net(chain(grids), NormMode::kAffine);
    const at::Tensor actual = net.forward(images, true);
    EXPECT_LE(largest_difference(actual, expected), 1e-5);
    const at::Tensor weights = at::randn(expected.sizes());
    (expected * weights).sum().backward();
    (actual * weights).sum().backward();
    for (const auto& [name, log_scale] : logs) {
      EXPECT_LE(largest_difference(net.parameters().at(name + "/scale").grad(), log_scale.grad()),
                1e-3)
          << name;
    }
  }
}

}  // namespace
}  // namespace tessera::compress
