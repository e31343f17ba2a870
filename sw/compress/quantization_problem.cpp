#include "compress/quantization_problem.hpp"

namespace tessera::compress {

using graph::Graph;

QuantizationProblem make_problem(const Graph& net, const Recipe& recipe,
                                 const Observations& observations) {
  const std::vector<LayerFormat> formats = layer_formats(net, recipe);
  return {net, recipe, formats, activation_groups(net, recipe, formats), observations};
}

Graph quantized(const QuantizationProblem& problem) {
  Graph net = problem.net;
  quantize_activations(net, problem.groups, problem.observations, problem.recipe);
  quantize_weights(net, problem.formats, problem.recipe);
  return net;
}

Graph quickly_quantized(const QuantizationProblem& problem) {
  Recipe quick = problem.recipe;
  quick.weight_threshold = quick.activation_threshold = Threshold::kMax;
  Graph net =
      quantized({problem.net, quick, problem.formats, problem.groups, problem.observations});
  settle_weights(net, quick.radix_point);
  return net;
}

Graph quickly_quantized(const QuantizationProblem& problem, int bits) {
  Recipe uniform = problem.recipe;
  uniform.layers.clear();
  uniform.weight_bits = uniform.activation_bits = bits;
  uniform.weight_code = graph::WeightCode::kTwosComplement;
  return quickly_quantized(make_problem(problem.net, uniform, problem.observations));
}

}  // namespace tessera::compress
