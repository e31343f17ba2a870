#pragma once

/// What to explore, as YAML (docs/explore.md):
///
///   chip:        name of a shipped chip, or a chip file
///   networks:    list of ONNX files
///   widths:      optional list of ACTIVATIONSxWEIGHTS, or `file`: the network as it is, the
///   default axes:        optional mapping of dotted keys of the chip file to lists of values
///   objectives:  optional list of metrics, default seconds, energy_pj, array_mm2
///   front:       `each` network and widths (default), or `all` points together
///
/// Paths are relative to the sweep file. The points are the Cartesian product.

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace tessera::explore {

/// Points of one sweep; more are refused.
constexpr size_t kMaxPoints = 100'000;

/// Operand widths that a network is requantised to.
struct Widths {
  std::string text = "file";  ///< "8x4", "8xp4"; "file": as the network is
  int activation_bits = 0;    ///< 2, 4, 8 or 16; 0: as the network is
  int weight_bits = 0;
  bool power_of_two = false;  ///< weights are 0 or powers of two, in 4 bits
};

struct SweptNetwork {
  std::string file;   ///< as written, for people
  std::string path;   ///< as it opens
  std::string where;  ///< "sweep.yaml:3: ", for messages
};

struct Axis {
  std::string key;  ///< "npu.rows"
  std::vector<std::string> values;
  std::string where;
};

/// A key of the chip file and its value.
using Setting = std::pair<std::string, std::string>;

/// One combination, by indices into the sweep's lists.
struct Point {
  size_t network = 0;
  size_t widths = 0;
  size_t chip = 0;  ///< which combination of axis values, the last axis varying fastest
};

struct Sweep {
  std::string file;
  std::string chip;  ///< as chip::load_chip takes it
  std::vector<SweptNetwork> networks;
  std::vector<Widths> widths;
  std::vector<Axis> axes;
  std::vector<std::string> objectives;
  bool one_front = false;  ///< over all points, instead of one for each network and widths

  size_t chip_count() const;
  size_t point_count() const { return networks.size() * widths.size() * chip_count(); }
  /// Points are numbered from 0: networks vary slowest, then widths, then chips.
  Point point(size_t number) const;
  /// The axes' values in a combination, in the order of the axes.
  std::vector<Setting> settings(size_t chip) const;
};

/// Throws std::runtime_error "file:line: key ..., got ...". Networks and chip are not opened.
Sweep read_sweep(const std::string& file);

}  // namespace tessera::explore
