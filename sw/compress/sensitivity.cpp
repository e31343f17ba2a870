#include "compress/sensitivity.hpp"

#include <ATen/CPUGeneratorImpl.h>

#include <algorithm>

#include "compress/batches.hpp"

namespace tessera::compress {
namespace {

constexpr int64_t kBatch = 64;

at::Tensor images_of(const data::Dataset& dataset, const graph::InputNormalization& normalization,
                     int64_t first, int64_t count) {
  at::Tensor images = torch::empty({count, dataset.channels, dataset.height, dataset.width});
  auto* pixels = images.data_ptr<float>();
  for (int64_t i = 0; i < count; ++i) {
    augment_image(dataset, first + i, normalization, {}, 0, pixels);
    pixels += dataset.image_size_bytes();
  }
  return images;
}

at::Tensor labels_of(const data::Dataset& dataset, int64_t first, int64_t count) {
  at::Tensor labels = torch::empty({count}, torch::kInt64);
  for (int64_t i = 0; i < count; ++i) {
    labels[i] = static_cast<int64_t>(dataset.labels[static_cast<size_t>(first + i)]);
  }
  return labels;
}

}  // namespace

std::map<std::string, std::vector<double>> measure_sensitivities(
    TorchNet& net, const std::vector<std::string>& tensors, const data::Dataset& dataset,
    const graph::InputNormalization& normalization, int64_t images, int threads) {
  at::set_num_threads(threads);
  std::map<std::string, std::vector<double>> result;
  const int64_t used = std::min(images, dataset.count);
  for (int64_t first = 0; first < used; first += kBatch) {
    const int64_t count = std::min(kBatch, used - first);
    const at::Tensor labels = labels_of(dataset, first, count);
    std::map<std::string, at::Tensor> watched;
    for (const std::string& tensor : tensors) watched.emplace(tensor, at::Tensor());
    const at::Tensor x = images_of(dataset, normalization, first, count).requires_grad_(true);
    const at::Tensor logits = net.forward(x, false, &watched);
    at::cross_entropy_loss(logits, labels, {}, at::Reduction::Sum).backward();
    for (const auto& [name, value] : watched) {
      const at::Tensor product = (value * value.grad()).flatten(2 < value.dim() ? 2 : 1);
      const at::Tensor sums = value.dim() > 2 ? product.sum(2) : product;
      const at::Tensor squares = sums.pow(2).sum(0).to(at::kDouble).contiguous();
      std::vector<double>& total = result[name];
      total.resize(static_cast<size_t>(squares.numel()));
      for (size_t c = 0; c < total.size(); ++c) {
        total[c] += squares.data_ptr<double>()[c] / static_cast<double>(used);
      }
    }
  }
  return result;
}

std::map<std::string, double> measure_hessian_traces(TorchNet& net, const data::Dataset& dataset,
                                                     const graph::InputNormalization& normalization,
                                                     int64_t images, int probes, uint64_t seed,
                                                     int threads) {
  at::set_num_threads(threads);
  std::vector<std::string> names;
  std::vector<at::Tensor> weights;
  for (const auto& [name, parameter] : net.parameters()) {
    if (parameter.dim() < 2 || TorchNet::is_scale(name)) continue;
    names.push_back(name);
    weights.push_back(parameter);
  }
  at::Generator generator = at::detail::createCPUGenerator(seed);
  std::vector<std::vector<at::Tensor>> vectors(static_cast<size_t>(probes));
  for (auto& vector : vectors) {
    for (const at::Tensor& weight : weights) {
      vector.push_back(at::randint(0, 2, weight.sizes(), generator).mul(2).sub(1).to(at::kFloat));
    }
  }

  std::vector<double> traces(names.size());
  const int64_t used = std::min(images, dataset.count);
  for (int64_t first = 0; first < used; first += kBatch) {
    const int64_t count = std::min(kBatch, used - first);
    const at::Tensor logits = net.forward(images_of(dataset, normalization, first, count), false);
    const at::Tensor loss =
        at::cross_entropy_loss(logits, labels_of(dataset, first, count), {}, at::Reduction::Sum);
    const auto gradients = torch::autograd::grad({loss}, weights, {}, true, true);
    for (const auto& vector : vectors) {
      const auto products = torch::autograd::grad(gradients, weights, vector, true, false, true);
      for (size_t i = 0; i < traces.size(); ++i) {
        if (!products[i].defined()) continue;
        traces[i] +=
            (products[i] * vector[i]).sum().item<double>() / (static_cast<double>(used) * probes);
      }
    }
  }
  std::map<std::string, double> result;
  for (size_t i = 0; i < names.size(); ++i) result[names[i]] = traces[i];
  return result;
}

}  // namespace tessera::compress
