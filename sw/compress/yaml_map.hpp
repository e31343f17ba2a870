#pragma once

/// Strict reading of YAML maps: every error names file, line and key; keys that nobody asked for
/// are errors too.

#include <yaml-cpp/yaml.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

namespace tessera::compress {

class YamlMap {
 public:
  /// `node` must be a map (std::runtime_error otherwise); `key` is its own path, "" at the top.
  YamlMap(const YAML::Node& node, std::string file, std::string key);

  bool has(const std::string& name);
  int64_t integer(const std::string& name, int64_t low, int64_t high,
                  const std::optional<int64_t>& otherwise = std::nullopt);
  double number(const std::string& name, double low, double high,
                const std::optional<double>& otherwise = std::nullopt);
  /// A list of numbers, `[a, b, ..]`.
  std::vector<double> numbers(const std::string& name, double low, double high);
  bool boolean(const std::string& name, const std::optional<bool>& otherwise = std::nullopt);
  std::string text(const std::string& name,
                   const std::optional<std::string>& otherwise = std::nullopt);
  /// The index of the value in `choices`.
  size_t choice(const std::string& name, const std::vector<std::string>& choices,
                const std::optional<size_t>& otherwise = std::nullopt);
  /// The items of a list of scalars, one at least.
  std::vector<std::string> words(const std::string& name);
  YamlMap map(const std::string& name);
  std::vector<YamlMap> maps(const std::string& name);

  /// Throws for keys that were not asked for.
  void finish() const;

  int line() const { return node_.Mark().line + 1; }
  [[noreturn]] void fail(const std::string& name, const std::string& what);

 private:
  YAML::Node find(const std::string& name, bool required);
  std::string scalar(const std::string& name, const std::string& expected);
  std::string path_of(const std::string& name) const {
    return key_.empty() ? name : key_ + "." + name;
  }

  YAML::Node node_;
  std::string file_, key_;
  std::set<std::string> known_;
};

/// Parses YAML text; a syntax error becomes a std::runtime_error that names file and line.
YAML::Node parse_yaml(const std::string& text, const std::string& file);

}  // namespace tessera::compress
