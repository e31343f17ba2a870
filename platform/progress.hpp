#pragma once

#include <string>

namespace tessera::platform {

/// A progress bar on stderr while it is a terminal; nothing otherwise.
class Progress {
 public:
  Progress();
  ~Progress();

  /// Shows `stage` and `fraction` (0..1).
  void show(const std::string& stage, double fraction);
  /// Prints a line above the bar: on a terminal and in a pipe.
  void line(const std::string& text);
  /// Takes the bar away, until it is shown again: before printing to stdout.
  void clear();

 private:
  bool terminal_;
  bool shown_ = false;
  int last_permille_ = -1;
  std::string last_stage_;
};

}  // namespace tessera::platform
