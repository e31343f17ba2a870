#include <algorithm>
#include <cmath>
#include <limits>

#include "graph/onnx_importer.hpp"
#include "graph/text.hpp"

namespace tessera::graph {
namespace {

constexpr int kMaxGridBits = 16;

struct IntegerType {
  int bits;
  bool is_signed;
};

IntegerType integer_type(int element_type) {
  using Proto = onnx::TensorProto;
  switch (element_type) {
    case Proto::UINT8:
      return {8, false};
    case Proto::INT8:
      return {8, true};
    case Proto::UINT16:
      return {16, false};
    case Proto::INT16:
      return {16, true};
    case Proto::INT32:
      return {32, true};
    case kUint4:
      return {4, false};
    case kInt4:
      return {4, true};
    default:
      fail("quantisation to element type ", element_type, " is not supported");
  }
}

IntegerForm full_range(int element_type) {
  const IntegerType type = integer_type(element_type);
  const int64_t low = type.is_signed ? -(int64_t{1} << (type.bits - 1)) : 0;
  return {element_type, low, low + (int64_t{1} << type.bits) - 1, {}, 0};
}

/// The one zero point, 0 if there is none.
int64_t zero_point_of(const Constant* constant) {
  if (constant == nullptr) return 0;
  std::vector<double> values(constant->floats.begin(), constant->floats.end());
  values.insert(values.end(), constant->integers.begin(), constant->integers.end());
  if (values.empty()) fail("its zero point is empty");
  const double first = values.front();
  for (const double value : values) {
    if (value != first) fail("its zero point differs from channel to channel; use symmetric grids");
  }
  if (!(std::fabs(first) <= 1 << kMaxGridBits) || first != std::trunc(first)) {
    fail("its zero point must be an integer, not ", first);
  }
  return static_cast<int64_t>(first);
}

/// Values from low to high, as distances from the zero point.
struct Range {
  int64_t low, high;
};

/// The grid whose values these are, or whose values they are but for the outermost ones.
std::optional<Quantization> grid_of(const Range& range, std::vector<float> scales) {
  for (int bits = 2; bits <= kMaxGridBits; ++bits) {
    const int64_t half = int64_t{1} << (bits - 1);
    const bool is_unsigned =
        range.low == 0 && (range.high == 2 * half - 1 || range.high == 2 * half - 2 ||
                           (bits == 2 && range.high == 1));
    const bool is_signed = range.high == half - 1 && (range.low == -half || range.low == 1 - half);
    if (is_unsigned || is_signed) {
      return Quantization{bits, is_signed, std::move(scales), WeightCode::kTwosComplement};
    }
  }
  return std::nullopt;
}

[[noreturn]] void refuse_range(const std::string& tensor, int64_t zero_point, const Range& range) {
  fail("it puts '", tensor, "' on a grid of ", range.low, "..", range.high, " steps (zero point ",
       zero_point,
       "); the chip's begin at 0 or lie symmetrically around it.\n"
       "Quantise symmetrically (unsigned behind ReLU), or give the float network to tessera "
       "compress");
}

Quantization known_grid(const std::string& tensor, int64_t zero_point, const Range& range,
                        std::vector<float> scales) {
  std::optional<Quantization> grid = grid_of(range, std::move(scales));
  if (!grid) refuse_range(tensor, zero_point, range);
  return *grid;
}

/// The dimension along which a scale of this shape, aligned to the right, varies.
int64_t scale_axis(const Shape& scale, const Shape& tensor) {
  for (size_t d = 0; d < scale.size(); ++d) {
    if (scale[d] == 1) continue;
    const int64_t axis = static_cast<int64_t>(tensor.size() - scale.size() + d);
    if (scale.size() > tensor.size() || element_count(scale) != scale[d] ||
        scale[d] != tensor[static_cast<size_t>(axis)]) {
      fail("its scale of shape ", to_string(scale), " does not fit ", to_string(tensor));
    }
    return axis;
  }
  return 0;
}

int64_t axis_of(const onnx::NodeProto& node, const Constant& x, const std::vector<float>& scales) {
  if (scales.size() == 1) return 0;
  const int64_t axis =
      from_end(int_attribute(node, "axis", 1), static_cast<int64_t>(x.shape.size()));
  const int64_t size = x.shape[static_cast<size_t>(axis)];
  if (static_cast<int64_t>(scales.size()) != size) {
    fail("it has ", scales.size(), " scales along axis ", axis, " of ", to_string(x.shape));
  }
  return axis;
}

/// Puts weights on a grid; what lies outside the range is moved to its end.
void set_grid(Constant& c, const Quantization& grid, const Range& range, int64_t axis) {
  c.grid = grid;
  c.grid_axis = axis;
  const bool per_tensor = grid.scales.size() == 1;
  const int64_t channels = per_tensor ? 1 : c.shape.at(static_cast<size_t>(axis));
  check_quantization(grid, channels, concat("weights '", c.name, "'"));
  if (range.low == grid.min() && range.high == grid.max()) return;
  for (size_t i = 0; i < c.floats.size(); ++i) {
    const float scale = grid.scales[c.scale_index(i)];
    c.floats[i] = std::clamp(c.floats[i], scale * static_cast<float>(range.low),
                             scale * static_cast<float>(range.high));
  }
}

/// Wide grids (32 bit biases) are applied to the values and then forgotten.
void round_to_wide_grid(Constant& c, const std::vector<float>& scales, int64_t axis) {
  c.grid = Quantization{kMaxGridBits, true, scales, WeightCode::kTwosComplement};
  c.grid_axis = axis;
  for (size_t i = 0; i < c.floats.size(); ++i) {
    const float scale = scales[c.scale_index(i)];
    if (!(scale > 0)) fail("its scale must be positive");
    c.floats[i] = scale * std::nearbyint(c.floats[i] / scale);
  }
  c.grid.reset();
}

/// Stored integers as the real values that they stand for.
Constant dequantized(const onnx::NodeProto& node, Constant c, std::vector<float> scales,
                     int64_t zero_point) {
  const IntegerForm form = c.integer_form ? *c.integer_form : full_range(c.element_type);
  const int64_t axis = axis_of(node, c, scales);
  const std::vector<int64_t> integers = std::move(c.integers);
  c.integers.clear();
  c.integer_form.reset();
  c.element_type = onnx::TensorProto::FLOAT;
  c.grid = Quantization{kMaxGridBits, true, scales, WeightCode::kTwosComplement};
  c.grid_axis = axis;
  c.floats.reserve(integers.size());
  for (size_t i = 0; i < integers.size(); ++i) {
    c.floats.push_back(scales.at(c.scale_index(i)) * static_cast<float>(integers[i] - zero_point));
  }
  c.grid.reset();
  const Range range{form.low - zero_point, form.high - zero_point};
  if (form.element_type == onnx::TensorProto::INT32) {
    if (zero_point != 0) fail("32 bit integers must have the zero point 0, not ", zero_point);
  } else {
    set_grid(c, known_grid(c.name, zero_point, range, std::move(scales)), range, axis);
  }
  return c;
}

bool same_rounding_as_round(std::string mode) {
  for (char& c : mode) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return mode == "ROUND" || mode == "HALF_EVEN";
}

}  // namespace

/// The integers that a QuantizeLinear makes.
IntegerForm OnnxImporter::integer_form(const Proto& node) {
  const Constant* zero_point = optional_constant(node, 2);
  if (int_attribute(node, "block_size", 0) != 0) fail("blocked quantisation is not supported");
  const int64_t wanted = int_attribute(node, "output_dtype", 0);
  const int type = zero_point != nullptr ? zero_point->element_type
                   : wanted != 0         ? static_cast<int>(wanted)
                                         : static_cast<int>(onnx::TensorProto::UINT8);
  IntegerForm form = full_range(type);
  form.scales = constant(node, 1, "scale").values();
  form.zero_point = zero_point_of(zero_point);
  if (form.scales.empty()) fail("its scale is empty");
  const Range range{form.low - form.zero_point, form.high - form.zero_point};
  if (type != onnx::TensorProto::INT32) known_grid(node.input(0), form.zero_point, range, {});
  return form;
}

/// A Clip of integers, by which some tools say that they use fewer bits than their type has.
void OnnxImporter::clip_integers(const Proto& node) {
  const auto narrow = [&](IntegerForm& form) {
    const auto bound = [&](int index, int64_t otherwise) {
      const Constant* value = optional_constant(node, index);
      if (value == nullptr) return otherwise;
      if (value->integers.size() != 1) fail("its bounds must be one integer each");
      return value->integers[0];
    };
    form.low = std::max(form.low, bound(1, form.low));
    form.high = std::min(form.high, bound(2, form.high));
    if (form.low > form.high) fail("its minimum exceeds its maximum");
  };
  if (is_view(node, 0)) {
    View x = view(node, 0);
    narrow(*x.integers);
    return alias(node, std::move(x));
  }
  Constant c = constant(node, 0, "input");
  if (c.is_float() && !c.integer_form) fail("clips a constant");
  if (!c.integer_form) c.integer_form = full_range(c.element_type);
  narrow(*c.integer_form);
  for (int64_t& value : c.integers) {
    value = std::clamp(value, c.integer_form->low, c.integer_form->high);
  }
  constants_[node.output(0)] = std::move(c);
}

/// Ends in a Clip whose result is on `grid` and within low..high.
void OnnxImporter::add_clip(const Proto& node, View& x, float low, float high,
                            const Quantization& grid) {
  Node clip = new_node(node, Op::kClip);
  clip.inputs = {x.tensor};
  clip.clip_low = low;
  clip.clip_high = high;
  add(node, std::move(clip));
  x.tensor = views_.at(node.output(0)).tensor;
  graph_.quantizations[x.tensor] = grid;
}

/// A tensor that is on another grid already is rounded again by a Clip that clips nothing.
void OnnxImporter::put_on_grid(const Proto& node, const Quantization& grid, int64_t low,
                               int64_t high) {
  View x = view(node, 0);
  x.integers.reset();
  check_quantization(grid, 1, "its grid");
  const auto known = graph_.quantizations.find(x.tensor);
  if (known == graph_.quantizations.end()) {
    graph_.quantizations.emplace(x.tensor, grid);
  } else if (!(known->second == grid) && x.quantized) {
    add_clip(node, x, std::numeric_limits<float>::lowest(), std::numeric_limits<float>::max(),
             grid);
  } else if (!(known->second == grid)) {
    fail("tensor '", x.tensor, "' is put on two different grids; use one for all its readers");
  }
  x.quantized = true;
  if (low != grid.min() || high != grid.max()) {
    const float scale = grid.scales[0];
    add_clip(node, x, scale * static_cast<float>(low), scale * static_cast<float>(high), grid);
  }
  alias(node, std::move(x));
}

void OnnxImporter::import_quantize_linear(const Proto& node) {
  IntegerForm form = integer_form(node);
  if (is_view(node, 0)) {
    View x = view(node, 0);
    if (x.integers) fail("quantises the integers of a QuantizeLinear");
    x.integers = std::move(form);
    return alias(node, std::move(x));
  }
  Constant c = constant(node, 0, "input");
  if (!c.is_float() || c.grid || c.integer_form) fail("quantises weights that are no plain floats");
  c.grid_axis = axis_of(node, c, form.scales);
  c.integer_form = std::move(form);
  constants_[node.output(0)] = std::move(c);
}

void OnnxImporter::import_dequantize_linear(const Proto& node) {
  std::vector<float> scales = constant(node, 1, "scale").values();
  if (scales.empty()) fail("its scale is empty");
  if (int_attribute(node, "block_size", 0) != 0) fail("blocked quantisation is not supported");
  const Constant* zero_constant = optional_constant(node, 2);
  const int64_t zero_point = zero_point_of(zero_constant);
  const auto check_match = [&](const IntegerForm& form) {
    const bool same_type =
        zero_constant == nullptr || zero_constant->element_type == form.element_type;
    if (form.scales != scales || form.zero_point != zero_point || !same_type) {
      fail("its scale or zero point differs from those of the QuantizeLinear before it");
    }
  };
  if (is_view(node, 0)) {
    const View& x = view(node, 0);
    if (!x.integers) fail("no QuantizeLinear precedes it");
    check_match(*x.integers);
    const Range range{x.integers->low - zero_point, x.integers->high - zero_point};
    const Quantization grid = known_grid(x.tensor, zero_point, range, std::move(scales));
    return put_on_grid(node, grid, range.low, range.high);
  }
  Constant c = constant(node, 0, "input");
  if (!c.is_float()) {
    if (zero_constant != nullptr && zero_constant->element_type != c.element_type) {
      fail("its zero point and its input have different element types");
    }
    c = dequantized(node, std::move(c), std::move(scales), zero_point);
    if (read_once(node.input(0))) constants_.erase(node.input(0));
  } else {
    if (!c.integer_form) fail("no QuantizeLinear precedes it");
    const IntegerForm form = *c.integer_form;
    check_match(form);
    c.integer_form.reset();
    const int64_t axis = axis_of(node, c, scales);
    if (scales.size() > 1 && axis != c.grid_axis) fail("its axis is not the QuantizeLinear's");
    const Range range{form.low - zero_point, form.high - zero_point};
    if (form.element_type == onnx::TensorProto::INT32 && zero_point == 0) {
      round_to_wide_grid(c, scales, axis);
    } else {
      set_grid(c, known_grid(c.name, zero_point, range, std::move(scales)), range, axis);
    }
  }
  constants_[node.output(0)] = std::move(c);
}

void OnnxImporter::import_quant(const Proto& node) {
  const Constant& scale = constant(node, 1, "scale");
  const int64_t zero_point = zero_point_of(&constant(node, 2, "zero point"));
  const std::vector<float> widths = constant(node, 3, "bit width").values();
  const std::string mode = string_attribute(node, "rounding_mode", "ROUND");
  const std::string encoding = string_attribute(node, "encoding", "");
  if (widths.size() != 1 || widths[0] != std::trunc(widths[0]) ||
      !(widths[0] >= 2 && widths[0] <= 32)) {
    fail("its bit width must be one integer in 2..16 (32 for biases)");
  }
  if (!same_rounding_as_round(mode)) fail("rounding mode ", mode, " is not supported; use ROUND");
  if (!encoding.empty() && encoding != "p4") fail("encoding '", encoding, "' is not known");
  const int bits = static_cast<int>(widths[0]);
  const bool is_signed = int_attribute(node, "signed", 1) != 0;
  const int64_t narrow = int_attribute(node, "narrow", 0) != 0 ? 1 : 0;
  const int64_t half = int64_t{1} << (bits - 1);
  const Range range{(is_signed ? narrow - half : 0) - zero_point,
                    (is_signed ? half - 1 : 2 * half - 1 - narrow) - zero_point};
  const bool is_wide = bits > kMaxGridBits && zero_point == 0;
  Quantization grid{bits, is_signed, scale.values(), WeightCode::kPowerOfTwo};
  if (grid.scales.empty()) fail("its scale is empty");
  if (is_wide) grid = {bits, is_signed, grid.scales, WeightCode::kTwosComplement};
  if (!is_wide && encoding.empty()) {
    grid = known_grid(node.input(0), zero_point, range, grid.scales);
  }
  if (is_view(node, 0)) {
    if (!encoding.empty()) fail("power-of-two grids are for weights only");
    return put_on_grid(node, grid, range.low, range.high);
  }
  Constant c = constant(node, 0, "input");
  if (!c.is_float() || c.grid || c.integer_form) fail("quantises weights that are no plain floats");
  const int64_t axis = scale_axis(scale.shape, c.shape);
  if (is_wide) {
    round_to_wide_grid(c, grid.scales, axis);
  } else if (!encoding.empty()) {
    set_grid(c, grid, {grid.min(), grid.max()}, axis);
  } else {
    set_grid(c, grid, range, axis);
  }
  constants_[node.output(0)] = std::move(c);
}

}  // namespace tessera::graph
