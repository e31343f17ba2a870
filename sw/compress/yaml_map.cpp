#include "compress/yaml_map.hpp"

#include <sstream>
#include <stdexcept>
#include <utility>

namespace tessera::compress {
namespace {

std::string at_line(const std::string& file, int line) {
  return file + ":" + std::to_string(line) + ": ";
}

std::string text_of(double value) {
  std::ostringstream stream;
  stream << value;
  return stream.str();
}

}  // namespace

YamlMap::YamlMap(const YAML::Node& node, std::string file, std::string key)
    : node_(node), file_(std::move(file)), key_(std::move(key)) {
  if (node_.IsMap()) {
    std::set<std::string> seen;
    for (const auto& entry : node_) {
      const std::string name = entry.first.Scalar();
      if (!seen.insert(name).second) {
        throw std::runtime_error(at_line(file_, entry.first.Mark().line + 1) + path_of(name) +
                                 " is given twice");
      }
    }
    return;
  }
  throw std::runtime_error(at_line(file_, std::max(line(), 1)) +
                           (key_.empty() ? "the file" : key_) + " must be a map of keys");
}

void YamlMap::fail(const std::string& name, const std::string& what) {
  const YAML::Node value = node_[name];
  const int where = value.IsDefined() ? value.Mark().line + 1 : line();
  throw std::runtime_error(at_line(file_, where) + path_of(name) + " " + what);
}

YAML::Node YamlMap::find(const std::string& name, bool required) {
  known_.insert(name);
  const YAML::Node value = std::as_const(node_)[name];
  if (required && !value.IsDefined()) fail(name, "is missing");
  return value;
}

bool YamlMap::has(const std::string& name) { return find(name, false).IsDefined(); }

std::string YamlMap::scalar(const std::string& name, const std::string& expected) {
  const YAML::Node value = find(name, true);
  if (!value.IsScalar()) fail(name, "must be " + expected);
  return value.Scalar();
}

int64_t YamlMap::integer(const std::string& name, int64_t low, int64_t high,
                         const std::optional<int64_t>& otherwise) {
  if (otherwise && !has(name)) return *otherwise;
  const std::string range = "an integer in " + std::to_string(low) + ".." + std::to_string(high);
  const std::string value = scalar(name, range);
  try {
    size_t used = 0;
    const int64_t number = std::stoll(value, &used);
    if (used == value.size() && number >= low && number <= high) return number;
  } catch (const std::logic_error&) {
  }
  fail(name, "must be " + range + ", got " + value);
}

double YamlMap::number(const std::string& name, double low, double high,
                       const std::optional<double>& otherwise) {
  if (otherwise && !has(name)) return *otherwise;
  const std::string range = "a number in " + text_of(low) + ".." + text_of(high);
  const std::string value = scalar(name, range);
  try {
    size_t used = 0;
    const double number = std::stod(value, &used);
    if (used == value.size() && number >= low && number <= high) return number;
  } catch (const std::logic_error&) {
  }
  fail(name, "must be " + range + ", got " + value);
}

std::vector<double> YamlMap::numbers(const std::string& name, double low, double high) {
  const YAML::Node list = find(name, true);
  const std::string range = "numbers in " + text_of(low) + ".." + text_of(high);
  if (!list.IsSequence()) fail(name, "must be a list of " + range);
  std::vector<double> result;
  for (const auto& item : list) {
    double value = 0;
    if (!item.IsScalar() || !YAML::convert<double>::decode(item, value) ||
        !(value >= low && value <= high)) {
      fail(name, "must be a list of " + range);
    }
    result.push_back(value);
  }
  return result;
}

bool YamlMap::boolean(const std::string& name, const std::optional<bool>& otherwise) {
  if (otherwise && !has(name)) return *otherwise;
  const std::string value = scalar(name, "true or false");
  if (value == "true") return true;
  if (value == "false") return false;
  fail(name, "must be true or false, got " + value);
}

std::string YamlMap::text(const std::string& name, const std::optional<std::string>& otherwise) {
  if (otherwise && !has(name)) return *otherwise;
  return scalar(name, "text");
}

size_t YamlMap::choice(const std::string& name, const std::vector<std::string>& choices,
                       const std::optional<size_t>& otherwise) {
  if (otherwise && !has(name)) return *otherwise;
  std::string list;
  for (const std::string& each : choices) list += (list.empty() ? "" : ", ") + each;
  const std::string value = scalar(name, "one of " + list);
  for (size_t i = 0; i < choices.size(); ++i) {
    if (choices[i] == value) return i;
  }
  fail(name, "must be one of " + list + ", got " + value);
}

std::vector<std::string> YamlMap::words(const std::string& name) {
  const YAML::Node list = find(name, true);
  if (!list.IsSequence() || list.size() == 0) fail(name, "must be a list, such as [4, 8]");
  std::vector<std::string> result;
  for (const YAML::Node& item : list) {
    if (!item.IsScalar()) fail(name, "must be a list of plain values");
    result.push_back(item.Scalar());
  }
  return result;
}

YamlMap YamlMap::map(const std::string& name) {
  return YamlMap(find(name, true), file_, path_of(name));
}

std::vector<YamlMap> YamlMap::maps(const std::string& name) {
  std::vector<YamlMap> result;
  const YAML::Node list = find(name, false);
  if (!list.IsDefined()) return result;
  if (!list.IsSequence()) fail(name, "must be a list");
  for (size_t i = 0; i < list.size(); ++i) {
    result.emplace_back(list[i], file_, path_of(name) + "[" + std::to_string(i) + "]");
  }
  return result;
}

void YamlMap::finish() const {
  for (const auto& entry : node_) {
    const std::string name = entry.first.Scalar();
    if (known_.count(name) != 0) continue;
    std::string known;
    for (const std::string& each : known_) known += (known.empty() ? "" : ", ") + each;
    throw std::runtime_error(at_line(file_, entry.first.Mark().line + 1) + path_of(name) +
                             " is not a key here; known are " + known);
  }
}

YAML::Node parse_yaml(const std::string& text, const std::string& file) {
  try {
    return YAML::Load(text);
  } catch (const YAML::ParserException& error) {
    throw std::runtime_error(at_line(file, error.mark.line + 1) + error.msg);
  }
}

}  // namespace tessera::compress
