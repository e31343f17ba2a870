#include "explore/results_file.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace tessera::explore {
namespace {

std::string read_all(int descriptor) {
  std::string text;
  char buffer[65536];
  for (ssize_t count = 0; (count = ::read(descriptor, buffer, sizeof(buffer))) > 0;) {
    text.append(buffer, static_cast<size_t>(count));
  }
  return text;
}

/// Whether the text may be the beginning of a result's line.
bool is_torn_line(const std::string& text) {
  const std::string line = to_line({});
  const std::string start = line.substr(0, line.find("\"key\""));
  const size_t common = std::min(start.size(), text.size());
  return text.compare(0, common, start, 0, common) == 0;
}

}  // namespace

ResultsFile::ResultsFile(const std::string& path)
    : path_(path), descriptor_(open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) {
    throw std::runtime_error(path + ": cannot be written (" + std::strerror(errno) + ")");
  }
  try {
    if (flock(descriptor_, LOCK_EX | LOCK_NB) != 0) {
      throw std::runtime_error(path +
                               ": another exploration writes it; wait, or choose another -o");
    }
    read(read_all(descriptor_));
  } catch (...) {
    close(descriptor_);
    throw;
  }
}

ResultsFile::~ResultsFile() { close(descriptor_); }

void ResultsFile::read(const std::string& text) {
  size_t begin = 0;
  for (size_t number = 1; begin < text.size(); ++number) {
    const size_t end = text.find('\n', begin);
    const std::string line = text.substr(begin, end - begin);
    auto result = parse_line(line);
    const bool torn = end == std::string::npos;
    if (!result && !(torn && is_torn_line(line))) {
      throw std::runtime_error(path_ + ":" + std::to_string(number) +
                               ": is not a result of 'tessera explore'; choose another -o");
    }
    if (torn) {
      repaired_bytes_ = line.size();
      break;
    }
    found_.push_back(std::move(*result));
    begin = end + 1;
  }
  if (repaired_bytes_ != 0 && ftruncate(descriptor_, static_cast<off_t>(begin)) != 0) {
    throw std::runtime_error(path_ + ": its torn last line cannot be cut off");
  }
}

void ResultsFile::append(const Result& result) {
  const std::string line = to_line(result) + "\n";
  const std::lock_guard<std::mutex> lock(mutex_);
  const ssize_t written = write(descriptor_, line.data(), line.size());
  if (written != static_cast<ssize_t>(line.size())) {
    throw std::runtime_error(path_ + ": cannot be written (" +
                             (written < 0 ? std::strerror(errno) : "the disk is full") +
                             "); the points so far are in it");
  }
}

}  // namespace tessera::explore
