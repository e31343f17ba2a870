#include "compress/calibrate.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "reference/float_engine.hpp"

namespace tessera::compress {
namespace {

constexpr size_t kBins = 8192;

std::map<std::string, size_t> group_of_tensor(const std::vector<ActivationGroup>& groups) {
  std::map<std::string, size_t> result;
  for (size_t i = 0; i < groups.size(); ++i) {
    for (const std::string& tensor : groups[i].observed) result[tensor] = i;
  }
  return result;
}

}  // namespace

Observations observe(const graph::Graph& graph, const std::vector<ActivationGroup>& groups,
                     const data::Dataset& train, const Recipe& recipe) {
  const reference::FloatEngine engine(graph);
  const std::map<std::string, size_t> group_of = group_of_tensor(groups);
  const int64_t count = std::min(recipe.calibration_images, train.count);
  const auto for_each_value = [&](const auto& use) {
    const auto observer = [&](const std::string& tensor, const std::vector<float>& values) {
      const auto found = group_of.find(tensor);
      if (found == group_of.end()) return;
      for (const float value : values) {
        if (value != 0) use(found->second, value);
      }
    };
    for (int64_t i = 0; i < count; ++i) {
      engine.run(reference::normalize(graph, train.image(i)), observer);
    }
  };

  std::vector<double> largest(groups.size());
  for_each_value([&](size_t group, float value) {
    largest[group] = std::max<double>(largest[group], std::fabs(value));
  });
  Observations observations;
  for (const double magnitude : largest) observations.emplace_back(magnitude, kBins);
  if (recipe.activation_threshold != Threshold::kMax) {
    for_each_value([&](size_t group, float value) { observations[group].add(value); });
  }
  return observations;
}

}  // namespace tessera::compress
