#include "firmware_file.hpp"

#include <filesystem>
#include <stdexcept>

namespace tessera::platform {

std::string find_firmware() {
  namespace fs = std::filesystem;
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const fs::path installed = program.parent_path() / TESSERA_FIRMWARE_FROM_BIN;
  if (!error && fs::exists(installed, error)) return installed.lexically_normal().string();
  if (fs::exists(TESSERA_FIRMWARE_BUILT, error)) return TESSERA_FIRMWARE_BUILT;
  throw std::runtime_error(
      "the firmware is missing: neither " + installed.lexically_normal().string() + " nor " +
      TESSERA_FIRMWARE_BUILT +
      " exists; build with TESSERA_FIRMWARE=ON, name one with --firmware, or use --core native");
}

}  // namespace tessera::platform
