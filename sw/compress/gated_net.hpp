#pragma once

/// A float network with gates on its channels and on the widths of its weights (joint.hpp).
/// Includes libtorch: for the .cpp files of tessera_training only.

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "compress/joint.hpp"
#include "compress/torch_net.hpp"

namespace tessera::compress {

/// A hard concrete gate, 0..1, with mass on both ends: log_alpha 0 is open and shut alike.
/// `uniform` in (0, 1) is its randomness.
at::Tensor hard_concrete(const at::Tensor& log_alpha, const at::Tensor& uniform);
/// The probability that it is above 0.
at::Tensor open_probability(const at::Tensor& log_alpha);

class GatedNet : public TorchNet {
 public:
  /// `net` has neither grids nor batch norms. `activation_bits`: of the input of every convolution
  /// and fully connected layer, by name. `float_cost` is that of the network that the ratio refers
  /// to. Throws std::runtime_error if even the narrowest widths and one channel a layer miss the
  /// budget.
  GatedNet(const graph::Graph& net, const std::map<std::string, int>& activation_bits,
           double float_cost, const JointOptions& options, Precision precision);
  GatedNet(const GatedNet&) = delete;
  GatedNet& operator=(const GatedNet&) = delete;

  /// Draws the gates that forward() uses from now on; depends on the seed and the step only.
  void sample(int64_t step);

  /// multiplier * ln(expected cost / budget), and the multiplier's next step of dual ascent. It
  /// restarts from 0 when the budget is met, which spares most of the overshoot (Gallego-Posada et
  /// al., Controlled sparsity via constrained optimization, 2022).
  at::Tensor penalty() const;
  void ascend();

  /// The gates decided: those whose log_alpha is above a common limit are open, the limit being the
  /// lowest with which the budget is met. Of channels that compete, one stays in any case.
  JointResult decide() const;

  /// The float network with the weights as they are now.
  graph::Graph float_graph() const;

  static bool is_gate(const std::string& parameter);

 protected:
  at::Tensor weight_of(const graph::Node& node) const override;
  at::Tensor bias_of(const graph::Node& node) const override;

 private:
  /// What a layer costs, as a product of expectations.
  struct Layer {
    const graph::Node* node;
    at::Tensor rows, columns;  ///< indices of gates of channels computed and read; 0: no gate
    double factor = 0;         ///< of rows * columns * weight bits
  };
  struct Gates {
    at::Tensor channels;                       ///< [0] is 1, for channels without a gate
    std::map<std::string, at::Tensor> widths;  ///< by weight; a gate a step
  };

  const Layer& layer_of(const graph::Node& node) const;
  Layer describe(const graph::Node& node, int activation_bits, JointCost cost) const;
  void add_widths(const std::string& weight);
  Gates map_gates(const std::function<at::Tensor(const at::Tensor& log_alpha)>& function) const;
  Gates gates_above(double limit) const;
  at::Tensor cost(const Gates& open) const;
  at::Tensor quantized(const std::string& weight, size_t width) const;

  JointOptions options_;
  double budget_;
  ChannelMap map_;
  std::vector<std::vector<size_t>> families_;
  std::vector<int64_t> gate_of_group_;  ///< index into channels, 0: none
  std::vector<Layer> layers_;
  Gates drawn_;
};

}  // namespace tessera::compress
