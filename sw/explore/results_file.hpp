#pragma once

#include <cstddef>
#include <mutex>
#include <string>
#include <vector>

#include "explore/result.hpp"

namespace tessera::explore {

/// A file of results, one line each, that grows by whole lines and belongs to one process at a
/// time.
class ResultsFile {
 public:
  /// Opens or creates the file and reads it. A torn last line, from a process that was killed or a
  /// full disk, is cut off. Throws std::runtime_error if the file cannot be written, is in use by
  /// another exploration, or holds a line that is not a result: nothing is changed then.
  explicit ResultsFile(const std::string& path);
  ~ResultsFile();
  ResultsFile(const ResultsFile&) = delete;
  ResultsFile& operator=(const ResultsFile&) = delete;

  /// The results that were there, in the order of the file.
  const std::vector<Result>& found() const { return found_; }
  /// Bytes of the torn last line.
  size_t repaired_bytes() const { return repaired_bytes_; }

  /// Appends a line in one write; from any thread. Throws std::runtime_error if it cannot.
  void append(const Result& result);

 private:
  void read(const std::string& text);

  std::string path_;
  int descriptor_;
  std::vector<Result> found_;
  size_t repaired_bytes_ = 0;
  std::mutex mutex_;
};

}  // namespace tessera::explore
