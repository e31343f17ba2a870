#pragma once

/// What a point costs, and its line in the results file.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "explore/sweep.hpp"

namespace tessera::explore {

/// Of one inference.
struct Costs {
  uint64_t cycles = 0;
  double seconds = 0;
  double inferences_per_second = 0;
  double energy_pj = 0;
  double array_mm2 = 0;           ///< PE arrays of all clusters
  uint64_t scratchpad_bytes = 0;  ///< of all clusters
  uint64_t dram_bytes = 0;        ///< moved to and from DRAM
  uint64_t macs = 0;
  double utilization = 0;  ///< of the arrays, 0..1: macs over what they could do in `cycles` at
                           ///< each layer's widths
  std::map<std::string, uint64_t> cycles_by_bound;  ///< of the layers that each resource bounds

  /// The resource that bounds the most cycles; "" if there are none.
  std::string bound() const;
};

/// A figure by which points are compared.
struct Metric {
  const char* name;
  std::variant<uint64_t Costs::*, double Costs::*> member;
  bool more_is_better;
};

/// All of them, in the order of the outputs.
const std::vector<Metric>& metrics();
/// Null if there is none of that name.
const Metric* find_metric(const std::string& name);
double value_of(const Metric& metric, const Costs& costs);

/// A point and what came of it. A point that no chip can be or that does not fit has an error.
struct Result {
  std::string key;  ///< 16 hexadecimal digits: parameters, network's content, chip and widths
  size_t point = 0;
  std::string network;         ///< file, as in the sweep
  std::string network_digest;  ///< 16 hexadecimal digits
  std::string widths;
  std::string chip;
  std::optional<uint32_t> chip_fingerprint;  ///< none if there is no such chip
  std::vector<Setting> parameters;
  std::optional<std::string> error;
  Costs costs;  ///< of no meaning with an error
};

/// The line, without its end. The same result is the same text.
std::string to_line(const Result& result);
/// Nothing if the text is not such a line.
std::optional<Result> parse_line(const std::string& line);

/// The shortest text that reads back to the same number; integers without exponent.
std::string number_text(double value);

/// FNV-1a, 64 bit (Fowler, Noll, Vo).
class Digest {
 public:
  Digest& add(const void* data, size_t size_bytes);
  Digest& add(const std::string& text) { return add(text.data(), text.size()); }
  /// 16 hexadecimal digits.
  std::string text() const;

 private:
  uint64_t hash_ = 0xCBF2'9CE4'8422'2325;
};

}  // namespace tessera::explore
