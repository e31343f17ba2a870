#pragma once

/// A graph executed by libtorch, with gradients. Includes libtorch: for the .cpp files of
/// tessera_training only.

#include <ATen/ATen.h>
#include <torch/torch.h>

#include <map>
#include <set>
#include <string>
#include <utility>

#include "compress/fine_tune.hpp"
#include "compress/precision.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

enum class NormMode : uint8_t {
  kBatchStatistics,  ///< batch norms normalise by the batch in training, by running statistics else
  kAffine            ///< batch norms are the scale and shift that the graph holds
};

class TorchNet {
 public:
  /// Copies the weights. Where the graph has quantizations, tensors are fake-quantised: rounded to
  /// the grid going forward, the gradient passed straight through inside the grid's range, and the
  /// scales are parameters too (held as logarithms, so that a step is relative).
  /// `precision` is kFloat32 or kBfloat16. Throws std::runtime_error naming a node that cannot be
  /// executed.
  TorchNet(const graph::Graph& graph, NormMode norms, Precision precision = Precision::kFloat32);
  virtual ~TorchNet() = default;

  /// Logits {N, classes} of normalised images {N, C, H, W}. A final softmax is left out.
  /// Tensors named in `watched`, if given, are left there, and keep their gradients (of a net with
  /// grids not those that a Relu or a grid follows).
  at::Tensor forward(const at::Tensor& images, bool training,
                     std::map<std::string, at::Tensor>* watched = nullptr);

  /// Takes the statistics of batch norms from these images (with kBatchStatistics; training starts
  /// with it). Scales and shifts follow, so that the network computes what it did before.
  void estimate_norms(const at::Tensor& images);

  /// From now on weights with a grid can be frozen; `rest` says what the others compute with.
  void start_freezing(Unfrozen rest);

  /// Moves the `share` of every weight with a grid whose magnitudes are largest to grid points.
  /// Their integers do not change any more, whatever the parameters become; scales still do.
  /// What is frozen stays frozen and counts. Needs start_freezing().
  void freeze_weights(double share);

  /// By name: weights as in the graph, scales as "<tensor>/scale".
  std::map<std::string, at::Tensor>& parameters() { return parameters_; }
  /// Running statistics of batch norms; "<weight>/frozen" (0 or 1) and "<weight>/integers".
  std::map<std::string, at::Tensor>& buffers() { return buffers_; }

  static bool is_scale(const std::string& parameter);

  /// The graph with the present weights and scales; running statistics are folded into the scale
  /// and shift of batch norms.
  graph::Graph to_graph() const;

 protected:
  /// What a convolution or fully connected layer computes with.
  virtual at::Tensor weight_of(const graph::Node& node) const;
  virtual at::Tensor bias_of(const graph::Node& node) const;  ///< undefined if there is none
  /// `value`, or its sum with `other` if that is defined, on the grid of `tensor`; as it is if
  /// there is none.
  at::Tensor fake_quantized(const std::string& tensor, const at::Tensor& value,
                            const at::Tensor& other = {}) const;
  /// Adds a grid, of a tensor of the graph or not, and its scales as parameters.
  void add_grid(const std::string& tensor, const graph::Quantization& grid);

  graph::Graph graph_;
  std::map<std::string, at::Tensor> parameters_;
  std::map<std::string, at::Tensor> buffers_;

 private:
  void plan_quantizations();
  at::Tensor run(const graph::Node& node, const at::Tensor& x, bool training);
  at::Tensor convolution(const graph::Node& node, const at::Tensor& x) const;
  at::Tensor gemm(const graph::Node& node, const at::Tensor& x) const;
  void estimate_norm(const graph::Node& node, const at::Tensor& x);
  at::Tensor batch_norm(const graph::Node& node, const at::Tensor& x, bool training);
  at::Tensor scale_of(const std::string& tensor, const at::Tensor& value) const;
  /// `rest`, but with frozen values where the weight has any.
  at::Tensor with_frozen(const std::string& weight, const at::Tensor& rest) const;

  NormMode norms_;
  bool bfloat16_;
  Unfrozen rest_ = Unfrozen::kRounded;
  bool estimating_ = false;  ///< batch norms take their statistics from the forward pass
  /// By node: what the fake quantisation of its output takes instead of it, "" for no second one.
  std::map<std::string, std::pair<std::string, std::string>> operands_;
  std::set<std::string> within_others_;       ///< nodes that are in the operands of others
  std::map<std::string, at::Tensor> values_;  ///< activations of the running forward pass
};

}  // namespace tessera::compress
