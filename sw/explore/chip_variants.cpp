#include "explore/chip_variants.hpp"

#include <sys/mman.h>
#include <unistd.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>

namespace tessera::explore {
namespace {

namespace fs = std::filesystem;

/// Text as a file of no folder: the chip reader takes files.
class MemoryFile {
 public:
  explicit MemoryFile(const std::string& text) : descriptor_(memfd_create("chip", MFD_CLOEXEC)) {
    const char* rest = text.data();
    for (size_t left = text.size(); descriptor_ >= 0 && left > 0;) {
      const ssize_t written = write(descriptor_, rest, left);
      if (written <= 0) break;
      rest += written;
      left -= static_cast<size_t>(written);
    }
    if (rest != text.data() + text.size()) {
      if (descriptor_ >= 0) close(descriptor_);
      throw std::runtime_error("no memory for a chip file");
    }
  }
  ~MemoryFile() { close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

void set(YAML::Node map, const std::string& key, const std::string& value) {
  const size_t dot = key.find('.');
  const std::string head = key.substr(0, dot);
  if (dot == std::string::npos) {
    map[head] = value;
    return;
  }
  const YAML::Node inner = map[head];
  if (inner.IsDefined() && !inner.IsMap()) {
    throw std::runtime_error(head + " is not a mapping of keys: " + key + " is not a known key");
  }
  set(inner, key.substr(dot + 1), value);
}

/// A message of the chip reader without "FILE:LINE: ", which mean nothing to the user here.
std::string without_place(const std::string& message, const std::string& path) {
  if (message.compare(0, path.size(), path) != 0) return message;
  const size_t end = message.find(": ");
  return end == std::string::npos ? message : message.substr(end + 2);
}

bool is_unknown_key(const std::string& message) {
  return message.find(" is not a known key") != std::string::npos;
}

/// The base chip's file with what depends on its place or cannot be set as it stands resolved.
std::string base_yaml(const chip::Chip& base, const std::vector<Axis>& axes) {
  YAML::Node root = YAML::LoadFile(base.file);
  const bool sets_technology = std::any_of(axes.begin(), axes.end(), [](const Axis& axis) {
    return axis.key.rfind("technology.", 0) == 0;
  });
  const YAML::Node technology = root["technology"];
  if (!technology.IsScalar()) return YAML::Dump(root);
  const fs::path path = technology.Scalar();
  if (sets_technology) {
    root["technology"] = YAML::Load(chip::to_yaml(base))["technology"];
  } else if (path.has_parent_path() && path.is_relative()) {
    root["technology"] = fs::absolute(fs::path(base.file).parent_path() / path).string();
  }
  return YAML::Dump(root);
}

}  // namespace

ChipVariants::ChipVariants(const Sweep& sweep) {
  const chip::Chip base = chip::load_chip(sweep.chip);
  name_ = base.name;
  file_ = base.file;
  yaml_ = base_yaml(base, sweep.axes);
  for (const Axis& axis : sweep.axes) {
    try {
      with({{axis.key, axis.values.front()}});
    } catch (const std::runtime_error& e) {
      if (is_unknown_key(e.what())) throw std::runtime_error(axis.where + "axes: " + e.what());
    }
  }
}

chip::Chip ChipVariants::with(const std::vector<Setting>& settings) const {
  const YAML::Node root = YAML::Load(yaml_);
  for (const auto& [key, value] : settings) set(root, key, value);
  const MemoryFile memory(YAML::Dump(root));
  try {
    chip::Chip chip = chip::load_chip(memory.path());
    chip.file = file_;
    return chip;
  } catch (const std::runtime_error& e) {
    throw std::runtime_error(without_place(e.what(), memory.path()));
  }
}

}  // namespace tessera::explore
