#include "compress/stages.hpp"

#include <zlib.h>

#include <filesystem>
#include <stdexcept>
#include <utility>
#include <vector>

#include "compress/checkpoint.hpp"
#include "graph/onnx_io.hpp"

namespace tessera::compress {
namespace {

uint32_t crc(const void* bytes, size_t size_bytes, uint32_t start = 0) {
  return static_cast<uint32_t>(crc32_z(start, static_cast<const Bytef*>(bytes), size_bytes));
}

}  // namespace

Stages::Stages(std::string path, std::string fingerprint)
    : path_(std::move(path)), fingerprint_(std::move(fingerprint)) {
  if (path_.empty()) return;
  const std::optional<Checkpoint> checkpoint = read_checkpoint(path_);
  if (!checkpoint) return;
  if (checkpoint->fingerprint != fingerprint_) {
    throw std::runtime_error(path_ +
                             ": is of another network, recipe, data set or option; delete it to "
                             "start over, or name another output");
  }
  for (const auto& [name, bytes] : checkpoint->texts) {
    const size_t space = name.rfind(' ');
    kept_[name.substr(0, space)] = {std::stoi(name.substr(space + 1)), bytes};
  }
}

graph::Graph Stages::graph(const std::string& name, int number,
                           const std::function<graph::Graph()>& compute) {
  const auto found = kept_.find(name);
  if (found != kept_.end() && found->second.first > number) return {};
  if (found != kept_.end() && found->second.first == number) {
    return graph::parse_onnx(found->second.second, path_);
  }
  std::string bytes = graph::serialize_onnx(compute());
  graph::Graph result = graph::parse_onnx(bytes, "stage " + name);
  keep(name, number, std::move(bytes));
  return result;
}

std::string Stages::text(const std::string& name, const std::function<std::string()>& compute) {
  const auto found = kept_.find(name);
  if (found != kept_.end()) return found->second.second;
  std::string result = compute();
  keep(name, 1, result);
  return result;
}

FineTuneOptions Stages::with_epochs(const FineTuneOptions& options, const std::string& name,
                                    int number) const {
  FineTuneOptions result = options;
  if (path_.empty()) return result;
  result.checkpoint = epochs_path(name, number);
  result.fingerprint = fingerprint_ + " " + name + " " + std::to_string(number);
  return result;
}

void Stages::keep(const std::string& name, int number, std::string bytes) {
  if (path_.empty()) return;
  kept_[name] = {number, std::move(bytes)};
  Checkpoint checkpoint;
  checkpoint.fingerprint = fingerprint_;
  for (const auto& [stage, entry] : kept_) {
    checkpoint.texts[stage + " " + std::to_string(entry.first)] = entry.second;
  }
  write_checkpoint(checkpoint, path_);
  std::filesystem::remove(epochs_path(name, number));
}

std::string Stages::epochs_path(const std::string& name, int number) const {
  return path_ + "." + name + "-" + std::to_string(number);
}

void remove_stages(const std::string& path) {
  namespace fs = std::filesystem;
  fs::remove(path);
  const fs::path folder = fs::absolute(path).parent_path();
  const std::string start = fs::path(path).filename().string() + ".";
  std::vector<fs::path> epochs;
  if (!fs::is_directory(folder)) return;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().rfind(start, 0) == 0) epochs.push_back(entry.path());
  }
  for (const fs::path& file : epochs) fs::remove(file);
}

uint32_t digest(const data::Dataset& dataset) {
  return crc(dataset.labels.data(), dataset.labels.size(),
             crc(dataset.images.data(), dataset.images.size()));
}

uint32_t digest(const std::string& bytes) { return crc(bytes.data(), bytes.size()); }

}  // namespace tessera::compress
