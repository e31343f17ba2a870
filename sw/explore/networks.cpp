#include "explore/networks.hpp"

#include <fstream>
#include <iterator>
#include <stdexcept>

#include "explore/requantize.hpp"
#include "explore/result.hpp"
#include "graph/integer_network.hpp"
#include "graph/onnx_io.hpp"

namespace tessera::explore {
namespace {

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(file)), {});
}

std::string checked_digest(const SweptNetwork& network) {
  try {
    const graph::Graph graph = graph::read_onnx(network.path);
    graph::lower(graph);
    Digest digest;
    digest.add(bytes_of(network.path));
    for (const auto& [name, tensor] : graph.weights) {
      digest.add(tensor.data.data(), tensor.data.size() * sizeof(float));
    }
    return digest.text();
  } catch (const std::runtime_error& e) {
    throw std::runtime_error(network.where + network.file + ": " + e.what());
  }
}

}  // namespace

Networks::Networks(const Sweep& sweep)
    : sweep_(sweep), made_(sweep.networks.size() * sweep.widths.size()) {
  for (const SweptNetwork& network : sweep.networks) digests_.push_back(checked_digest(network));
}

std::shared_ptr<const graph::Graph> Networks::get(size_t network, size_t widths) {
  const std::lock_guard<std::mutex> lock(mutex_);
  auto& slot = made_[network * sweep_.widths.size() + widths];
  auto graph = slot.lock();
  if (!graph) {
    graph = std::make_shared<const graph::Graph>(
        requantize(graph::read_onnx(sweep_.networks[network].path), sweep_.widths[widths]));
    slot = graph;
  }
  latest_ = graph;
  return graph;
}

}  // namespace tessera::explore
