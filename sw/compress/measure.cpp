#include "compress/measure.hpp"

#include <algorithm>
#include <cmath>

#include "reference/float_engine.hpp"
#include "reference/integer_engine.hpp"

namespace tessera::compress {
namespace {

constexpr int64_t kBatch = 500;

template <typename Engine, typename Input>
double measure(const Engine& engine, const Input& input_of, const data::Dataset& test,
               int64_t images, int threads, const Progress& on_progress, double unit,
               LogitList* logits) {
  const int64_t count = images > 0 ? std::min(images, test.count) : test.count;
  int64_t correct = 0;
  for (int64_t first = 0; first < count; first += kBatch) {
    const int64_t last = std::min(first + kBatch, count);
    std::vector<decltype(input_of(test.image(0)))> inputs;
    for (int64_t i = first; i < last; ++i) inputs.push_back(input_of(test.image(i)));
    const auto outputs = engine.run_batch(inputs, threads);
    for (int64_t i = first; i < last; ++i) {
      const auto& output = outputs[static_cast<size_t>(i - first)];
      const int guess = reference::argmax(output);
      correct += guess == test.labels[static_cast<size_t>(i)] ? 1 : 0;
      if (logits == nullptr) continue;
      for (const auto value : output) logits->push_back(static_cast<float>(unit * value));
    }
    if (on_progress) on_progress(static_cast<double>(last) / static_cast<double>(count));
  }
  return count == 0 ? 0 : 100 * static_cast<double>(correct) / static_cast<double>(count);
}

}  // namespace

double measure_float(const graph::Graph& graph, const data::Dataset& test, int64_t images,
                     int threads, const Progress& on_progress, LogitList* logits) {
  const reference::FloatEngine engine(graph);
  const auto input_of = [&](const uint8_t* bytes) { return reference::normalize(graph, bytes); };
  return measure(engine, input_of, test, images, threads, on_progress, 1, logits);
}

double measure_integer(const graph::IntegerNetwork& network, const data::Dataset& test,
                       int64_t images, int threads, const Progress& on_progress,
                       LogitList* logits) {
  const reference::IntegerEngine engine(network);
  const auto input_of = [&](const uint8_t* bytes) { return graph::quantize_input(network, bytes); };
  const double unit = network.tensors[static_cast<size_t>(network.output)].scale;
  return measure(engine, input_of, test, images, threads, on_progress, unit, logits);
}

double relative_error(const LogitList& actual, const LogitList& expected) {
  double difference = 0, whole = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    difference += std::pow(static_cast<double>(actual.at(i)) - expected[i], 2);
    whole += std::pow(static_cast<double>(expected[i]), 2);
  }
  return whole == 0 ? 0 : std::sqrt(difference / whole);
}

}  // namespace tessera::compress
