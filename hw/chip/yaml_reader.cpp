#include "chip/yaml_reader.hpp"

#include <charconv>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

namespace tessera::chip {

namespace {

std::string at(const std::string& file, const YAML::Mark& mark) {
  return file + ":" + std::to_string(mark.line + 1) + ": ";
}

std::string number_text(double value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

std::string describe(const IntegerRange& range) {
  return std::string(range.power_of_two ? "a power of two in " : "an integer in ") +
         std::to_string(range.least) + ".." + std::to_string(range.most);
}

std::string describe(const RealRange& range) {
  return "a number in " + number_text(range.least) + ".." + number_text(range.most);
}

std::string what_it_is(const YAML::Node& node) {
  if (node.IsScalar()) return node.Scalar().empty() ? "''" : node.Scalar();
  if (node.IsMap()) return "a mapping";
  if (node.IsSequence()) return "a list";
  return "nothing";
}

}  // namespace

MapReader::MapReader(const YAML::Node& node, std::string file, std::string path)
    : node_(node), file_(std::move(file)), path_(std::move(path)) {
  if (!node_.IsMap()) {
    throw std::runtime_error(at(file_, node_.Mark()) + (path_.empty() ? "the file" : path_) +
                             " must be a mapping of keys, got " + what_it_is(node_));
  }
  std::set<std::string> seen;
  for (const auto& entry : node_) {
    if (!entry.first.IsScalar()) {
      throw std::runtime_error(at(file_, entry.first.Mark()) + "a key must be a word, got " +
                               what_it_is(entry.first));
    }
    if (!seen.insert(entry.first.Scalar()).second) {
      throw std::runtime_error(at(file_, entry.first.Mark()) + full_name(entry.first.Scalar()) +
                               " is given twice; remove one");
    }
  }
}

std::string MapReader::full_name(const std::string& key) const {
  return path_.empty() ? key : path_ + "." + key;
}

std::runtime_error MapReader::error(const std::string& key, const std::string& message) const {
  YAML::Mark mark = node_.Mark();
  for (const auto& entry : node_) {
    if (entry.first.Scalar() == key) mark = entry.first.Mark();
  }
  return std::runtime_error(at(file_, mark) + full_name(key) + " " + message);
}

bool MapReader::has(const std::string& key) {
  known_.insert(key);
  return std::as_const(node_)[key].IsDefined();
}

bool MapReader::is_section(const std::string& key) {
  return has(key) && std::as_const(node_)[key].IsMap();
}

YAML::Node MapReader::find(const std::string& key, const std::string& wanted) {
  if (!has(key)) throw error(key, "is missing; it must be " + wanted);
  return std::as_const(node_)[key];
}

YAML::Node MapReader::scalar(const std::string& key, const std::string& wanted) {
  const YAML::Node node = find(key, wanted);
  if (!node.IsScalar()) throw error(key, "must be " + wanted + ", got " + what_it_is(node));
  return node;
}

uint32_t MapReader::integer(const std::string& key, const IntegerRange& range) {
  const std::string wanted = describe(range);
  const std::string digits = scalar(key, wanted).Scalar();
  uint32_t value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, status] = std::from_chars(digits.data(), end, value);
  const bool is_number = status == std::errc() && stop == end;
  const bool in_range = value >= range.least && value <= range.most;
  if (!is_number || !in_range || (range.power_of_two && (value & (value - 1)) != 0)) {
    throw error(key, "must be " + wanted + ", got " + (digits.empty() ? "''" : digits));
  }
  return value;
}

double MapReader::real(const std::string& key, const RealRange& range) {
  const std::string wanted = describe(range);
  const std::string digits = scalar(key, wanted).Scalar();
  double value = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, status] = std::from_chars(digits.data(), end, value);
  const bool is_number = status == std::errc() && stop == end && std::isfinite(value);
  if (!is_number || value < range.least || value > range.most) {
    throw error(key, "must be " + wanted + ", got " + (digits.empty() ? "''" : digits));
  }
  return value;
}

std::string MapReader::text(const std::string& key) {
  const std::string value = scalar(key, "a word").Scalar();
  if (value.empty()) throw error(key, "must be a word, got ''");
  return value;
}

MapReader MapReader::section(const std::string& key) {
  const YAML::Node node = find(key, "a mapping of keys");
  if (!node.IsMap()) throw error(key, "must be a mapping of keys, got " + what_it_is(node));
  return MapReader(node, file_, full_name(key));
}

void MapReader::finish() const {
  for (const auto& entry : node_) {
    if (known_.count(entry.first.Scalar()) != 0) continue;
    std::string allowed;
    for (const std::string& key : known_) allowed += (allowed.empty() ? "" : ", ") + key;
    throw error(entry.first.Scalar(), "is not a known key; allowed: " + allowed);
  }
}

MapReader read_yaml_file(const std::string& file) {
  std::ifstream in(file);
  if (!in || std::filesystem::is_directory(file)) {
    throw std::runtime_error(file + ": cannot be read; check the path");
  }
  std::vector<YAML::Node> documents;
  try {
    documents = YAML::LoadAll(in);
  } catch (const YAML::Exception& e) {
    throw std::runtime_error(at(file, e.mark) + "not YAML: " + e.msg);
  }
  if (documents.size() != 1 || documents[0].IsNull()) {
    throw std::runtime_error(file + ":1: must hold one YAML document, got " +
                             std::to_string(documents.empty() ? 0 : documents.size()) +
                             (documents.size() == 1 ? " that is empty" : ""));
  }
  return MapReader(documents[0], file, "");
}

}  // namespace tessera::chip
