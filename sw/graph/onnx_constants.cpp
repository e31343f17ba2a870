#include "graph/onnx_constants.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <map>

#include "graph/text.hpp"

namespace tessera::graph {
namespace {

constexpr int64_t kMaxConstantElements = int64_t{1} << 27;

struct ElementType {
  int bits;
  bool is_float;

  size_t size_bytes(size_t count) const { return (count * static_cast<size_t>(bits) + 7) / 8; }
};

const std::map<int, ElementType>& element_types() {
  using Proto = onnx::TensorProto;
  static const std::map<int, ElementType> types{
      {Proto::FLOAT, {32, true}},   {Proto::UINT8, {8, false}},  {Proto::INT8, {8, false}},
      {Proto::UINT16, {16, false}}, {Proto::INT16, {16, false}}, {Proto::INT32, {32, false}},
      {Proto::INT64, {64, false}},  {Proto::BOOL, {8, false}},   {Proto::FLOAT16, {16, true}},
      {Proto::DOUBLE, {64, true}},  {kUint4, {4, false}},        {kInt4, {4, false}}};
  return types;
}

float half_to_float(uint16_t half) {
  const int exponent = (half >> 10) & 31;
  const int fraction = half & 1023;
  float magnitude = exponent == 0 ? std::ldexp(static_cast<float>(fraction), -24)
                                  : std::ldexp(static_cast<float>(fraction + 1024), exponent - 25);
  if (exponent == 31) {
    magnitude = fraction == 0 ? std::numeric_limits<float>::infinity()
                              : std::numeric_limits<float>::quiet_NaN();
  }
  return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

template <class Element, class Value>
void copy_raw(const std::string& raw, std::vector<Value>& out) {
  out.resize(raw.size() / sizeof(Element));
  for (size_t i = 0; i < out.size(); ++i) {
    Element element;
    std::memcpy(&element, raw.data() + i * sizeof(Element), sizeof(Element));
    out[i] = static_cast<Value>(element);
  }
}

/// `bytes` hold two values each, and one more at the end if their number is odd.
template <class Bytes>
void unpack_nibbles(const Bytes& bytes, size_t count, Constant& c) {
  for (size_t i = 0; i < count && i / 2 < static_cast<size_t>(bytes.size()); ++i) {
    const auto byte = static_cast<unsigned>(bytes[static_cast<int>(i / 2)]);
    const int64_t nibble = byte >> (i % 2 * 4) & 15U;
    c.integers.push_back(c.element_type == kInt4 && nibble > 7 ? nibble - 16 : nibble);
  }
}

void read_raw(const std::string& raw, size_t count, Constant& c) {
  using Proto = onnx::TensorProto;
  switch (c.element_type) {
    case Proto::FLOAT:
      return copy_raw<float>(raw, c.floats);
    case Proto::DOUBLE:
      return copy_raw<double>(raw, c.floats);
    case Proto::UINT8:
    case Proto::BOOL:
      return copy_raw<uint8_t>(raw, c.integers);
    case Proto::INT8:
      return copy_raw<int8_t>(raw, c.integers);
    case Proto::UINT16:
      return copy_raw<uint16_t>(raw, c.integers);
    case Proto::INT16:
      return copy_raw<int16_t>(raw, c.integers);
    case Proto::INT32:
      return copy_raw<int32_t>(raw, c.integers);
    case Proto::INT64:
      return copy_raw<int64_t>(raw, c.integers);
    case kUint4:
    case kInt4:
      return unpack_nibbles(std::vector<char>(raw.begin(), raw.end()), count, c);
    default:
      break;
  }
  std::vector<int64_t> halves;
  copy_raw<uint16_t>(raw, halves);
  for (const int64_t half : halves) c.floats.push_back(half_to_float(static_cast<uint16_t>(half)));
}

/// int32_data holds the integers of narrower types as well.
void check_range(const Constant& c) {
  const int bits = element_types().at(c.element_type).bits;
  const bool is_signed =
      c.element_type == onnx::TensorProto::INT8 || c.element_type == onnx::TensorProto::INT16;
  if (bits > 16) return;
  const int64_t low = is_signed ? -(int64_t{1} << (bits - 1)) : 0;
  const int64_t high = low + (int64_t{1} << bits) - 1;
  for (const int64_t value : c.integers) {
    if (value < low || value > high) {
      fail("tensor '", c.name, "' holds ", value, ", its element type ", low, "..", high);
    }
  }
}

void read_typed(const onnx::TensorProto& t, size_t count, Constant& c) {
  using Proto = onnx::TensorProto;
  switch (c.element_type) {
    case Proto::FLOAT:
      c.floats.assign(t.float_data().begin(), t.float_data().end());
      return;
    case Proto::INT64:
      c.integers.assign(t.int64_data().begin(), t.int64_data().end());
      return;
    case Proto::DOUBLE:
      for (const double value : t.double_data()) c.floats.push_back(static_cast<float>(value));
      return;
    case Proto::FLOAT16:
      for (const int32_t half : t.int32_data()) {
        c.floats.push_back(half_to_float(static_cast<uint16_t>(half)));
      }
      return;
    case kUint4:
    case kInt4:
      return unpack_nibbles(t.int32_data(), count, c);
    default:
      c.integers.assign(t.int32_data().begin(), t.int32_data().end());
      check_range(c);
  }
}

std::string read_external(const onnx::TensorProto& tensor, const std::string& folder,
                          size_t size_bytes) {
  std::map<std::string, std::string> entries;
  for (const auto& entry : tensor.external_data()) entries[entry.key()] = entry.value();
  const std::string& location = entries["location"];
  if (location.empty() || location.front() == '/' || location.find("..") != std::string::npos) {
    fail("tensor '", tensor.name(), "' names no usable external data file ('", location, "')");
  }
  const std::string path = folder + "/" + location;
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) fail("tensor '", tensor.name(), "': its external data file '", path, "' is missing");
  const auto offset = std::strtoll(entries["offset"].c_str(), nullptr, 10);
  const auto available = static_cast<int64_t>(file.tellg());
  if (offset < 0 || offset > available || static_cast<size_t>(available - offset) < size_bytes) {
    fail("tensor '", tensor.name(), "': its external data file '", path, "' is too short");
  }
  std::string raw(size_bytes, '\0');
  file.seekg(offset);
  if (!file.read(raw.data(), static_cast<std::streamsize>(size_bytes))) {
    fail("tensor '", tensor.name(), "': cannot read its external data file '", path, "'");
  }
  return raw;
}

}  // namespace

bool is_supported_type(int element_type) { return element_types().count(element_type) != 0; }

int64_t checked_count(const Shape& shape, const std::string& what) {
  int64_t count = 1;
  for (const int64_t dimension : shape) {
    if (dimension < 0) fail(what, " has a negative dimension: ", to_string(shape));
    if (__builtin_mul_overflow(count, dimension, &count) || count > kMaxConstantElements) {
      fail(what, " of shape ", to_string(shape), " is too large");
    }
  }
  return count;
}

size_t Constant::scale_index(size_t i) const {
  if (!grid || grid->scales.size() == 1) return 0;
  size_t inner = 1;
  for (size_t d = static_cast<size_t>(grid_axis) + 1; d < shape.size(); ++d) {
    inner *= static_cast<size_t>(shape[d]);
  }
  return i / inner % grid->scales.size();
}

std::vector<float> Constant::values() const {
  std::vector<float> values = floats;
  if (!grid) return values;
  for (size_t i = 0; i < values.size(); ++i) {
    const float scale = grid->scales[scale_index(i)];
    values[i] = scale * static_cast<float>(quantize(values[i], scale, *grid));
  }
  return values;
}

Constant integer_constant(std::vector<int64_t> values) {
  Constant c;
  c.element_type = onnx::TensorProto::INT64;
  c.shape = {static_cast<int64_t>(values.size())};
  c.integers = std::move(values);
  return c;
}

Constant read_constant(const onnx::TensorProto& tensor, const std::string& folder) {
  Constant c;
  c.name = tensor.name();
  c.element_type = tensor.data_type();
  const auto type = element_types().find(c.element_type);
  if (type == element_types().end()) {
    fail("tensor '", tensor.name(), "' has the unsupported element type ", c.element_type);
  }
  c.shape.assign(tensor.dims().begin(), tensor.dims().end());
  const auto count =
      static_cast<size_t>(checked_count(c.shape, concat("tensor '", tensor.name(), "'")));
  if (tensor.data_location() == onnx::TensorProto::EXTERNAL) {
    read_raw(read_external(tensor, folder, type->second.size_bytes(count)), count, c);
  } else if (tensor.has_raw_data()) {
    if (tensor.raw_data().size() != type->second.size_bytes(count)) {
      fail("tensor '", tensor.name(), "' of shape ", to_string(c.shape), " carries ",
           tensor.raw_data().size(), " bytes, it needs ", type->second.size_bytes(count));
    }
    read_raw(tensor.raw_data(), count, c);
  } else {
    read_typed(tensor, count, c);
  }
  if ((c.is_float() ? c.floats.size() : c.integers.size()) != count) {
    fail("tensor '", tensor.name(), "' of shape ", to_string(c.shape), " does not carry ", count,
         " values: its data is missing");
  }
  return c;
}

int64_t from_end(int64_t index, int64_t size) {
  const int64_t position = index < 0 ? index + size : index;
  if (position < 0 || position >= size) fail("index ", index, " is outside 0..", size - 1);
  return position;
}

const onnx::AttributeProto* find_attribute(const onnx::NodeProto& node, const std::string& name) {
  for (const auto& attribute : node.attribute()) {
    if (attribute.name() == name) return &attribute;
  }
  return nullptr;
}

int64_t int_attribute(const onnx::NodeProto& node, const std::string& name, int64_t otherwise) {
  const onnx::AttributeProto* attribute = find_attribute(node, name);
  return attribute == nullptr ? otherwise : attribute->i();
}

float float_attribute(const onnx::NodeProto& node, const std::string& name, float otherwise) {
  const onnx::AttributeProto* attribute = find_attribute(node, name);
  return attribute == nullptr ? otherwise : attribute->f();
}

std::string string_attribute(const onnx::NodeProto& node, const std::string& name,
                             const std::string& otherwise) {
  const onnx::AttributeProto* attribute = find_attribute(node, name);
  return attribute == nullptr ? otherwise : attribute->s();
}

std::vector<int64_t> ints_attribute(const onnx::NodeProto& node, const std::string& name) {
  const onnx::AttributeProto* attribute = find_attribute(node, name);
  if (attribute == nullptr) return {};
  return {attribute->ints().begin(), attribute->ints().end()};
}

}  // namespace tessera::graph
