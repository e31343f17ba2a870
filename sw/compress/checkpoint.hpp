#pragma once

/// The state of a run between two epochs or stages, in one file.

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace tessera::compress {

struct Checkpoint {
  std::string fingerprint;  ///< everything the result depends on, as text
  int epochs_done = 0;
  std::map<std::string, std::vector<float>> tensors;  ///< parameters, buffers, optimiser state
  std::map<std::string, std::string> texts;           ///< anything else, by name
};

/// Little endian: magic, version, size of what follows, its CRC-32, then the fields. The file
/// appears complete or not at all. Throws std::runtime_error if it cannot be written.
void write_checkpoint(const Checkpoint& checkpoint, const std::string& path);

/// Nothing if the file does not exist. Throws std::runtime_error if it is truncated or corrupt.
std::optional<Checkpoint> read_checkpoint(const std::string& path);

}  // namespace tessera::compress
