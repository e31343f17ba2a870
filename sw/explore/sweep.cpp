#include "explore/sweep.hpp"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <optional>

#include "chip/yaml_reader.hpp"
#include "explore/result.hpp"

namespace tessera::explore {
namespace {

namespace fs = std::filesystem;
using chip::MapReader;

std::string place(const std::string& file, const YAML::Mark& mark) {
  return file + ":" + std::to_string(mark.line + 1) + ": ";
}

/// The words of a list, which must hold one at least and none twice.
std::vector<std::string> words(const MapReader& reader, const YAML::Node& map,
                               const std::string& key) {
  const YAML::Node list = map[key];
  if (!list.IsSequence() || list.size() == 0) throw reader.error(key, "must be a list of values");
  std::vector<std::string> result;
  for (const YAML::Node& item : list) {
    if (!item.IsScalar() || item.Scalar().empty()) {
      throw reader.error(key, "must be a list of plain values; one is not");
    }
    if (std::find(result.begin(), result.end(), item.Scalar()) != result.end()) {
      throw reader.error(key, "lists " + item.Scalar() + " twice; remove one");
    }
    result.push_back(item.Scalar());
  }
  return result;
}

std::optional<int> operand_bits(const std::string& text) {
  for (const int bits : {2, 4, 8, 16}) {
    if (text == std::to_string(bits)) return bits;
  }
  return std::nullopt;
}

std::optional<Widths> parse_widths(const std::string& text) {
  Widths widths;
  widths.text = text;
  if (text == "file") return widths;
  const size_t x = text.find('x');
  if (x == std::string::npos) return std::nullopt;
  const auto activation = operand_bits(text.substr(0, x));
  const std::string weights = text.substr(x + 1);
  widths.power_of_two = weights == "p4";
  const auto weight = widths.power_of_two ? std::optional<int>(4) : operand_bits(weights);
  if (!activation || !weight) return std::nullopt;
  widths.activation_bits = *activation;
  widths.weight_bits = *weight;
  return widths;
}

std::vector<SweptNetwork> read_networks(const MapReader& reader, const YAML::Node& top,
                                        const std::string& file) {
  const fs::path folder = fs::path(file).parent_path();
  std::vector<SweptNetwork> networks;
  for (const std::string& name : words(reader, top, "networks")) {
    const YAML::Mark mark = top["networks"][networks.size()].Mark();
    networks.push_back({name, (folder / name).string(), place(file, mark)});
    if (!fs::is_regular_file(networks.back().path)) {
      throw std::runtime_error(networks.back().where + "networks: there is no file " +
                               networks.back().path + "; paths are relative to the sweep file");
    }
  }
  return networks;
}

std::vector<Widths> read_widths(const MapReader& reader, const YAML::Node& top) {
  std::vector<Widths> result;
  for (const std::string& text : words(reader, top, "widths")) {
    const auto widths = parse_widths(text);
    if (!widths) {
      throw reader.error("widths",
                         "must be `file` or ACTIVATIONSxWEIGHTS, each of 16, 8, 4, 2 bits, or p4 "
                         "weights (8x8, 16x4, 8xp4), got " +
                             text);
    }
    result.push_back(*widths);
  }
  return result;
}

std::vector<Axis> read_axes(MapReader& reader, const YAML::Node& top, const std::string& file) {
  const MapReader section = reader.section("axes");
  const YAML::Node map = top["axes"];
  std::vector<Axis> axes;
  for (const auto& entry : map) {
    const std::string key = entry.first.Scalar();
    if (key.empty() || key.front() == '.' || key.back() == '.' ||
        key.find("..") != std::string::npos) {
      throw section.error(key, "must be a dotted key of a chip file, such as npu.rows");
    }
    axes.push_back({key, words(section, map, key), place(file, entry.first.Mark())});
  }
  return axes;
}

std::vector<std::string> read_objectives(const MapReader& reader, const YAML::Node& top) {
  const std::vector<std::string> names = words(reader, top, "objectives");
  for (const std::string& name : names) {
    if (find_metric(name) != nullptr) continue;
    std::string allowed;
    for (const Metric& m : metrics())
      allowed += (allowed.empty() ? "" : ", ") + std::string(m.name);
    throw reader.error("objectives", "must be of " + allowed + ", got " + name);
  }
  return names;
}

/// A path relative to the sweep file, unless it is the name of a shipped chip.
std::string chip_path(const std::string& name, const std::string& file) {
  const fs::path beside = fs::path(file).parent_path() / name;
  const bool is_path = fs::path(name).has_parent_path() || fs::path(name).has_extension();
  return is_path || fs::is_regular_file(beside) ? beside.string() : name;
}

void check_point_count(const MapReader& reader, const Sweep& sweep) {
  size_t count = sweep.networks.size() * sweep.widths.size();
  for (const Axis& axis : sweep.axes) {
    count *= axis.values.size();
    if (count > kMaxPoints) {
      throw reader.error(
          "axes", "make more than " + std::to_string(kMaxPoints) + " points; shorten some lists");
    }
  }
}

}  // namespace

size_t Sweep::chip_count() const {
  size_t count = 1;
  for (const Axis& axis : axes) count *= axis.values.size();
  return count;
}

Point Sweep::point(size_t number) const {
  const size_t chips = chip_count();
  return {number / chips / widths.size(), number / chips % widths.size(), number % chips};
}

std::vector<Setting> Sweep::settings(size_t chip) const {
  std::vector<Setting> result(axes.size());
  for (size_t i = axes.size(); i-- > 0; chip /= axes[i].values.size()) {
    result[i] = {axes[i].key, axes[i].values[chip % axes[i].values.size()]};
  }
  return result;
}

Sweep read_sweep(const std::string& file) {
  chip::read_yaml_file(file);
  const YAML::Node top = YAML::LoadFile(file);
  MapReader reader(top, file, "");
  Sweep sweep;
  sweep.file = file;
  sweep.chip = chip_path(reader.text("chip"), file);
  if (!reader.has("networks")) throw reader.error("networks", "is missing; list ONNX files");
  sweep.networks = read_networks(reader, top, file);
  sweep.widths = {Widths{}};
  if (reader.has("widths")) sweep.widths = read_widths(reader, top);
  if (reader.has("axes")) sweep.axes = read_axes(reader, top, file);
  sweep.objectives = {"seconds", "energy_pj", "array_mm2"};
  if (reader.has("objectives")) sweep.objectives = read_objectives(reader, top);
  if (reader.has("front")) {
    const std::string front = reader.text("front");
    if (front != "each" && front != "all") {
      throw reader.error("front", "must be each or all, got " + front);
    }
    sweep.one_front = front == "all";
  }
  reader.finish();
  check_point_count(reader, sweep);
  return sweep;
}

}  // namespace tessera::explore
