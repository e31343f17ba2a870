#include "compress/width_losses.hpp"

#include <algorithm>

#include "compress/logits_comparison.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;
using graph::Node;

const std::string& weight_of(const Graph& net, const LayerFormat& format) {
  return std::find_if(net.nodes.begin(), net.nodes.end(),
                      [&](const Node& node) { return node.name == format.node; })
      ->inputs[1];
}

/// The net with all weights on the grids of one choice.
Graph with_weights(const QuantizationProblem& problem, const WidthChoice& choice) {
  std::vector<LayerFormat> formats = problem.formats;
  for (LayerFormat& format : formats) {
    format.weight_bits = choice.bits;
    format.code = choice.code;
  }
  Graph net = problem.net;
  quantize_weights(net, formats, problem.recipe);
  return net;
}

double weight_error(const Graph& net, const std::string& weight) {
  const std::vector<float>& values = net.weights.at(weight).data;
  const graph::Quantization& grid = net.quantizations.at(weight);
  const size_t count = values.size() / grid.scales.size();
  double sum = 0;
  for (size_t k = 0; k < grid.scales.size(); ++k) {
    sum += squared_error(values.data() + k * count, count, grid, grid.scales[k]);
  }
  return sum;
}

}  // namespace

WidthLosses measure_width_losses(const QuantizationProblem& problem, const AllocateOptions& options,
                                 const data::Dataset& train, FineTuner* tuner, int threads,
                                 const Progress& on_progress) {
  const bool hessian = options.sensitivity == Sensitivity::kHessian;
  const std::vector<LayerFormat>& formats = problem.formats;
  const LogitsComparison comparison(problem.net,
                                    hessian ? LogitsLoss::kDivergence : LogitsLoss::kSquaredError,
                                    options.images, train, threads);
  WidthLosses losses;
  losses.weights.resize(formats.size());
  losses.activations.resize(problem.groups.size());

  const size_t stages = options.weights.size() + options.activation_bits.size();
  size_t done = 0;
  const auto progress = [&] {
    if (on_progress) on_progress(static_cast<double>(++done) / static_cast<double>(stages));
  };
  if (hessian) {
    const auto traces =
        tuner->hessian_traces(problem.net, train, options.images, options.probes, options.seed);
    for (const LayerFormat& format : formats) {
      const std::string& weight = weight_of(problem.net, format);
      const auto count = static_cast<double>(problem.net.weights.at(weight).data.size());
      losses.sensitivities.push_back(std::max(traces.at(weight), 0.0) / count);
    }
  }
  for (const WidthChoice& choice : options.weights) {
    const Graph all = with_weights(problem, choice);
    for (size_t i = 0; i < formats.size(); ++i) {
      const std::string& weight = weight_of(problem.net, formats[i]);
      if (hessian) {
        losses.weights[i].push_back(losses.sensitivities[i] * weight_error(all, weight) / 2);
        continue;
      }
      Graph one = problem.net;
      one.quantizations[weight] = all.quantizations.at(weight);
      losses.weights[i].push_back(comparison.loss(one));
    }
    progress();
  }
  for (const int bits : options.activation_bits) {
    for (size_t g = 0; g < problem.groups.size(); ++g) {
      std::vector<ActivationGroup> groups = {problem.groups[g]};
      groups[0].bits = bits;
      Graph one = problem.net;
      quantize_activations(one, groups, {problem.observations[g]}, problem.recipe);
      losses.activations[g].push_back(comparison.loss(one));
    }
    progress();
  }
  return losses;
}

}  // namespace tessera::compress
