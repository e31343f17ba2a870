#include "compress/sensitivity.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "reference/float_engine.hpp"
#include "unit/compress/tiny_problem.hpp"

namespace tessera::compress {
namespace {

using graph::Graph;

constexpr int64_t kImages = 6;

std::vector<float> logits_of(const Graph& net, const data::Dataset& set, int64_t image) {
  return run_float(net, reference::normalize(net, set.image(image)));
}

/// The exact trace. Logits are piecewise linear in the weights of one layer, so that its Hessian is
/// J^T (diag(p) - p p^T) J for probabilities p; J's columns are differences of logits.
double exact_trace(const Graph& net, const std::string& weight, const data::Dataset& set) {
  constexpr float kStep = 1e-3F;
  double trace = 0;
  for (int64_t image = 0; image < kImages; ++image) {
    const std::vector<float> logits = logits_of(net, set, image);
    std::vector<double> p;
    double sum = 0;
    for (const float logit : logits) {
      p.push_back(std::exp(static_cast<double>(logit)));
      sum += p.back();
    }
    for (double& value : p) value /= sum;
    Graph moved = net;
    std::vector<float>& values = moved.weights.at(weight).data;
    for (float& value : values) {
      const float before = value;
      value = before + kStep;
      const std::vector<float> up = logits_of(moved, set, image);
      value = before - kStep;
      const std::vector<float> down = logits_of(moved, set, image);
      value = before;
      double mean = 0, square = 0;
      for (size_t k = 0; k < p.size(); ++k) {
        const double slope = (double{up[k]} - double{down[k]}) / (2 * double{kStep});
        mean += p[k] * slope;
        square += p[k] * slope * slope;
      }
      trace += square - mean * mean;
    }
  }
  return trace / kImages;
}

TEST(HessianTrace, agrees_with_the_exact_hessian_of_a_tiny_network) {
  Graph net = tiny_net(5);
  net.normalization = {{0.2F}, {0.4F}};
  const data::Dataset set = corner_images(kImages, 4);
  TorchNet torch_net(net, NormMode::kAffine);
  const auto traces =
      measure_hessian_traces(torch_net, set, net.normalization, kImages, 2000, 1, 1);
  ASSERT_EQ(traces.size(), 3U);
  for (const auto& [weight, trace] : traces) {
    const double exact = exact_trace(net, weight, set);
    EXPECT_GT(exact, 0);
    EXPECT_NEAR(trace, exact, 0.1 * exact) << weight;
  }
}

TEST(HessianTrace, comes_closer_with_more_probes_and_depends_on_the_seed_only) {
  Graph net = tiny_net(6);
  net.normalization = {{0.2F}, {0.4F}};
  const data::Dataset set = corner_images(kImages, 4);
  TorchNet torch_net(net, NormMode::kAffine);
  const auto trace = [&](int probes, uint64_t seed) {
    return measure_hessian_traces(torch_net, set, net.normalization, kImages, probes, seed, 1)
        .at("fc2.weight");
  };
  EXPECT_EQ(trace(4, 1), trace(4, 1));
  EXPECT_NE(trace(4, 1), trace(4, 2));
  const double exact = exact_trace(net, "fc2.weight", set);
  const auto error = [&](int probes) {
    double sum = 0;
    for (uint64_t seed = 1; seed <= 20; ++seed) sum += std::fabs(trace(probes, seed) - exact);
    return sum;
  };
  EXPECT_LT(error(64), 0.5 * error(2));
}

}  // namespace
}  // namespace tessera::compress
