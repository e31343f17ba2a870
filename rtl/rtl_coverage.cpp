#include "rtl/rtl_coverage.hpp"

#include <algorithm>
#include <fstream>
#include <map>
#include <tuple>

namespace tessera::rtl {
namespace {

/// A line of the file: C '<key><value>...' <count>, each key between the characters 1 and 2.
struct Record {
  std::string type;  ///< of the point, and the module's name: "v_toggle/pe_core"
  std::string file;
  std::string comment;  ///< signal and bit, or the kind of branch
  uint64_t line = 0;
  uint64_t column = 0;
  uint64_t count = 0;
};

void assign(Record& record, const std::string& key, const std::string& value) {
  if (key == "page") record.type = value;
  if (key == "f") record.file = value.substr(value.find_last_of('/') + 1);
  if (key == "o") record.comment = value;
  if (key == "l") record.line = std::stoull(value);
  if (key == "n") record.column = std::stoull(value);
}

Record parse_record(const std::string& line) {
  constexpr char kKey = '\1';
  constexpr char kValue = '\2';
  const std::size_t end = line.rfind('\'');
  Record record;
  std::size_t at = line.find(kKey);
  while (at != std::string::npos && at < end) {
    const std::size_t value = line.find(kValue, at);
    const std::size_t next = std::min(line.find(kKey, at + 1), end);
    if (value == std::string::npos || value > next) throw RtlCoverageError("a key has no value");
    assign(record, line.substr(at + 1, value - at - 1), line.substr(value + 1, next - value - 1));
    at = next == end ? std::string::npos : next;
  }
  if (end == std::string::npos || record.type.empty()) throw RtlCoverageError("no point in it");
  record.count = std::stoull(line.substr(end + 1));
  return record;
}

/// Verilator tells the parameters of a module by a suffix: pe_core__R2_C4.
std::string module_of(const std::string& type) {
  const std::string name = type.substr(type.find('/') + 1);
  return name.substr(0, name.find("__"));
}

/// A point of a module: the same in all instances.
struct Point {
  std::string file;
  uint64_t line, column;
  std::string comment;

  friend bool operator<(const Point& a, const Point& b) {
    return std::tie(a.file, a.line, a.column, a.comment) <
           std::tie(b.file, b.line, b.column, b.comment);
  }
};

/// By module: the largest count of each point over the instances.
using Points = std::map<std::string, std::map<Point, uint64_t>>;

struct Bit {
  std::string signal;
  int number = -1;  ///< -1: the signal has no bits to choose from
};

/// "acc_q[3]" is bit 3 of acc_q.
Bit bit_of(const std::string& name) {
  const std::size_t bracket = name.rfind('[');
  if (bracket == std::string::npos || name.back() != ']') return {name, -1};
  return {name.substr(0, bracket), std::stoi(name.substr(bracket + 1))};
}

/// "sum_q[40:38,3]".
std::string with_bits(const std::string& signal, std::vector<int> bits) {
  if (bits == std::vector<int>{-1}) return signal;
  std::sort(bits.rbegin(), bits.rend());
  std::string text;
  for (std::size_t i = 0; i < bits.size();) {
    std::size_t last = i;
    while (last + 1 < bits.size() && bits[last + 1] == bits[last] - 1) ++last;
    text += (text.empty() ? "" : ",") + std::to_string(bits[i]);
    if (last != i) text += ":" + std::to_string(bits[last]);
    i = last + 1;
  }
  return signal + "[" + text + "]";
}

std::string place(const Point& point) { return point.file + ":" + std::to_string(point.line); }

void count_lines(const std::map<Point, uint64_t>& points, ModuleCoverage& module,
                 std::vector<std::string>& holes) {
  for (const auto& [point, count] : points) {
    ++module.line_points;
    if (count != 0) {
      ++module.line_hits;
    } else {
      holes.push_back(place(point) + " (" + point.comment + ")");
    }
  }
}

void count_toggles(const std::map<Point, uint64_t>& points, ModuleCoverage& module,
                   std::vector<std::string>& holes) {
  constexpr uint64_t kRiseAndFall = 2;
  std::map<std::tuple<std::string, uint64_t, std::string>, std::vector<int>> still;
  for (const auto& [point, count] : points) {
    ++module.toggle_points;
    if (count >= kRiseAndFall) {
      ++module.toggle_hits;
    } else {
      const Bit bit = bit_of(point.comment);
      still[{point.file, point.line, bit.signal}].push_back(bit.number);
    }
  }
  for (const auto& [where, bits] : still) {
    const auto& [file, line, signal] = where;
    holes.push_back(place({file, line, 0, ""}) + " " + with_bits(signal, bits));
  }
}

template <typename Member>
uint64_t sum(const std::vector<ModuleCoverage>& modules, Member member) {
  uint64_t total = 0;
  for (const ModuleCoverage& module : modules) total += module.*member;
  return total;
}

}  // namespace

uint64_t RtlCoverage::line_points() const { return sum(modules, &ModuleCoverage::line_points); }
uint64_t RtlCoverage::line_hits() const { return sum(modules, &ModuleCoverage::line_hits); }
uint64_t RtlCoverage::toggle_points() const { return sum(modules, &ModuleCoverage::toggle_points); }
uint64_t RtlCoverage::toggle_hits() const { return sum(modules, &ModuleCoverage::toggle_hits); }

RtlCoverage read_rtl_coverage(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw RtlCoverageError(path + ": cannot be read");
  Points lines, toggles;
  std::map<std::string, ModuleCoverage> modules;
  uint64_t number = 0;
  for (std::string text; std::getline(file, text);) {
    ++number;
    if (text.rfind("C '", 0) != 0) continue;
    try {
      const Record record = parse_record(text);
      const std::string module = module_of(record.type);
      const bool toggle = record.type.rfind("v_toggle/", 0) == 0;
      uint64_t& count =
          (toggle ? toggles
                  : lines)[module][{record.file, record.line, record.column, record.comment}];
      count = std::max(count, record.count);
      modules[module].module = module;
    } catch (const std::exception& e) {
      throw RtlCoverageError(path + ":" + std::to_string(number) +
                             ": not a coverage point: " + e.what());
    }
  }
  if (modules.empty()) throw RtlCoverageError(path + ": holds no coverage points");
  RtlCoverage coverage;
  for (auto& [name, module] : modules) {
    count_lines(lines[name], module, coverage.line_holes);
    count_toggles(toggles[name], module, coverage.toggle_holes);
    coverage.modules.push_back(module);
  }
  return coverage;
}

}  // namespace tessera::rtl
