#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace tessera::reference {

/// Executes a graph in float: for float accuracy, and for calibration. Weights and activations
/// that have a grid are rounded to it (graph::quantize, then times the scale: "fake quantisation");
/// all others stay as they are. Biases are not rounded.
class FloatEngine {
 public:
  /// Called with the input and then with every node's output, as its readers see them (on their
  /// grid, if they have one). {C, H, W} row-major.
  using Observer = std::function<void(const std::string& tensor, const std::vector<float>& values)>;

  /// Throws std::runtime_error naming the node if the graph is inconsistent.
  explicit FloatEngine(graph::Graph graph);

  /// The output for one image, `input` being {C, H, W} row-major, normalised. Throws
  /// std::runtime_error if its size is wrong. Safe to call from several threads.
  std::vector<float> run(const std::vector<float>& input, const Observer& observer = {}) const;

  /// run() of each input, on `threads` threads (0: one a core).
  std::vector<std::vector<float>> run_batch(const std::vector<std::vector<float>>& inputs,
                                            int threads = 0) const;

  const graph::Graph& graph() const { return graph_; }

 private:
  using Values = std::vector<float>;
  Values execute(const graph::Node& node, const std::vector<Values>& tensors, size_t index) const;

  graph::Graph graph_;                       // gridded weights rounded
  std::vector<std::vector<size_t>> inputs_;  // of each node: 0 is the network's input, i+1 node i
  std::vector<size_t> last_reader_;  // of each tensor: index of the node after which it goes
  size_t output_ = 0;
};

/// The network's input for one image of C*H*W bytes, planes in NCHW order: (byte / 255 - mean) /
/// std.
std::vector<float> normalize(const graph::Graph& graph, const uint8_t* bytes);

/// Index of the largest value; of the first, if several are equal.
template <class T>
int argmax(const std::vector<T>& values) {
  size_t best = 0;
  for (size_t i = 1; i < values.size(); ++i) {
    if (values[i] > values[best]) best = i;
  }
  return static_cast<int>(best);
}

}  // namespace tessera::reference
