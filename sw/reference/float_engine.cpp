#include "reference/float_engine.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "graph/text.hpp"
#include "reference/convolution.hpp"
#include "reference/parallel.hpp"

namespace tessera::reference {
namespace {

using graph::Node;
using graph::Op;
using graph::Shape;
using graph::Tensor;
using Values = std::vector<float>;

void round_to_grid(Values& values, const graph::Quantization& grid) {
  const size_t inner = values.size() / grid.scales.size();
  for (size_t i = 0; i < values.size(); ++i) {
    const float scale = grid.scales[i / inner];
    values[i] = scale * static_cast<float>(graph::quantize(values[i], scale, grid));
  }
}

ConvolutionShape conv_shape(const Node& node, const Shape& x, const Shape& y) {
  return {x[0], x[1], x[2], y[0], y[1], y[2], node.groups, node.window};
}

Values convolution(const ConvolutionShape& shape, const Values& x, const Tensor& weight,
                   const Tensor* bias) {
  Values y(static_cast<size_t>(shape.out_channels * shape.pixels()));
  convolve(shape, x.data(), weight.data.data(),
           [&](int64_t first_channel, int64_t channels, int64_t first_pixel, int64_t pixels,
               const float* sums) {
             for (int64_t k = first_channel; k < first_channel + channels; ++k) {
               const float offset = bias == nullptr ? 0 : bias->data[static_cast<size_t>(k)];
               float* out = y.data() + k * shape.pixels() + first_pixel;
               for (int64_t p = 0; p < pixels; ++p) out[p] = *sums++ + offset;
             }
           });
  return y;
}

Values pooling(const ConvolutionShape& s, const Values& x, bool is_max, bool count_include_pad) {
  const graph::Window& w = s.window;
  Values y;
  y.reserve(static_cast<size_t>(s.out_channels * s.pixels()));
  const float* plane = x.data();
  for (int64_t c = 0; c < s.channels; ++c, plane += s.height * s.width) {
    for (int64_t oy = 0; oy < s.out_height; ++oy) {
      for (int64_t ox = 0; ox < s.out_width; ++ox) {
        float sum = 0;
        float largest = std::numeric_limits<float>::lowest();
        int64_t count = 0;
        for (int64_t kh = 0; kh < w.kernel_h; ++kh) {
          const int64_t row = oy * w.stride_h - w.pad_top + kh * w.dilation_h;
          if (row < 0 || row >= s.height) continue;
          for (int64_t kw = 0; kw < w.kernel_w; ++kw) {
            const int64_t column = ox * w.stride_w - w.pad_left + kw * w.dilation_w;
            if (column < 0 || column >= s.width) continue;
            const float value = plane[row * s.width + column];
            sum += value;
            largest = std::max(largest, value);
            ++count;
          }
        }
        if (count_include_pad) count = w.kernel_h * w.kernel_w;
        y.push_back(is_max ? largest : sum / static_cast<float>(std::max<int64_t>(count, 1)));
      }
    }
  }
  return y;
}

Values local_response_norm(const Node& node, const Shape& shape, const Values& x) {
  const int64_t channels = shape[0];
  const int64_t plane = shape[1] * shape[2];
  const int64_t before = (node.lrn_size - 1) / 2;
  const int64_t after = node.lrn_size - 1 - before;
  Values y(x.size());
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t i = 0; i < plane; ++i) {
      float squares = 0;
      for (int64_t n = std::max<int64_t>(c - before, 0); n <= std::min(c + after, channels - 1);
           ++n) {
        const float value = x[static_cast<size_t>(n * plane + i)];
        squares += value * value;
      }
      const float norm =
          node.lrn_bias + node.lrn_alpha / static_cast<float>(node.lrn_size) * squares;
      const auto at = static_cast<size_t>(c * plane + i);
      y[at] = x[at] / std::pow(norm, node.lrn_beta);
    }
  }
  return y;
}

Values softmax(const Shape& shape, const Values& x) {
  const auto channels = static_cast<size_t>(shape[0]);
  const size_t plane = x.size() / channels;
  Values y(x.size());
  for (size_t i = 0; i < plane; ++i) {
    float largest = x[i];
    for (size_t c = 1; c < channels; ++c) largest = std::max(largest, x[c * plane + i]);
    float sum = 0;
    for (size_t c = 0; c < channels; ++c) {
      y[c * plane + i] = std::exp(x[c * plane + i] - largest);
      sum += y[c * plane + i];
    }
    for (size_t c = 0; c < channels; ++c) y[c * plane + i] /= sum;
  }
  return y;
}

Values pad_channels(const Node& node, const Shape& shape, const Values& x) {
  const int64_t plane = shape[1] * shape[2];
  Values y(static_cast<size_t>(node.pad_before * plane), 0.F);
  y.insert(y.end(), x.begin(), x.end());
  y.resize(y.size() + static_cast<size_t>(node.pad_after * plane), 0.F);
  return y;
}

}  // namespace

FloatEngine::FloatEngine(graph::Graph source) : graph_(std::move(source)) {
  keep_products_in_their_threads();
  infer_shapes(graph_);
  for (auto& [name, weight] : graph_.weights) {
    const auto grid = graph_.quantizations.find(name);
    if (grid == graph_.quantizations.end()) continue;
    graph::check_quantization(grid->second, weight.shape.at(0), "weights '" + name + "'");
    round_to_grid(weight.data, grid->second);
  }
  for (const auto& [name, shape] : graph_.shapes) {
    const auto grid = graph_.quantizations.find(name);
    if (grid != graph_.quantizations.end()) {
      graph::check_quantization(grid->second, 1, "tensor '" + name + "'");
    }
  }
  std::map<std::string, size_t> indices{{graph_.input, 0}};
  last_reader_.assign(graph_.nodes.size() + 1, 0);
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    std::vector<size_t> inputs;
    for (const std::string& input : graph_.nodes[i].inputs) {
      const auto found = indices.find(input);
      if (found == indices.end()) continue;  // weights
      inputs.push_back(found->second);
      last_reader_[found->second] = i;
    }
    inputs_.push_back(std::move(inputs));
    indices[graph_.nodes[i].output] = i + 1;
  }
  output_ = indices.at(graph_.output);
  last_reader_[output_] = graph_.nodes.size();
}

std::vector<float> FloatEngine::run(const std::vector<float>& input,
                                    const Observer& observer) const {
  const Shape& shape = graph_.shapes.at(graph_.input);
  if (input.size() != static_cast<size_t>(graph::element_count(shape))) {
    graph::fail("the input has ", input.size(), " values, the network takes ",
                graph::to_string(shape));
  }
  std::vector<Values> tensors(graph_.nodes.size() + 1);
  const auto finish = [&](const std::string& name, Values& values) {
    const auto grid = graph_.quantizations.find(name);
    if (grid != graph_.quantizations.end()) round_to_grid(values, grid->second);
    if (observer) observer(name, values);
  };
  tensors[0] = input;
  finish(graph_.input, tensors[0]);
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    tensors[i + 1] = execute(graph_.nodes[i], tensors, i);
    finish(graph_.nodes[i].output, tensors[i + 1]);
    for (const size_t read : inputs_[i]) {
      if (last_reader_[read] == i) Values().swap(tensors[read]);
    }
  }
  return std::move(tensors[output_]);
}

std::vector<std::vector<float>> FloatEngine::run_batch(
    const std::vector<std::vector<float>>& inputs, int threads) const {
  std::vector<std::vector<float>> outputs(inputs.size());
  parallel_for(inputs.size(), threads, [&](size_t i) { outputs[i] = run(inputs[i]); });
  return outputs;
}

std::vector<float> FloatEngine::execute(const Node& node, const std::vector<Values>& tensors,
                                        size_t index) const {
  const Values& x = tensors[inputs_[index].at(0)];
  const Shape& shape = graph_.shapes.at(node.inputs[0]);
  const Shape& out = graph_.shapes.at(node.output);
  const auto weight = [&](size_t i) -> const Tensor& { return graph_.weights.at(node.inputs[i]); };
  const Tensor* bias = node.inputs.size() > 2 && node.op != Op::kConcat ? &weight(2) : nullptr;
  switch (node.op) {
    case Op::kConv:
      return convolution(conv_shape(node, shape, out), x, weight(1), bias);
    case Op::kGemm: {
      const ConvolutionShape vector{shape[0], 1, 1, out[0], 1, 1, 1, {}};
      return convolution(vector, x, weight(1), bias);
    }
    case Op::kBatchNorm: {
      const std::vector<float>& scales = weight(1).data;
      const size_t plane = x.size() / scales.size();
      Values y = x;
      for (size_t c = 0; c < scales.size(); ++c) {
        const float scale = scales[c];
        const float shift = bias->data[c];
        float* values = y.data() + c * plane;
        for (size_t i = 0; i < plane; ++i) values[i] = values[i] * scale + shift;
      }
      return y;
    }
    case Op::kRelu: {
      Values y = x;
      for (float& value : y) value = std::max(value, 0.F);
      return y;
    }
    case Op::kClip: {
      Values y = x;
      for (float& value : y) value = std::clamp(value, node.clip_low, node.clip_high);
      return y;
    }
    case Op::kMaxPool:
      return pooling(conv_shape(node, shape, out), x, true, false);
    case Op::kAveragePool:
      return pooling(conv_shape(node, shape, out), x, false, node.count_include_pad);
    case Op::kGlobalAveragePool: {
      ConvolutionShape whole = conv_shape(node, shape, out);
      whole.window = {};
      whole.window.kernel_h = shape[1];
      whole.window.kernel_w = shape[2];
      return pooling(whole, x, false, true);
    }
    case Op::kAdd: {
      Values y = x;
      const Values& other = tensors[inputs_[index].at(1)];
      for (size_t i = 0; i < y.size(); ++i) y[i] += other[i];
      return y;
    }
    case Op::kConcat: {
      Values y = x;
      for (size_t i = 1; i < inputs_[index].size(); ++i) {
        const Values& other = tensors[inputs_[index][i]];
        y.insert(y.end(), other.begin(), other.end());
      }
      return y;
    }
    case Op::kPadChannels:
      return pad_channels(node, shape, x);
    case Op::kSubsample:
      return pooling(conv_shape(node, shape, out), x, true, false);
    case Op::kFlatten:
      return x;
    case Op::kLrn:
      return local_response_norm(node, shape, x);
    case Op::kSoftmax:
      return softmax(shape, x);
  }
  graph::fail("node '", node.name, "': unknown operator");
}

std::vector<float> normalize(const graph::Graph& graph, const uint8_t* bytes) {
  const Shape& shape = graph.shapes.at(graph.input);
  const auto count = static_cast<size_t>(graph::element_count(shape));
  const size_t plane = count / static_cast<size_t>(shape[0]);
  Values values(count);
  for (size_t i = 0; i < count; ++i) {
    const auto channel =
        graph::normalized_channel(graph.normalization, static_cast<int64_t>(i / plane));
    values[i] = static_cast<float>((bytes[i] / 255.0 - channel.mean) / channel.std);
  }
  return values;
}

}  // namespace tessera::reference
