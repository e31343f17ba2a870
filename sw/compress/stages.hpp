#pragma once

/// Finished stages of a run, kept in a file, so that a run that was killed goes on behind them.

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "compress/fine_tune.hpp"
#include "data/dataset.hpp"
#include "graph/graph.hpp"

namespace tessera::compress {

class Stages {
 public:
  /// Nothing is kept.
  Stages() = default;
  /// Reads `path` if it exists. Throws std::runtime_error if it is damaged or of a run with another
  /// fingerprint: all that the results of the stages depend on, as text.
  Stages(std::string path, std::string fingerprint);

  /// Step `number` (1, 2 ..) of stage `name`: computed and kept, or as it was kept. Both are what
  /// the ONNX file of the network computed reads as, so that the bits are the same. Of a step with
  /// a later one kept, which nobody needs, nothing.
  graph::Graph graph(const std::string& name, int number,
                     const std::function<graph::Graph()>& compute);
  std::string text(const std::string& name, const std::function<std::string()>& compute);

  /// `options` with a file of its own for the epochs of a step, behind which learning goes on.
  FineTuneOptions with_epochs(const FineTuneOptions& options, const std::string& name,
                              int number) const;

 private:
  std::string epochs_path(const std::string& name, int number) const;
  void keep(const std::string& name, int number, std::string bytes);

  std::string path_, fingerprint_;
  std::map<std::string, std::pair<int, std::string>> kept_;  ///< last step and bytes by stage
};

/// Removes the file and those of epochs, PATH.*.
void remove_stages(const std::string& path);

/// CRC-32 of images and labels, or of any bytes.
uint32_t digest(const data::Dataset& dataset);
uint32_t digest(const std::string& bytes);

}  // namespace tessera::compress
