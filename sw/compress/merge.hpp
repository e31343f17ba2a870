#pragma once

/// Layers that the chip lacks or that cost more than they give, merged into their neighbours. All
/// of these work on float graphs whose batch norms have been folded; each says whether it is exact.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "graph/graph.hpp"

namespace tessera::compress {

/// Images to measure on: `image(i)` is the network's input, {C, H, W} row-major and normalised, for
/// i in 0..count-1.
struct Samples {
  int64_t count = 0;
  std::function<std::vector<float>(int64_t index)> image;
};

/// How far a merge may go.
enum class Merging : uint8_t {
  kNone,
  kExact,       ///< the function stays the same, but for rounding
  kApproximate  ///< also where it does not
};

/// Approximate. Replaces each LRN, y = x * f(x), by a constant factor a channel, the one of least
/// squared error over the samples: sum(x * y) / sum(x * x), or f(0) where x is 0 throughout. The
/// factors, being positive, then move backwards through Relu, poolings and Subsample into the
/// convolution before them, exactly, or become a depthwise 1x1 convolution where something else
/// reads what lies between. Returns the LRNs' names. Throws std::runtime_error if a factor is not
/// positive.
std::vector<std::string> merge_lrn(graph::Graph& graph, const Samples& samples);

/// Replaces convolution and average pooling by one convolution: with kernel K, stride s and
/// dilation d of the convolution, k and t of the pooling, kernel (k-1)*s + (K-1)*d + 1, stride s*t
/// and weights w'[m] = sum of w[i] / (kh * kw) over i, j with j*s + i*d = m, in both dimensions.
/// Exact for poolings without padding directly behind a convolution; kApproximate also takes those
/// behind a Relu or Clip of a convolution, mean(relu(x)) becoming relu(mean(x)). Returns the
/// poolings' names.
std::vector<std::string> merge_average_pools(graph::Graph& graph, Merging merging);

/// Approximate. Replaces maximum poolings behind a convolution (or its Relu or Clip) by striding:
/// the convolution computes only the value in the middle of each window, (k-1)/2 from its start, or
/// as near to it as its padding lets it begin. Returns the poolings' names.
std::vector<std::string> merge_max_pools(graph::Graph& graph);

/// Approximate. Removes layers that hardly do anything, the least first, measuring the network anew
/// after each: an Add of which one operand r has |r| < threshold * |sum| (with all that only r
/// needs), and a convolution of unchanged shape with |y - x| < threshold * |y|; |.| is the 2-norm
/// over all samples. The layer that gives the output stays. Returns the removed layers' names.
std::vector<std::string> remove_near_identities(graph::Graph& graph, const Samples& samples,
                                                double threshold);

/// What a recipe merges.
struct MergeOptions {
  bool lrn = false;
  Merging average_pool = Merging::kNone;
  bool max_pool = false;
  double identity_threshold = 0;  ///< 0: nothing is removed

  bool any() const {
    return lrn || max_pool || average_pool != Merging::kNone || identity_threshold > 0;
  }
};

/// All of the above that the options name, in this order. Returns the names of the layers that are
/// gone.
std::vector<std::string> merge_layers(graph::Graph& graph, const MergeOptions& options,
                                      const Samples& samples);

}  // namespace tessera::compress
