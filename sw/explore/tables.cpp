#include "explore/tables.hpp"

#include <algorithm>
#include <cstdio>
#include <filesystem>

namespace tessera::explore {
namespace {

std::string cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string result = "\"";
  for (const char c : text) result += c == '"' ? "\"\"" : std::string(1, c);
  return result + "\"";
}

std::string joined(const std::vector<std::string>& cells) {
  std::string line;
  for (const std::string& each : cells) line += (line.empty() ? "" : ",") + cell(each);
  return line + "\n";
}

std::string significant(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", value);
  return text;
}

std::string percent(double fraction) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f", 100 * fraction);
  return text;
}

using Rows = std::vector<std::vector<std::string>>;

std::string aligned(const Rows& rows) {
  std::vector<size_t> widths(rows.front().size());
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      text += (i == 0 ? "" : "  ") + std::string(widths[i] - row[i].size(), ' ') + row[i];
    }
    text += "\n";
  }
  return text;
}

}  // namespace

std::string to_csv(const Sweep& sweep, const std::vector<Result>& results) {
  std::vector<std::string> heading = {"point", "network", "widths"};
  for (const Axis& axis : sweep.axes) heading.push_back(axis.key);
  for (const Metric& m : metrics()) heading.emplace_back(m.name);
  heading.emplace_back("bound");
  heading.emplace_back("error");
  std::string text = joined(heading);
  for (const Result& r : results) {
    std::vector<std::string> line = {std::to_string(r.point), r.network, r.widths};
    for (const auto& parameter : r.parameters) line.push_back(parameter.second);
    for (const Metric& m : metrics()) {
      line.push_back(r.error ? "" : number_text(value_of(m, r.costs)));
    }
    line.push_back(r.error ? "" : r.costs.bound());
    line.push_back(r.error.value_or(""));
    text += joined(line);
  }
  return text;
}

std::string to_table(const Sweep& sweep, const std::vector<Result>& results, size_t rows) {
  Rows table(1, {"point", "network", "widths"});
  for (const Axis& axis : sweep.axes) table[0].push_back(axis.key);
  for (const std::string& name : sweep.objectives) table[0].push_back(name);
  table[0].emplace_back("array, %");
  table[0].emplace_back("bound");
  for (size_t i = 0; i < std::min(rows, results.size()); ++i) {
    const Result& r = results[i];
    const std::string network = std::filesystem::path(r.network).filename().string();
    table.push_back({std::to_string(r.point), network, r.widths});
    for (const auto& parameter : r.parameters) table.back().push_back(parameter.second);
    for (const std::string& name : sweep.objectives) {
      table.back().push_back(significant(value_of(*find_metric(name), r.costs)));
    }
    table.back().push_back(percent(r.costs.utilization));
    table.back().push_back(r.costs.bound());
  }
  return aligned(table);
}

}  // namespace tessera::explore
