#include <boost/json.hpp>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>

#include "command.hpp"

namespace tessera::platform {
namespace {

using boost::json::object;
using boost::json::value;

object read_report(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + ": cannot be opened");
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  boost::json::error_code error;
  value parsed = boost::json::parse(text, error);
  if (error || !parsed.is_object() || parsed.get_object().if_contains("schema") == nullptr) {
    throw std::runtime_error(path + ": is not a report that tessera wrote with --json");
  }
  return std::move(parsed.get_object());
}

double number(const object& o, const char* key) {
  const value* v = o.if_contains(key);
  if (v == nullptr || !v->is_number()) return std::nan("");
  return v->to_number<double>();
}

std::string text_of(const object& o, const char* key) {
  const value* v = o.if_contains(key);
  return v != nullptr && v->is_string() ? std::string(v->get_string()) : std::string("?");
}

std::string format(const char* pattern, double v) {
  if (std::isnan(v)) return "-";
  char text[64];
  std::snprintf(text, sizeof(text), pattern, v);
  return text;
}

/// A row a figure, a column a run.
class Table {
 public:
  explicit Table(const std::vector<object>& runs) : runs_(runs) {}

  template <typename Cell>
  void row(const char* label, Cell cell) {
    std::printf("%-34s", label);
    for (const object& run : runs_) std::printf(" %18s", std::string(cell(run)).c_str());
    std::printf("\n");
  }

 private:
  const std::vector<object>& runs_;
};

void print_runs(const std::vector<object>& runs, const std::map<std::string, object>& compressed) {
  Table table(runs);
  const auto per_image = [](const object& o, const char* key) {
    return number(o, key) / number(o, "images");
  };
  const auto compression = [&](const object& run, const char* key) {
    const auto it = compressed.find(text_of(run, "network"));
    return it == compressed.end() ? std::nan("") : number(it->second, key);
  };
  table.row("network", [](const object& o) { return text_of(o, "network"); });
  table.row("chip", [](const object& o) { return text_of(o, "chip"); });
  table.row("float top-1, whole test set, %",
            [&](const object& o) { return format("%.2f", compression(o, "float_top1_percent")); });
  table.row("integer top-1, whole test set, %", [&](const object& o) {
    return format("%.2f", compression(o, "integer_top1_percent"));
  });
  table.row("images on the platform",
            [](const object& o) { return format("%.0f", number(o, "images")); });
  table.row("platform top-1, %",
            [](const object& o) { return format("%.2f", number(o, "top1_percent")); });
  table.row("mismatches with the reference",
            [](const object& o) { return format("%.0f", number(o, "reference_mismatches")); });
  table.row("image, bytes on the chip",
            [](const object& o) { return format("%.0f", number(o, "image_bytes")); });
  table.row("cycles an image",
            [&](const object& o) { return format("%.0f", per_image(o, "cycles")); });
  table.row("ms an image", [](const object& o) { return format("%.4f", number(o, "latency_ms")); });
  table.row("array utilisation, %",
            [](const object& o) { return format("%.2f", 100 * number(o, "array_utilization")); });
  if (const value* causes = runs.front().if_contains("cycles_by_cause")) {
    for (const auto& cause : causes->as_object()) {
      const std::string name(cause.key());
      const std::string label =
          (name == "compute" ? "  computing: " : "  stalled: ") + name + ", %";
      table.row(label.c_str(), [&](const object& o) {
        return format("%.1f", 100 * number(o.at("cycles_by_cause").as_object(), name.c_str()) /
                                  number(o, "cycles"));
      });
    }
  }
  table.row("DRAM bytes read an image",
            [&](const object& o) { return format("%.0f", per_image(o, "dram_bytes_read")); });
  table.row("DRAM bytes written an image",
            [&](const object& o) { return format("%.0f", per_image(o, "dram_bytes_written")); });
  table.row("energy an image, uJ",
            [&](const object& o) { return format("%.3f", per_image(o, "energy_pj") / 1e6); });
  table.row("  of it the PE array, uJ",
            [&](const object& o) { return format("%.3f", per_image(o, "array_pj") / 1e6); });
  table.row("  over PEs of the layers' widths, %", [](const object& o) {
    return format("%+.1f", 100 * (number(o, "array_pj") / number(o, "fixed_array_pj") - 1));
  });
  table.row("simulation, MMAC/s", [](const object& o) {
    return format("%.0f", number(o, "simulated_macs_per_second") / 1e6);
  });
}

}  // namespace

int report_command(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h") {
    std::cout << "Usage: tessera report REPORT.json...\n\nPrints reports that run, compress and "
                 "cosim wrote with --json as one table.\n";
    return arguments.empty() ? kExitBadInput : kExitGood;
  }
  std::vector<object> runs;
  std::vector<object> cosims;
  std::map<std::string, object> compressed;
  for (const std::string& path : arguments) {
    object report = read_report(path);
    const std::string schema = text_of(report, "schema");
    if (schema == "tessera-run") {
      runs.push_back(std::move(report));
    } else if (schema == "tessera-cosim") {
      cosims.push_back(std::move(report));
    } else if (schema == "tessera-compress") {
      const std::string name = text_of(report, "network") + "-" + text_of(report, "recipe");
      compressed[name] = std::move(report);
    } else {
      throw std::runtime_error(path + ": a report of kind " + schema + " cannot be tabulated");
    }
  }
  if (!runs.empty()) print_runs(runs, compressed);
  for (const object& c : cosims) {
    std::printf(
        "RTL %s against the model: %s vectors, %s value and %s cycle mismatches, functional "
        "coverage %s %%\n",
        text_of(c, "unit").c_str(), format("%.0f", number(c, "vectors")).c_str(),
        format("%.0f", number(c, "value_mismatches")).c_str(),
        format("%.0f", number(c, "cycle_mismatches")).c_str(),
        format("%.1f", number(c, "coverage_percent")).c_str());
  }
  return kExitGood;
}

}  // namespace tessera::platform
