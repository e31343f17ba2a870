#pragma once

/// Strict reading of YAML mappings: every key is known, present once and of the right kind, or the
/// error names file, line and key.

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <set>
#include <stdexcept>
#include <string>

namespace tessera::chip {

/// What an integer key may be.
struct IntegerRange {
  uint32_t least = 0;
  uint32_t most = UINT32_MAX;
  bool power_of_two = false;
};

/// What a real key may be.
struct RealRange {
  double least = 0;
  double most = 0;
};

/// Reads one mapping. Each reader function marks its key as known; `finish` refuses the others.
/// All functions throw std::runtime_error "file:line: key ..., got ...".
class MapReader {
 public:
  /// `path` is the dotted prefix of the keys in messages, empty at the top.
  MapReader(const YAML::Node& node, std::string file, std::string path);

  uint32_t integer(const std::string& key, const IntegerRange& range);
  double real(const std::string& key, const RealRange& range);
  std::string text(const std::string& key);
  MapReader section(const std::string& key);

  bool has(const std::string& key);
  bool is_section(const std::string& key);

  /// Refuses keys that nobody read.
  void finish() const;

  /// An error at the line of `key`, or of the mapping if the key is absent.
  std::runtime_error error(const std::string& key, const std::string& message) const;

 private:
  YAML::Node find(const std::string& key, const std::string& wanted);
  YAML::Node scalar(const std::string& key, const std::string& wanted);
  std::string full_name(const std::string& key) const;

  YAML::Node node_;
  std::string file_;
  std::string path_;
  std::set<std::string> known_;
};

/// The only document of a YAML file, its top a mapping. Throws std::runtime_error.
MapReader read_yaml_file(const std::string& file);

}  // namespace tessera::chip
