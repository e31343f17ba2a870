#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "explore/sweep.hpp"
#include "graph/graph.hpp"

namespace tessera::explore {

/// The networks of a sweep at its widths, made when they are asked for; only those in use are held.
/// All functions may be called from many threads.
class Networks {
 public:
  /// Reads and lowers each network once. Throws std::runtime_error, with the network's place in the
  /// sweep, if it cannot be read or is not quantised.
  explicit Networks(const Sweep& sweep);

  /// Of the file and of the weights, which may lie in other files: 16 hexadecimal digits.
  const std::string& digest(size_t network) const { return digests_[network]; }

  std::shared_ptr<const graph::Graph> get(size_t network, size_t widths);

 private:
  const Sweep& sweep_;
  std::vector<std::string> digests_;
  std::mutex mutex_;
  std::vector<std::weak_ptr<const graph::Graph>> made_;  ///< [network * widths + widths]
  std::shared_ptr<const graph::Graph> latest_;
};

}  // namespace tessera::explore
