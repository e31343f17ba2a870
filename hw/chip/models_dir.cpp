#include "chip/models_dir.hpp"

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <system_error>

namespace tessera::chip {

namespace fs = std::filesystem;

std::string models_dir() {
  if (const char* chosen = std::getenv("TESSERA_MODELS_DIR"); chosen != nullptr && *chosen != 0) {
    if (fs::is_directory(chosen)) return chosen;
    throw std::runtime_error(std::string("TESSERA_MODELS_DIR: ") + chosen +
                             " is not a folder; set it to the models folder or unset it");
  }
  std::error_code error;
  const fs::path executable = fs::read_symlink("/proc/self/exe", error);
  const fs::path candidates[] = {
      (executable.parent_path() / TESSERA_MODELS_FROM_BIN).lexically_normal(),
      TESSERA_SOURCE_MODELS_DIR, TESSERA_INSTALL_MODELS_DIR};
  for (const fs::path& candidate : candidates) {
    if (fs::is_directory(candidate / "chips", error)) return candidate.string();
  }
  throw std::runtime_error("the models folder (chips, tech) is not at " +
                           std::string(TESSERA_INSTALL_MODELS_DIR) +
                           "; set TESSERA_MODELS_DIR to it");
}

}  // namespace tessera::chip
