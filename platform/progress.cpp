#include "progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace tessera::platform {
namespace {

constexpr int kBarWidth = 30;

}  // namespace

Progress::Progress() : terminal_(isatty(STDERR_FILENO) != 0) {}
Progress::~Progress() { clear(); }

void Progress::show(const std::string& stage, double fraction) {
  if (!terminal_) return;
  const int permille = static_cast<int>(std::clamp(fraction, 0.0, 1.0) * 1000);
  if (permille == last_permille_ && stage == last_stage_) return;
  last_permille_ = permille;
  last_stage_ = stage;
  const auto filled = static_cast<size_t>(permille * kBarWidth / 1000);
  const std::string bar = std::string(filled, '#') + std::string(kBarWidth - filled, '.');
  std::fprintf(stderr, "\r\033[K%-12s [%s] %5.1f %%", stage.c_str(), bar.c_str(), permille / 10.0);
  std::fflush(stderr);
  shown_ = true;
}

void Progress::line(const std::string& text) {
  clear();
  std::fprintf(stderr, "%s\n", text.c_str());
}

void Progress::clear() {
  if (shown_) std::fputs("\r\033[K", stderr);
  shown_ = false;
  last_permille_ = -1;
}

}  // namespace tessera::platform
