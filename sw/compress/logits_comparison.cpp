#include "compress/logits_comparison.hpp"

#include <algorithm>
#include <cmath>

#include "reference/float_engine.hpp"

namespace tessera::compress {
namespace {

std::vector<double> log_probabilities(const std::vector<float>& logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  std::vector<double> result;
  for (const float logit : logits) result.push_back(logit - largest - std::log(sum));
  return result;
}

double divergence(const std::vector<float>& logits, const std::vector<float>& changed) {
  const std::vector<double> p = log_probabilities(logits), q = log_probabilities(changed);
  double sum = 0;
  for (size_t k = 0; k < p.size(); ++k) sum += std::exp(p[k]) * (p[k] - q[k]);
  return sum;
}

double squared_error(const std::vector<float>& logits, const std::vector<float>& changed) {
  double sum = 0;
  for (size_t k = 0; k < logits.size(); ++k) {
    const double difference = double{changed[k]} - double{logits[k]};
    sum += difference * difference;
  }
  return sum / static_cast<double>(logits.size());
}

}  // namespace

LogitsComparison::LogitsComparison(const graph::Graph& net, LogitsLoss kind, int64_t images,
                                   const data::Dataset& dataset, int threads)
    : kind_(kind), threads_(threads) {
  for (int64_t i = 0; i < std::min(images, dataset.count); ++i) {
    inputs_.push_back(reference::normalize(net, dataset.image(i)));
  }
  logits_ = logits_of(net);
}

double LogitsComparison::loss(const graph::Graph& changed) const {
  const Logits logits = logits_of(changed);
  double sum = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    sum += kind_ == LogitsLoss::kDivergence ? divergence(logits_[i], logits[i])
                                            : squared_error(logits_[i], logits[i]);
  }
  return sum / static_cast<double>(logits.size());
}

LogitsComparison::Logits LogitsComparison::logits_of(graph::Graph net) const {
  if (net.nodes.back().op == graph::Op::kSoftmax) {
    net.output = net.nodes.back().inputs[0];
    net.nodes.pop_back();
  }
  return reference::FloatEngine(std::move(net)).run_batch(inputs_, threads_);
}

}  // namespace tessera::compress
