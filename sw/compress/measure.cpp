#include "compress/measure.hpp"

#include <algorithm>

#include "reference/float_engine.hpp"
#include "reference/integer_engine.hpp"

namespace tessera::compress {
namespace {

constexpr int64_t kBatch = 500;

template <typename Engine, typename Input>
double measure(const Engine& engine, const Input& input_of, const data::Dataset& test,
               int64_t images, int threads, const Progress& on_progress) {
  const int64_t count = images > 0 ? std::min(images, test.count) : test.count;
  int64_t correct = 0;
  for (int64_t first = 0; first < count; first += kBatch) {
    const int64_t last = std::min(first + kBatch, count);
    std::vector<decltype(input_of(test.image(0)))> inputs;
    for (int64_t i = first; i < last; ++i) inputs.push_back(input_of(test.image(i)));
    const auto outputs = engine.run_batch(inputs, threads);
    for (int64_t i = first; i < last; ++i) {
      const int guess = reference::argmax(outputs[static_cast<size_t>(i - first)]);
      correct += guess == test.labels[static_cast<size_t>(i)] ? 1 : 0;
    }
    if (on_progress) on_progress(static_cast<double>(last) / static_cast<double>(count));
  }
  return count == 0 ? 0 : 100 * static_cast<double>(correct) / static_cast<double>(count);
}

}  // namespace

double measure_float(const graph::Graph& graph, const data::Dataset& test, int64_t images,
                     int threads, const Progress& on_progress) {
  const reference::FloatEngine engine(graph);
  const auto input_of = [&](const uint8_t* bytes) { return reference::normalize(graph, bytes); };
  return measure(engine, input_of, test, images, threads, on_progress);
}

double measure_integer(const graph::IntegerNetwork& network, const data::Dataset& test,
                       int64_t images, int threads, const Progress& on_progress) {
  const reference::IntegerEngine engine(network);
  const auto input_of = [&](const uint8_t* bytes) { return graph::quantize_input(network, bytes); };
  return measure(engine, input_of, test, images, threads, on_progress);
}

}  // namespace tessera::compress
