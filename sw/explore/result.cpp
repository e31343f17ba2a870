#include "explore/result.hpp"

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <cmath>

namespace tessera::explore {
namespace {

namespace json = boost::json;

constexpr const char* kSchema = "tessera-explore";
constexpr int64_t kSchemaVersion = 1;

std::string quoted(const std::string& text) { return json::serialize(json::string(text)); }

void add(std::string& line, const char* name, const std::string& value) {
  line += line.empty() ? "{" : ",";
  line += quoted(name) + ":" + value;
}

/// Numbers stay numbers, words become strings.
std::string parameter_text(const std::string& value) {
  double number = 0;
  const char* end = value.data() + value.size();
  const auto [stop, status] = std::from_chars(value.data(), end, number);
  const bool is_number = status == std::errc() && stop == end && std::isfinite(number);
  return is_number ? number_text(number) : quoted(value);
}

std::string parameters_text(const std::vector<Setting>& parameters) {
  std::string text;
  for (const auto& [key, value] : parameters) add(text, key.c_str(), parameter_text(value));
  return text.empty() ? "{}" : text + "}";
}

void add_costs(std::string& line, const Costs& costs) {
  for (const Metric& m : metrics()) add(line, m.name, number_text(value_of(m, costs)));
  add(line, "bound", quoted(costs.bound()));
  std::string bounds;
  for (const auto& [name, cycles] : costs.cycles_by_bound) {
    add(bounds, name.c_str(), std::to_string(cycles));
  }
  add(line, "cycles_by_bound", bounds.empty() ? "{}" : bounds + "}");
}

std::string text_of(const json::value& value) {
  return value.is_string() ? std::string(value.get_string())
                           : number_text(value.to_number<double>());
}

Costs read_costs(const json::object& o) {
  Costs costs;
  for (const Metric& m : metrics()) {
    const json::value& value = o.at(m.name);
    std::visit(
        [&](auto member) {
          using Number = std::decay_t<decltype(costs.*member)>;
          costs.*member = value.to_number<Number>();
        },
        m.member);
  }
  for (const auto& bound : o.at("cycles_by_bound").as_object()) {
    costs.cycles_by_bound[bound.key()] = bound.value().to_number<uint64_t>();
  }
  return costs;
}

Result read_result(const json::object& o) {
  Result r;
  r.key = text_of(o.at("key"));
  r.point = o.at("point").to_number<size_t>();
  r.network = text_of(o.at("network"));
  r.network_digest = text_of(o.at("network_digest"));
  r.widths = text_of(o.at("widths"));
  r.chip = text_of(o.at("chip"));
  if (!o.at("chip_fingerprint").is_null()) {
    r.chip_fingerprint = o.at("chip_fingerprint").to_number<uint32_t>();
  }
  for (const auto& p : o.at("parameters").as_object()) {
    r.parameters.emplace_back(p.key(), text_of(p.value()));
  }
  if (const json::value* error = o.if_contains("error")) {
    r.error = text_of(*error);
  } else {
    r.costs = read_costs(o);
  }
  return r;
}

}  // namespace

std::string Costs::bound() const {
  const auto most =
      std::max_element(cycles_by_bound.begin(), cycles_by_bound.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == cycles_by_bound.end() ? "" : most->first;
}

const std::vector<Metric>& metrics() {
  static const std::vector<Metric> all = {
      {"cycles", &Costs::cycles, false},
      {"seconds", &Costs::seconds, false},
      {"inferences_per_second", &Costs::inferences_per_second, true},
      {"energy_pj", &Costs::energy_pj, false},
      {"array_mm2", &Costs::array_mm2, false},
      {"scratchpad_bytes", &Costs::scratchpad_bytes, false},
      {"dram_bytes", &Costs::dram_bytes, false},
      {"macs", &Costs::macs, false},
      {"utilization", &Costs::utilization, true},
  };
  return all;
}

const Metric* find_metric(const std::string& name) {
  for (const Metric& m : metrics()) {
    if (name == m.name) return &m;
  }
  return nullptr;
}

double value_of(const Metric& metric, const Costs& costs) {
  return std::visit([&](auto member) { return static_cast<double>(costs.*member); }, metric.member);
}

std::string to_line(const Result& r) {
  std::string line;
  add(line, "schema", quoted(kSchema));
  add(line, "schema_version", std::to_string(kSchemaVersion));
  add(line, "key", quoted(r.key));
  add(line, "point", std::to_string(r.point));
  add(line, "network", quoted(r.network));
  add(line, "network_digest", quoted(r.network_digest));
  add(line, "widths", quoted(r.widths));
  add(line, "chip", quoted(r.chip));
  add(line, "chip_fingerprint", r.chip_fingerprint ? std::to_string(*r.chip_fingerprint) : "null");
  add(line, "parameters", parameters_text(r.parameters));
  if (r.error) {
    add(line, "error", quoted(*r.error));
  } else {
    add_costs(line, r.costs);
  }
  return line + "}";
}

std::optional<Result> parse_line(const std::string& line) {
  json::error_code error;
  const json::value value = json::parse(line, error);
  if (error || !value.is_object()) return std::nullopt;
  const json::object& o = value.get_object();
  try {
    if (o.at("schema") != kSchema || o.at("schema_version") != kSchemaVersion) return std::nullopt;
    return read_result(o);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

std::string number_text(double value) {
  constexpr double kExactIntegers = 9007199254740992.0;  // 2^53
  std::array<char, 32> text{};
  char* const end = text.data() + text.size();
  const bool is_integer = value == std::floor(value) && std::fabs(value) < kExactIntegers;
  const auto result = is_integer ? std::to_chars(text.data(), end, static_cast<int64_t>(value))
                                 : std::to_chars(text.data(), end, value);
  return std::string(text.data(), result.ptr);
}

Digest& Digest::add(const void* data, size_t size_bytes) {
  const auto* bytes = static_cast<const unsigned char*>(data);
  for (size_t i = 0; i < size_bytes; ++i) hash_ = (hash_ ^ bytes[i]) * 0x0000'0100'0000'01B3;
  return *this;
}

std::string Digest::text() const {
  std::string text(16, '0');
  for (size_t i = 0; i < text.size(); ++i) {
    text[i] = "0123456789abcdef"[(hash_ >> (60 - 4 * i)) & 0xF];
  }
  return text;
}

}  // namespace tessera::explore
